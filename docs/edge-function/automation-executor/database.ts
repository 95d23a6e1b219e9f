// The project's database: Minutehand's functions over the REST API.
import { type Json, parseJson } from "./json.ts";
import { objectAt, shortText } from "./json.ts";

/** The database did not do what it was asked; `code` is one of docs/states.md. */
export class DatabaseError extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** How long a call that may work later is repeated, in seconds. */
const PATIENCE_SECONDS = 8;
const CALL_SECONDS = 15;

/** Call a function.  A call that may work later is repeated; each of Minutehand's functions can be repeated safely. */
export async function call(name: string, args: Record<string, Json>, patience = PATIENCE_SECONDS): Promise<Json> {
  const began = Date.now();
  for (let pause = 0.3;; pause *= 2) {
    try {
      return await callOnce(name, JSON.stringify(args));
    } catch (error) {
      const isAway = error instanceof DatabaseError && ["database_unreachable", "database_busy"].includes(error.code);
      if (!isAway || (Date.now() - began) / 1000 + pause > patience) throw error;
    }
    await sleep(pause);
  }
}

async function callOnce(name: string, body: string): Promise<Json> {
  const key = JSON.parse(env("SUPABASE_SECRET_KEYS") || "{}").default ?? env("SUPABASE_SERVICE_ROLE_KEY");
  const headers = { "apikey": key, "authorization": `Bearer ${key}`, "content-type": "application/json" };
  const url = `${env("SUPABASE_URL")}/rest/v1/rpc/${name}`;
  let reply: Response, text: string;
  try {
    reply = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(CALL_SECONDS * 1000) });
    text = await reply.text();
  } catch (error) {
    throw new DatabaseError("database_unreachable", `${name}: ${error instanceof Error ? error.message : error}`);
  }
  if (reply.ok) return parseJson(text);
  throw errorOf(name, reply.status, text);
}

function errorOf(name: string, status: number, text: string): DatabaseError {
  let body: Json = null;
  try {
    body = parseJson(text);
  } catch { /* a gateway's HTML */ }
  const { code, message } = objectAt(body);
  const said = `${name} answered ${status} (${shortText(message) || shortText(code) || "no text"})`;
  if (["40", "55"].includes(String(code).slice(0, 2)) || code === "57014") {
    return new DatabaseError("database_busy", said);
  }
  const isPassing = status > 500 || [408, 425, 429].includes(status) || /^(PGRST0|PGRST303)/.test(String(code));
  if (isPassing) return new DatabaseError("database_unreachable", said);
  return new DatabaseError(status === 401 || status === 403 ? "database_refused" : "database_error", said);
}

export const env = (name: string): string => Deno.env.get(name)?.trim() ?? "";
export const sleep = (seconds: number): Promise<void> => new Promise((end) => setTimeout(end, seconds * 1000));
