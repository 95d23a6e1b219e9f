// One Node process for all projects of a test run, each on a port of its own: /rest/v1 and /auth/v1 (rest.mjs),
// /functions/v1/<name> (handed on to Deno).  It prints the port of its control, which stack.py posts to:
//   /open    {host, database, max_rows, statement_timeout_ms, function_idle_ms, jwt_secret, publishable_key, secret_key,
//             anon_jwt, service_role_jwt} -> {"port"}
//   /route   {port, name, url, verify_jwt}: what answers a function's name
//   /close   {port}
// It ends when its standard input does, so it never outlives the tests.

import { serve } from '@hono/node-server';
import { jwtVerify } from 'jose';
import { setTimeout } from 'node:timers/promises';
import { openRest } from './rest.mjs';

const open = new Map();
const CONTROL = { '/open': openProject, '/route': routeFunction, '/close': closeProject };
/** Of one connection only: not handed on. */
const OWN_HEADERS = ['host', 'connection', 'content-length', 'transfer-encoding'];

console.error = () => {}; // Lite tells of each error that a test provokes
process.stdin.on('end', () => process.exit()).resume();
const { port } = await listen(async req => {
  try {
    return Response.json(await CONTROL[new URL(req.url).pathname](await req.json()));
  } catch (error) {
    return new Response(String(error.stack), { status: 500 });
  }
});
console.log(`control on ${port}`);

function listen(fetch) {
  return new Promise(resolve => {
    const server = serve({ port: 0, hostname: '127.0.0.1', fetch }, info => resolve({ server, port: info.port }));
  });
}

async function openProject(settings) {
  const project = { ...settings, functions: new Map(), rest: await openRest(settings) };
  const { server, port } = await listen((req, context) => respond(project, req, context.incoming.socket.remoteAddress));
  open.set(port, { ...project, server });
  return { port };
}

function routeFunction({ port, name, url, verify_jwt }) {
  open.get(port).functions.set(name, { url, verify_jwt });
  return {};
}

async function closeProject({ port }) {
  const { server, rest } = open.get(port);
  open.delete(port);
  server.close();
  server.closeAllConnections();
  // A call whose caller was killed may still hold a connection; its database is dropped with force after this.
  await Promise.race([rest.close(), setTimeout(10_000)]);
  return {};
}

function respond(project, req, peerAddress) {
  const url = new URL(req.url);
  if (url.pathname.startsWith('/functions/v1/')) return callFunction(project, req, url);
  return project.rest.fetch(asLiteKnowsKeys(project, req), peerAddress);
}

/** Lite takes a legacy key, which is a JWT, only as bearer. */
function asLiteKnowsKeys(project, req) {
  const headers = new Headers(req.headers);
  const key = headers.get('apikey');
  if (key !== project.anon_jwt && key !== project.service_role_jwt) return req;
  if (!headers.has('authorization')) headers.set('authorization', `Bearer ${key}`);
  headers.set('apikey', project.publishable_key);
  return new Request(req, { headers });
}

async function callFunction(project, req, url) {
  const name = url.pathname.split('/')[3];
  const found = project.functions.get(name);
  const bearer = req.headers.get('authorization');
  if (!bearer && !req.headers.get('apikey') && req.method !== 'OPTIONS') {
    return functionError(401, 'UNAUTHORIZED_NO_AUTH_HEADER', 'Missing authorization header');
  }
  if (found?.verify_jwt && !(await isJwt(project, bearer))) return functionError(401, 'UNAUTHORIZED_INVALID_JWT', 'Invalid JWT');
  if (!found) return functionError(404, 'NOT_FOUND', 'Requested function was not found');
  try {
    return await handOn(req, found.url + url.pathname.slice('/functions/v1'.length) + url.search, project.function_idle_ms);
  } catch (error) {
    return error.name === 'TimeoutError'
      ? functionError(504, 'IDLE_TIMEOUT', 'Function did not respond in time')
      : functionError(503, 'BOOT_ERROR', 'Function failed to start');
  }
}

/** `verify_jwt = true`: an sb_… key is no JWT, so it is refused too. */
function isJwt(project, bearer) {
  const secret = new TextEncoder().encode(project.jwt_secret);
  return jwtVerify((bearer ?? '').replace(/^Bearer /, ''), secret).then(() => true, () => false);
}

function functionError(status, code, message) {
  return Response.json({ code, message }, { status, headers: { 'sb-error-code': code } });
}

async function handOn(req, target, idleMs) {
  const headers = new Headers(req.headers);
  OWN_HEADERS.forEach(name => headers.delete(name));
  const { method, body } = req;
  const signal = AbortSignal.timeout(idleMs);
  const reply = await fetch(target, { method, headers, body, duplex: 'half', redirect: 'manual', signal });
  return new Response(reply.body, { status: reply.status, headers: reply.headers });
}
