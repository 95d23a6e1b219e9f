// The REST side of one project: @supabase/lite on a real database, mended where 0.10.0 differs from PostgREST.
//
// Each mend hooks into Lite's insides, so its version is pinned and test_canary.py watches each of them:
//   roles       every statement runs as the key's role, and Lite grants nothing by itself
//   arguments   an object passed to a jsonb argument arrives as an object, not as a string of JSON
//   values      timestamps, numeric and bytea look as PostgREST's json_agg writes them
//   numbers     within JSON keep their digits: 900.00, 9007199254740993
//   rows        a bulk insert's missing keys are null, unless the caller asks for defaults
//   headers     request.headers is set for tables too, not for functions alone
//   errors      any SQLSTATE reaches the caller, with details, hint and PostgREST's HTTP status
//   cache       NOTIFY pgrst, 'reload schema' is heard

import { AsyncLocalStorage } from 'node:async_hooks';
import { App } from '@supabase/lite';
import { createPostgresConnection } from '@supabase/lite/postgres';
import { sql } from 'kysely';

const parse = JSON.parse;
JSON.parse = (text, reviver) =>
  reviver
    ? parse(text, reviver)
    : parse(text, (_, value, { source }) =>
        typeof value === 'number' && String(value) !== source ? JSON.rawJSON(source) : value);

// Node 20 garbles a raw number that is written after a letter beyond U+00FF: it is written as marked text instead.
const stringify = JSON.stringify;
JSON.stringify = (value, replacer, space) => {
  const own = typeof replacer === 'function' ? replacer : (_, item) => item;
  const mark = function (name, item) {
    const kept = own.call(this, name, item);
    return JSON.isRawJSON(kept) ? `\u0001number:${kept.rawJSON}` : kept;
  };
  return stringify(value, Array.isArray(replacer) ? replacer : mark, space)?.replace(/"\\u0001number:([^"]*)"/g, '$1');
};

/** Marks a string that is JSON already, between the argument mend and the type's serializer. */
const READY = '\u0001json:';
const json = {
  serialize: value => (typeof value === 'string' && value.startsWith(READY) ? value.slice(READY.length) : JSON.stringify(value)),
  parse: text => JSON.parse(text),
};
const time = { serialize: value => value, parse: text => text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00') };
const TYPES = {
  json: { to: 114, from: [114], ...json },
  jsonb: { to: 3802, from: [3802], ...json },
  timestamp: { to: 1114, from: [1114], ...time },
  timestamptz: { to: 1184, from: [1184], ...time },
  bytea: { to: 17, from: [17], serialize: value => value, parse: text => text },
  numeric: { to: 1700, from: [1700], serialize: String, parse: Number },
};

/** The HTTP status of an SQLSTATE, by the whole code or its class; anything else is 400 (PostgREST, "Errors"). */
const STATUS = {
  23503: 409, 23505: 409, 25006: 405, 42883: 404, '42P01': 404, '42P17': 500, 53400: 500, P0001: 400,
  '08': 503, '09': 500, '0L': 403, '0P': 403, 25: 500, 28: 403, '2D': 500, 38: 500, 39: 500, '3B': 500, 40: 500, 53: 503,
  54: 500, 55: 500, 57: 500, 58: 500, F0: 500, HV: 500, P0: 500, XX: 500,
};

/** The headers of the request that is served, and what the database last said meanwhile. */
const request = new AsyncLocalStorage();

/**
 * Open a project's REST side: `fetch(request, peer)` answers, `close()` gives the connections back.
 * `project`: host, database, max_rows, statement_timeout_ms, jwt_secret, publishable_key, secret_key.
 */
export async function openRest(project) {
  const connection = connect(project);
  const app = new App({
    connection,
    options: { server: { admin: false } },
    api: { schemas: ['public'], max_rows: project.max_rows },
    auth: {
      enabled: true,
      jwt_secret: project.jwt_secret,
      publishable_key: project.publishable_key,
      secret_key: project.secret_key,
    },
  });
  await app.ensureSystemSchema();
  await connection.driver.listen('pgrst', () => connection.clearSchemaCache());
  return { fetch: (req, peerAddress) => answer(app, req, peerAddress), close: () => connection.close() };
}

function connect({ host, database, statement_timeout_ms }) {
  const connection = createPostgresConnection({
    url: '',
    postgresOptions: {
      host, database, username: 'postgres', max: 20, types: TYPES, onnotice() {},
      connection: { statement_timeout: statement_timeout_ms },
    },
  });
  // As if a table with row level security had been seen: roles are switched, and GRANT ALL … TO anon is never said.
  connection.rlsState = 'active';
  const compile = connection.onPostgrestAST.bind(connection);
  connection.onPostgrestAST = async (ast, context) => {
    if (ast.type === 'rpc') await prepareArguments(connection, ast);
    fillMissing(ast);
    return compile(ast, context);
  };
  const enter = connection.applyJwtSessionContext.bind(connection);
  connection.applyJwtSessionContext = async (transaction, ...context) => {
    await enter(transaction, ...context);
    await sql`select set_config('request.headers', ${JSON.stringify(request.getStore()?.headers ?? {})}, true)`.execute(transaction);
  };
  const explain = connection.normalizeDbError.bind(connection);
  connection.normalizeDbError = error => {
    const explained = explain(error);
    const current = request.getStore();
    if (current) current.error = explained;
    return explained;
  };
  return connection;
}

async function prepareArguments(connection, ast) {
  if (!ast.args || Array.isArray(ast.args)) return;
  const { functions = [] } = await connection.introspect({ useCache: true });
  const called = functions.filter(f => f.schema === (ast.schema ?? 'public') && f.name === ast.function);
  for (const [name, value] of Object.entries(ast.args)) {
    const takesJson = called.some(f => /^jsonb?$/.test(f.arg_types[f.arg_names.indexOf(name)] ?? ''));
    if (takesJson && value !== null && typeof value !== 'string') ast.args[name] = READY + JSON.stringify(value);
    else if (JSON.isRawJSON(value)) ast.args[name] = value.rawJSON;
  }
}

function fillMissing(ast) {
  const { columns, missing } = ast.$meta ?? {};
  if (!columns || missing === 'default' || !Array.isArray(ast.values)) return;
  ast.values = ast.values.map(row => Object.fromEntries(columns.map(name => [name, name in row ? row[name] : null])));
}

async function answer(app, req, peerAddress) {
  return request.run({ headers: Object.fromEntries(req.headers) }, async () => {
    const response = await app.fetch(req, { peerAddress });
    const { error } = request.getStore();
    if (response.status !== 500 || !/^[0-9A-Z]{5}$/.test(error?.code ?? '')) return response;
    const { code, message, detail = null, hint = null } = error;
    const status = STATUS[code] ?? STATUS[code.slice(0, 2)] ?? 400;
    return Response.json({ code, message, details: detail, hint }, { status });
  });
}
