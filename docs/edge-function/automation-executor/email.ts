// `email`: one message through Resend.
import { domainToASCII } from "node:url";
import { env } from "./database.ts";
import { missingId, providerFailure, request } from "./http.ts";
import { type Json, jsonText, objectAt, plainText, shortText } from "./json.ts";
import { StepFailed, type StepResult } from "./outcome.ts";
import { paceOf, type Run } from "./send.ts";

const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const UNSUBSCRIBE = /^(?:https:\/\/[^\s<>"\\^`{|}]+|mailto:[^\s<>"\\^`{|}@]+@[^\s<>"\\^`{|}]+)$/;
const MAX_RECIPIENTS = 100, MAX_BYTES = 1_000_000, MAX_UNSUBSCRIBE = 900;
const CODES: Record<string, string> = {
  missing_api_key: "not_configured",
  invalid_api_key: "not_configured",
  restricted_api_key: "not_configured",
  invalid_from_address: "not_configured",
  concurrent_idempotent_requests: "busy",
  rate_limit_exceeded: "busy",
  daily_quota_exceeded: "quota_exceeded",
  monthly_quota_exceeded: "no_credits",
};

export async function email(run: Run): Promise<StepResult> {
  const [key, from] = [env("RESEND_API_KEY"), env("EMAIL_FROM")];
  if (!key || !from) throw new StepFailed("not_configured", "set the secrets RESEND_API_KEY and EMAIL_FROM");
  const { config } = run.step;
  let recipients = readRecipients(run);
  const subject = oneLine(run.render.text(String(config.subject)));
  const text = run.render.text(String(config.message)).replaceAll("\0", "");
  const html = config.html ? run.render.html(String(config.html)) : escaped(text);
  const replyTo = config.reply_to ? address(run.render.text(String(config.reply_to)), "bad_step") : undefined;
  const headers = {
    "Auto-Submitted": "auto-generated",
    ...(config.unsubscribe ? unsubscribeHeaders(run.render.url(String(config.unsubscribe))) : {}),
  };
  if (!subject || !text.trim()) {
    throw new StepFailed("empty_message", "the subject or the message is empty after rendering");
  }
  const size = new TextEncoder().encode(text + html).length;
  if (size > MAX_BYTES) {
    throw new StepFailed(
      "message_too_long",
      `the message has ${size} bytes of text and HTML; at most ${MAX_BYTES} are allowed`,
    );
  }
  const base = env("RESEND_BASE_URL") || "https://api.resend.com";

  /** Some recipients may have it from an earlier attempt, and some may have opted out: it goes to the others. */
  const reached: string[] = [], out: string[] = [];
  while (recipients.length) {
    const recipient = [...recipients].sort().join(", ");
    const body = jsonText({
      from,
      to: recipients,
      subject,
      text,
      html,
      headers,
      ...(replyTo ? { reply_to: replyTo } : {}),
    });
    const result = await run.send({
      channel: "email",
      recipient,
      sender: address(from, "not_configured"),
      onUncertain: "resend",
      content: { subject, text: text.slice(0, 1000) },
      pace: paceOf("resend", "Resend", base, key),
      deliver: (idempotencyKey) => deliver(`${base}/emails`, key, body, idempotencyKey),
    });
    const done = [...listed(result.result?.earlier), ...listed(result.result?.opted_out)];
    reached.push(...listed(result.result?.earlier));
    out.push(...listed(result.result?.opted_out));
    const left = recipients.filter((to) => !done.includes(to));
    if (!done.length || !left.length || left.length === recipients.length) return summed(result, reached, out);
    recipients = left;
  }
  throw new StepFailed("no_recipient", "`to` is empty after rendering");
}

const listed = (value: Json | undefined): string[] => Array.isArray(value) ? value.map(String) : [];

/** How the step ended, given whom it reached before, and who has opted out. */
function summed(result: StepResult, reached: string[], out: string[]): StepResult {
  const isSent = result.verdict === "done" || reached.length > 0;
  if (result.verdict === "skipped" && isSent) {
    return { verdict: "done", result: { ...result.result, recipient: reached.join(", "), opted_out: out } };
  }
  if (result.verdict === "permanent" && reached.length) {
    return { ...result, code: "partial", reason: `sent to ${reached.join(", ")}; ${result.reason}` };
  }
  return out.length ? { ...result, result: { ...result.result, opted_out: out } } : result;
}

async function deliver(url: string, key: string, body: string, idempotencyKey: string): Promise<StepResult> {
  const headers = {
    "authorization": `Bearer ${key}`,
    "content-type": "application/json",
    "idempotency-key": idempotencyKey,
    "user-agent": "minutehand",
  };
  const reply = await request("POST", url, headers, body);
  if ("verdict" in reply) return reply;
  if (reply.status >= 200 && reply.status < 300) {
    const id = shortText(objectAt(reply.json).id);
    return id ? { verdict: "done", externalId: id, result: { status: reply.status } } : missingId("Resend", reply);
  }
  const [code, message] = [
    shortText(objectAt(reply.json).name),
    shortText(objectAt(reply.json).message).replaceAll(key, "***"),
  ];
  if (code === "invalid_idempotent_request" && reply.status === 409) {
    const reason = "Resend has a different message under this idempotency key: the row changed after an uncertain try";
    return { verdict: "unknown", code: "uncertain_send", reason, onUncertain: "hold" };
  }
  const isRecipient = code === "validation_error" && reply.status === 422 && message.includes("`to`");
  return providerFailure("Resend", reply, code, message, isRecipient ? { validation_error: "bad_recipient" } : CODES);
}

/** The step's addresses, else the client's, each once. */
function readRecipients(run: Run): string[] {
  const to = run.step.config.to;
  const rendered = to === undefined || to === null ? run.ofClient("email", "e-mail address") : run.render.json(to);
  const texts = (Array.isArray(rendered) ? rendered : [rendered]).map((item) => plainText(item));
  const found = texts.flatMap(split).map((part) => address(part, "bad_recipient"));
  const seen = found.map((one) => one.toLowerCase());
  const once = found.filter((_, index) => seen.indexOf(seen[index]) === index);
  if (!once.length) throw new StepFailed("no_recipient", "`to` is empty after rendering");
  if (once.length > MAX_RECIPIENTS) {
    throw new StepFailed(
      "bad_recipient",
      `${once.length} recipients in one message; at most ${MAX_RECIPIENTS} are allowed`,
    );
  }
  return once;
}

/** `a@x.example, "Lee, Ann" <ann@x.example>` in its parts. */
const split = (text: string): string[] =>
  (text.match(/(?:"(?:[^"\\]|\\.)*"|<[^<>]*>|[^,;"<>]|["<>])+/g) ?? []).filter((part) => part.trim());

/** Without blanks and invisible characters at the ends; U+202D and U+202E, which override the order of the text, stay. */
const trimUnseen = (text: string): string =>
  text.replace(/^(?:\s|(?![\u202d\u202e])\p{Cf})+|(?:\s|(?![\u202d\u202e])\p{Cf})+$/gu, "");

/** One address, without a name, with its domain in ASCII (UTS 46, as browsers do). */
export function address(text: string, code: string): string {
  const inner = /^[^<>]*<([^<>]*)>$/.exec(trimUnseen(text))?.[1] ?? text;
  const plain = trimUnseen(trimUnseen(inner).replace(/^mailto:/i, ""));
  const at = plain.lastIndexOf("@"), local = plain.slice(0, at);
  const domain = domainToASCII(plain.slice(at + 1));
  if (at < 1 || !LOCAL.test(local) || local.length > 64 || !DOMAIN.test(domain) || /\p{Cf}/u.test(plain)) {
    throw new StepFailed(code, `${oneLine(text).slice(0, 500)} is not an e-mail address`);
  }
  return `${local}@${domain}`;
}

export function unsubscribeHeaders(text: string): Record<string, string> {
  const url = text.trim();
  if (url.length > MAX_UNSUBSCRIBE || !UNSUBSCRIBE.test(url) || !/^[\x21-\x7e]+$/.test(url)) {
    throw new StepFailed(
      "bad_step",
      `\`unsubscribe\` must be an https:// or mailto: address of ${MAX_UNSUBSCRIBE} characters at most`,
    );
  }
  const oneClick: Record<string, string> = url.startsWith("https:")
    ? { "List-Unsubscribe-Post": "List-Unsubscribe=One-Click" }
    : {};
  return { "List-Unsubscribe": `<${url}>`, ...oneClick };
}

// deno-lint-ignore no-control-regex
const BREAKS = /[\x00-\x1f\x7f\x85\u2028\u2029]+/g;
const oneLine = (text: string): string => text.replaceAll("\0", "").replace(BREAKS, " ").trim();

/** The HTML part of a message that has none. */
const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" })[mark]!)
    .replaceAll("\n", "<br>\n");
