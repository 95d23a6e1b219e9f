// Outbound HTTP: no redirects, a time limit, no private addresses for workflows; and what a response means (R13).
import { type Json, parseJson } from "./json.ts";
import { env } from "./database.ts";
import { StepFailed, type StepResult } from "./outcome.ts";

const SECONDS = 30;
const MAX_RESPONSE_BYTES = 64 * 1024;
const PRIVATE_NAMES = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa)$/i;

/**
 * A connection for each request.  When the receiver closes one that was used before, Deno repeats the request on another
 * without a word, and the message could arrive twice.  Where there is no such client, a body that is a stream is not repeated.
 */
const client = Deno.createHttpClient?.({ poolMaxIdlePerHost: 0 });

function once(body: string | undefined): RequestInit {
  if (client) return { body, client } as RequestInit;
  return { body: body === undefined ? undefined : new Blob([body]).stream() };
}

export type Reply = { status: number; headers: Headers; text: string; json: Json };

/** Make one request.  Returns the response, or what is known about a request that got none. */
export async function request(
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Reply | StepResult> {
  const where = shownUrl(new URL(url));
  try {
    const reply = await fetch(url, {
      method,
      headers,
      ...once(body),
      redirect: "manual",
      signal: AbortSignal.timeout(SECONDS * 1000),
    });
    const text = await firstBytes(reply);
    let json: Json = null;
    try {
      json = parseJson(text);
    } catch { /* not JSON, or cut off */ }
    return { status: reply.status, headers: reply.headers, text, json };
  } catch (error) {
    const words = error instanceof Error ? `${error.name} ${error.message}` : String(error);
    // Deno's words for a connection that was never made; after anything else the request may have arrived.
    if (/client error \(Connect\)|dns error|tcp connect error|invalid peer certificate/i.test(words)) {
      return { verdict: "retry", code: "unreachable", reason: `${where}: no connection` };
    }
    const what = /Timeout/.test(words) ? "no reply in time" : "the connection broke before a reply";
    return { verdict: "unknown", code: "uncertain_send", reason: `${where}: ${what}; the request may have arrived` };
  }
}

async function firstBytes(reply: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of reply.body ?? []) {
      parts.push(part);
      if ((size += part.length) >= MAX_RESPONSE_BYTES) break;
    }
  } catch { /* the response counts, though its body broke off */ }
  return new TextDecoder().decode(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** Read a URL that a workflow may call. */
export async function targetUrl(text: string): Promise<URL> {
  const bad = (reason: string) => new StepFailed("bad_url", reason);
  let url: URL;
  try {
    // deno-lint-ignore no-control-regex
    if (/[\x00-\x1f\x7f]/.test(text)) throw bad("the URL contains control characters");
    url = new URL(text.trim());
  } catch (error) {
    throw error instanceof StepFailed ? error : bad("this is not a URL; write it as https://host/path");
  }
  if (!["http:", "https:"].includes(url.protocol)) throw bad("the URL must be http:// or https:// with a host");
  if (url.username || url.password) throw bad("the URL carries a user name or password; put them in a header");
  if (/\/\.{1,2}(?=[/?#]|$)/.test(text.split(/[?#]/)[0])) {
    throw bad("the path has a part `.` or `..`: write the path itself");
  }
  await refusePrivate(url);
  return url;
}

/** The URL as records show it: without query and fragment. */
export const shownUrl = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

/** Refuse private addresses, as far as this runtime can: the name may change until the connection is made. */
async function refusePrivate(url: URL): Promise<void> {
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const allowed = env("MINUTEHAND_ALLOW_PRIVATE_ADDRESSES").split(/[\s,]+/);
  if (allowed.some((one) => ["1", "true", "yes", "on", `${host}:${port}`].includes(one.toLowerCase()))) return;
  const isAddress = /^[\d.]+$/.test(host) || host.includes(":");
  const addresses = isAddress ? [host] : await resolved(host);
  if (
    PRIVATE_NAMES.test(host) || !host.includes(".") && !isAddress || addresses.some((address) => !isPublic(address))
  ) {
    throw new StepFailed("private_address", `${shownUrl(url)}: a private address, which workflows may not reach`);
  }
}

async function resolved(host: string): Promise<string[]> {
  const asked = (["A", "AAAA"] as const).map((type) => Deno.resolveDns(host, type).catch(() => []));
  try {
    return (await Promise.all(asked)).flat();
  } catch {
    return []; // this runtime may not ask
  }
}

/** Whether an IP address is public; an unclear one is not. */
export function isPublic(address: string): boolean {
  const v4 = /(?:^|:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)?.slice(1).map(Number) ?? mappedV4(address);
  if (v4) {
    const [a, b, c] = v4;
    return !(a === 0 || a === 10 || a === 127 || a >= 224 || (a === 100 && b >= 64 && b < 128) ||
      (a === 169 && b === 254) ||
      (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 192 && b === 0 && (c === 0 || c === 2)) ||
      (a === 198 && (b === 18 || b === 19)) || (a === 198 && b === 51 && c === 100) ||
      (a === 203 && b === 0 && c === 113) ||
      v4.join(".") === "168.63.129.16");
  }
  const first = parseInt(address.split(":")[0] || "0", 16);
  return first >= 0x2000 && first < 0x4000 && !/^2001:(?:0{1,4}|db8|0db8|[12][0-9a-f]):/i.test(address + ":") &&
    first !== 0x2002;
}

/** The IPv4 address in `::ffff:a00:1` and `64:ff9b::a00:1`. */
function mappedV4(address: string): number[] | undefined {
  const found = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address);
  if (!found) return undefined;
  const [high, low] = found.slice(1).map((part) => parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255];
}

/** `Retry-After` in seconds, at most a day; undefined when it says nothing. */
export function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after")?.trim() ?? "";
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), 86_400);
}

/** How a step ended whose receiver, not a provider, answered so; undefined: the work was done. */
export function failureOf(reply: Reply): StepResult | undefined {
  const { status } = reply, wait = retryAfter(reply.headers);
  const result = { status, response: reply.text.replaceAll("\0", "").slice(0, 500) };
  if (status >= 200 && status < 300) return undefined;
  if (status === 429 || (status === 503 && wait !== undefined)) {
    return {
      verdict: "deferred",
      code: "busy",
      reason: `the receiver asked to slow down: it answered ${status}`,
      retryAfterSeconds: wait,
      slowDown: true,
      result,
    };
  }
  if (status === 408 || status === 425) {
    return {
      verdict: "retry",
      code: "busy",
      reason: `the receiver answered ${status}`,
      retryAfterSeconds: wait,
      result,
    };
  }
  if (status >= 500) {
    return {
      verdict: "unknown",
      code: "uncertain_send",
      reason: `the receiver answered ${status}; it may have done the work`,
      result,
    };
  }
  if (status < 400) {
    return {
      verdict: "permanent",
      code: "redirect",
      reason: `the receiver answered ${status}; redirects are not followed: use the final URL`,
      result,
    };
  }
  return { verdict: "permanent", code: "refused", reason: `the receiver refused the request with ${status}`, result };
}

const REFUSALS: Record<number, string> = {
  401: "not_configured",
  402: "no_credits",
  403: "not_configured",
  408: "busy",
  425: "busy",
  429: "busy",
};

/** How a step ended when a provider did not accept the message; `codes`: the provider's code -> ours. */
export function providerFailure(
  provider: string,
  reply: Reply,
  code: string,
  message: string,
  codes: Record<string, string>,
): StepResult {
  const { status } = reply, wait = retryAfter(reply.headers);
  const said = [code, message].filter(Boolean).join(" ") || "no reason";
  const result = { status, provider_code: code, provider_message: message };
  if (status >= 500 && !(status === 503 && wait !== undefined)) {
    return {
      verdict: "unknown",
      code: "uncertain_send",
      reason: `${provider} answered ${status} (${said}); it may have sent it`,
      result,
    };
  }
  if (status >= 300 && status < 400) {
    return {
      verdict: "permanent",
      code: "redirect",
      reason: `${provider}: redirects are not followed: use the final URL`,
      result,
    };
  }
  const ours = status >= 500 ? "busy" : codes[code] ?? REFUSALS[status] ?? "refused";
  if (ours === "busy" || ours === "quota_exceeded") {
    const reason = `${provider} temporarily refused (${status}): ${said}`;
    const isPace = ![408, 409, 425].includes(status);
    return {
      verdict: isPace ? "deferred" : "retry",
      code: ours,
      reason,
      retryAfterSeconds: wait,
      slowDown: isPace,
      result,
    };
  }
  const verdict = ours === "opted_out" ? "skipped" : "permanent";
  return { verdict, code: ours, reason: `${provider} refused (${status}): ${said}`, result };
}

/** How a step ended when a success has no message id. */
export const missingId = (provider: string, reply: Reply): StepResult => ({
  verdict: "unknown",
  code: "uncertain_send",
  reason: `${provider} answered ${reply.status} with no message id; it may have sent it`,
});
