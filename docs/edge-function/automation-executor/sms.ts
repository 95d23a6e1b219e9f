// `sms`: one text message, through Twilio or Telnyx.  Neither knows idempotency keys: an uncertain send is held (R13).
import { env } from "./database.ts";
import { missingId, providerFailure, request } from "./http.ts";
import { isObject, type Json, jsonText, objectAt, plainText, shortText } from "./json.ts";
import { StepFailed, type StepResult } from "./outcome.ts";
import { paceOf, type Run } from "./send.ts";

const GSM =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED = "^{}\\[~]|€\f";
const MAX_SEGMENTS = 10;

type Provider = {
  name: string;
  sender: string;
  account: string[];
  deliver: (recipient: string, text: string) => Promise<StepResult>;
};

export async function sms(run: Run): Promise<StepResult> {
  const provider = env("TWILIO_ACCOUNT_SID") ? twilio() : telnyx();
  const recipient = readNumber(run);
  const text = run.render.text(String(run.step.config.message)).replaceAll("\0", "").replaceAll("\r\n", "\n").trim();
  if (!text) throw new StepFailed("empty_message", "the message is empty after rendering");
  const { count, encoding } = segments(text);
  if (count > MAX_SEGMENTS) {
    throw new StepFailed(
      "message_too_long",
      `the message takes ${count} segments in ${encoding}; at most ${MAX_SEGMENTS} are allowed`,
    );
  }
  return await run.send({
    channel: "sms",
    recipient,
    sender: provider.sender,
    onUncertain: "hold",
    content: { text: text.slice(0, 1000), segments: count, encoding },
    pace: paceOf(provider.name.toLowerCase(), provider.name, ...provider.account),
    deliver: () => provider.deliver(recipient, text),
  });
}

/** The step's number, else the client's, in E.164.  Without the tables of all countries it must begin with +. */
function readNumber(run: Run): string {
  const to = run.step.config.to;
  const rendered = to === undefined || to === null ? run.ofClient("phone", "phone number") : run.render.json(to);
  if (Array.isArray(rendered) || isObject(rendered)) {
    throw new StepFailed("bad_step", "`to` is a list after rendering; an SMS has one recipient");
  }
  const written = plainText(rendered).normalize("NFKC").replace(/\p{Cf}/gu, "").trim();
  if (!written) throw new StepFailed("no_recipient", "`to` is empty after rendering");
  const number = written.replace(/\(0\)/g, "").replace(/[\s().\-‐‑‒–—―−/·]/g, "");
  if (!/^\+\d{8,15}$/.test(number)) {
    throw new StepFailed(
      "bad_recipient",
      `${written.slice(0, 64)} is not a phone number with its country code: write it with +`,
    );
  }
  return number;
}

function twilio(): Provider {
  const [account, token, sender] = ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"].map(needed);
  const base = env("TWILIO_BASE_URL") || "https://api.twilio.com";
  return {
    name: "Twilio",
    sender,
    account: [base, account],
    deliver: async (recipient, text) => {
      const isService = /^MG[0-9a-fA-F]{32}$/.test(sender);
      const form = new URLSearchParams({
        To: recipient,
        Body: text,
        [isService ? "MessagingServiceSid" : "From"]: sender,
      });
      const headers = {
        "authorization": `Basic ${btoa(`${account}:${token}`)}`,
        "content-type": "application/x-www-form-urlencoded",
        "user-agent": "minutehand",
      };
      const reply = await request(
        "POST",
        `${base}/2010-04-01/Accounts/${account}/Messages.json`,
        headers,
        form.toString(),
      );
      if ("verdict" in reply) return reply;
      const answer = objectAt(reply.json);
      const isTaken = reply.status >= 200 && reply.status < 300 &&
        !["failed", "undelivered", "canceled"].includes(String(answer.status));
      if (isTaken) return accepted("Twilio", reply, answer.sid);
      const message = shortText(answer.message) || shortText(answer.error_message);
      return providerFailure(
        "Twilio",
        reply,
        shortText(answer.code) || shortText(answer.error_code),
        message.replaceAll(token, "***"),
        TWILIO_CODES,
      );
    },
  };
}

function telnyx(): Provider {
  if (!env("TELNYX_API_KEY")) {
    throw new StepFailed(
      "not_configured",
      "set the secrets TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM, or TELNYX_API_KEY and TELNYX_FROM",
    );
  }
  const [key, sender] = ["TELNYX_API_KEY", "TELNYX_FROM"].map(needed);
  const base = env("TELNYX_BASE_URL") || "https://api.telnyx.com";
  return {
    name: "Telnyx",
    sender,
    account: [base, key],
    deliver: async (recipient, text) => {
      const headers = {
        "authorization": `Bearer ${key}`,
        "content-type": "application/json",
        "user-agent": "minutehand",
      };
      const reply = await request(
        "POST",
        `${base}/v2/messages`,
        headers,
        jsonText({ from: sender, to: recipient, text }),
      );
      if ("verdict" in reply) return reply;
      const data = objectAt(reply.json, "data");
      const entries = Array.isArray(data.to) ? data.to : [];
      const isRefused = entries.some((entry) =>
        ["sending_failed", "delivery_failed"].includes(String(objectAt(entry).status))
      );
      if (reply.status >= 200 && reply.status < 300 && !isRefused) return accepted("Telnyx", reply, data.id);
      const errors = objectAt(reply.json).errors ?? data.errors;
      const first = objectAt(Array.isArray(errors) ? errors[0] : undefined);
      const message = [shortText(first.title), shortText(first.detail)].filter(Boolean).join(": ");
      return providerFailure("Telnyx", reply, shortText(first.code), message.replaceAll(key, "***"), TELNYX_CODES);
    },
  };
}

function accepted(provider: string, reply: Parameters<typeof missingId>[1], id: Json | undefined): StepResult {
  const externalId = shortText(id);
  return externalId ? { verdict: "done", externalId, result: { status: reply.status } } : missingId(provider, reply);
}

function needed(name: string): string {
  const value = env(name);
  if (!value) throw new StepFailed("not_configured", `${name} is not set`);
  return value;
}

/** How many segments a text takes, and in which alphabet (3GPP TS 23.038). */
function segments(text: string): { count: number; encoding: string } {
  const characters = [...text];
  const isGsm = characters.every((one) => GSM.includes(one) || EXTENDED.includes(one));
  const sizes = characters.map((one) => isGsm ? (EXTENDED.includes(one) ? 2 : 1) : one.length);
  const [encoding, single, each] = isGsm ? ["GSM-7", 160, 153] as const : ["UCS-2", 70, 67] as const;
  if (sizes.reduce((sum, size) => sum + size, 0) <= single) return { count: 1, encoding };
  let count = 1, left: number = each;
  for (const size of sizes) {
    if (size > left) [count, left] = [count + 1, each]; // a character of two units is not split
    left -= size;
  }
  return { count, encoding };
}

/** The providers' codes, by ours. */
function codes(ours: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ours).flatMap(([code, theirs]) => theirs.split(" ").map((one) => [one, code])),
  );
}
const TWILIO_CODES = codes({
  bad_recipient: "21211 21214 21217 21265 21266 21612 21614 21635",
  opted_out: "21610",
  message_too_long: "21617",
  not_configured: "10001 20003 20404 21212 21408 21603 21606 21608 21659 21660 21701 21703 21704 21705",
  busy: "14107 20429 21611 60728",
  quota_exceeded: "63038",
});
const TELNYX_CODES = codes({
  bad_recipient: "10002 10016 40001 40012 40310",
  opted_out: "40300",
  message_too_long: "40302",
  not_configured: "10009 10010 10039 40010 40013 40100 40305 40306 40309 40312 40314",
  no_credits: "20100",
  busy: "10011 40011 40318",
});
