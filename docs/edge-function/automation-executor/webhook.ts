// `webhook`: a signed request (Standard Webhooks) to an address of the workflow.
import { createHmac, hkdfSync } from "node:crypto";
import { env } from "./database.ts";
import { failureOf, request, shownUrl, targetUrl } from "./http.ts";
import { isDigits, isObject, type Json, type JsonObject, jsonText } from "./json.ts";
import { StepFailed, type StepResult } from "./outcome.ts";
import { withoutSecrets } from "./secret_names.ts";
import { paceOf, type Run } from "./send.ts";

export const METHODS = ["POST", "PUT", "PATCH", "DELETE", "GET"];
const MAX_BODY_BYTES = 5_000_000;
/** Headers that only Minutehand sets. */
const OURS = new Set(
  ("host content-length transfer-encoding connection keep-alive te trailer upgrade expect accept-encoding " +
    "idempotency-key webhook-id webhook-timestamp webhook-signature x-minutehand-cause").split(" "),
);

export async function webhook(run: Run): Promise<StepResult> {
  const { config } = run.step;
  const method = String(config.method ?? "POST").toUpperCase();
  const url = await targetUrl(run.render.url(String(config.url)));
  const recipient = shownUrl(url);
  const keys = signingKeys(run.webhookTenant);
  const own = ownHeaders(run);
  const body = method === "GET" ? undefined : readBody(run, own["content-type"]);
  return await run.send({
    channel: "webhook",
    recipient,
    sender: "minutehand",
    onUncertain: "resend",
    isReserved: false,
    content: { method, url: recipient, ...(body && config.body ? { body: body.text.slice(0, 2000) } : {}) },
    pace: { ...paceOf("webhook", `webhook ${url.hostname}`, recipient), shared: false },
    deliver: async (key) => {
      const headers: Record<string, string> = {
        ...(body ? { "content-type": body.type } : {}),
        ...own,
        "user-agent": own["user-agent"] ?? "minutehand",
        "accept-encoding": "identity",
        "idempotency-key": key,
        "webhook-id": key,
        "x-minutehand-cause": run.executionId,
        ...stamp(key, body?.text ?? "", keys),
      };
      const reply = await request(method, url.href, headers, body?.text);
      if ("verdict" in reply) return reply;
      return failureOf(reply) ??
        { verdict: "done", result: { status: reply.status, response: reply.text.replaceAll("\0", "").slice(0, 500) } };
    },
  });
}

function readBody(run: Run, contentType: string | undefined): { text: string; type: string } {
  const given = run.step.config.body;
  const { now: _, ...context } = run.variables;
  const value = given === undefined || given === null
    ? { workflowId: run.workflowId, executionId: run.executionId, context: withoutSecrets(context) }
    : run.render.json(given);
  const isText = typeof value === "string";
  const kind = contentType?.split(";")[0].trim().toLowerCase();
  if (!isText && kind && !/^(?:[\w.-]+\/(?:[\w.-]+\+)?json|text\/plain)$/.test(kind)) {
    throw new StepFailed("bad_step", `\`body\`: this edge function cannot write it as ${kind}: write it as text`);
  }
  const text = isText ? value : jsonText(value);
  if (!text.isWellFormed()) throw new StepFailed("bad_step", "`body` has broken characters");
  const size = new TextEncoder().encode(text).length;
  if (size > MAX_BODY_BYTES) {
    throw new StepFailed("bad_step", `\`body\` has ${size} bytes; at most ${MAX_BODY_BYTES} are allowed`);
  }
  return { text, type: isText ? "text/plain; charset=utf-8" : "application/json" };
}

/** Refuse header names that a step may not set. */
export function checkHeaders(headers: Json): void {
  if (!isObject(headers)) throw new StepFailed("bad_step", "`headers` must be an object of names and values");
  for (const name of Object.keys(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      throw new StepFailed("bad_step", "`headers` has an invalid header name: use letters, digits and hyphens");
    }
    if (OURS.has(name.toLowerCase()) || name.toLowerCase().startsWith("proxy-")) {
      throw new StepFailed("bad_step", `header \`${name}\` is set by Minutehand: remove it`);
    }
  }
}

function ownHeaders(run: Run): Record<string, string> {
  const given = run.step.config.headers ?? {};
  return Object.fromEntries(
    Object.entries(given).map(([name, item]) => {
      const value: Json = run.render.json(item);
      const text = isDigits(value) ? value.rawJSON : String(value).trim();
      const isLine = typeof value === "string" || typeof value === "number" || isDigits(value);
      if (!isLine || !/^[\x20-\x7e\t]*$/.test(text)) {
        throw new StepFailed("bad_step", `header \`${name}\`: the value must be one line of ASCII text`);
      }
      return [name.toLowerCase(), text];
    }),
  );
}

/** The keys that sign for the workflow's tenant, the newest first (docs/security.md). */
function signingKeys(tenant: JsonObject | null): Uint8Array[] {
  return env("MINUTEHAND_WEBHOOK_SECRET").split(",").map((part) => part.trim()).filter(Boolean).map((secret) => {
    const key = secret.startsWith("whsec_")
      ? Uint8Array.from(atob(secret.slice(6)), (one) => one.charCodeAt(0))
      : new Uint8Array();
    if (!key.length) {
      throw new StepFailed(
        "not_configured",
        "MINUTEHAND_WEBHOOK_SECRET must be whsec_ followed by base64; a comma separates two",
      );
    }
    if (!tenant) return key;
    return new Uint8Array(
      hkdfSync("sha256", key, new Uint8Array(), `minutehand webhook\0v1\0${tenant.kind}\0${tenant.id}`, 32),
    );
  });
}

function stamp(id: string, body: string, keys: Uint8Array[]): Record<string, string> {
  const now = Math.floor(Date.now() / 1000);
  const signatures = keys.map((key) =>
    "v1," + createHmac("sha256", key).update(`${id}.${now}.${body}`).digest("base64")
  );
  return {
    "webhook-timestamp": String(now),
    ...(signatures.length ? { "webhook-signature": signatures.join(" ") } : {}),
  };
}
