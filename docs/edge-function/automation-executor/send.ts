// A step's run: what it sees, and how a message leaves once.  A message is reserved in communication_logs before it
// leaves, and confirmed after it; pauses, opt-outs and limits are asked at the reservation, in the database (R13).
import { createHash } from "node:crypto";
import { type Attempt, type Claimed } from "./attempt.ts";
import { sleep } from "./database.ts";
import { at, isObject, type Json, type JsonObject, objectAt, plainText } from "./json.ts";
import { LeaseLost, type Policy, StepFailed, type StepResult, Stopped } from "./outcome.ts";
import type { Step } from "./steps.ts";
import type { Renderer } from "./templates.ts";

/** What sends share: when one of them is asked to slow down, all wait, those of other processors too. */
export type Pace = { key: string; name: string; shared: boolean };

export type Message = {
  channel: string;
  recipient: string;
  sender: string;
  content: JsonObject;
  pace: Pace;
  /** What becomes of a send whose fate is unknown, unless the step or the workflow says otherwise. */
  onUncertain: Policy;
  /** false: the receiver knows the key, so nothing is recorded before the message leaves. */
  isReserved?: boolean;
  deliver: (idempotencyKey: string) => Promise<StepResult>;
};

export function paceOf(kind: string, name: string, ...identity: string[]): Pace {
  return { key: `${kind}:${digest(identity.join("\n")).slice(0, 20)}`, name, shared: true };
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

export class Run {
  constructor(
    readonly step: Step,
    readonly render: Renderer,
    readonly variables: JsonObject,
    private readonly attempt: Attempt,
    private readonly claimed: Claimed,
  ) {}

  get executionId(): string {
    return this.claimed.id;
  }

  get workflowId(): string {
    return this.claimed.workflowId;
  }

  get webhookTenant(): JsonObject | null {
    return this.claimed.webhookTenant;
  }

  /** The database's time, in milliseconds. */
  get now(): number {
    return this.attempt.now;
  }

  /** Links and columns that exist and are not shown. */
  get hidden(): JsonObject {
    return objectAt(this.attempt.context, "hidden");
  }

  /** The result tree of conditions (automation_evaluate). */
  evaluate(conditions: Json): Promise<JsonObject> {
    return this.attempt.evaluate(conditions, this.variables);
  }

  /** The client's address in a column: the recipient of a step without `to`, and never anyone else. */
  ofClient(column: string, what: string): Json {
    const client = [this.variables.client, this.variables.customer].find((row) =>
      isObject(row) && Object.keys(row).length
    );
    if (!client) throw new StepFailed("no_recipient", "the row has no client, and the step has no `to`", "client");
    const value = at(client, column);
    const text = typeof value === "boolean" ? "" : plainText(value).trim();
    if (text) return text;
    throw new StepFailed("no_recipient", `the client has no ${what}`, "client");
  }

  /** Send a message once; `deliver` is not called if it was sent before, or may not be sent. */
  async send(message: Message): Promise<StepResult> {
    const { channel, recipient, pace } = message;
    const policy = policyOf(this.step.config, this.claimed.definition, channel) ?? message.onUncertain;
    const resends = this.claimed.resends[this.step.key] ? `\n${this.claimed.resends[this.step.key]}` : "";
    // The same over retries and lost leases, and the same as other processors would use.
    const key = digest(`${this.claimed.id}\n${this.step.key}\n${channel}\n${recipient}${resends}`).slice(0, 32);
    const isReserved = message.isReserved ?? true;
    let place: JsonObject = {};
    if (isReserved || this.attempt.slowed.includes(pace.key)) {
      const request: JsonObject = isReserved
        ? { step: this.step.key, channel, recipient, sender: message.sender, key, on_uncertain: policy, pace }
        : { key, pace, unrecorded: true };
      const answer = await this.attempt.reserve(request);
      const ended = withoutSending(answer, recipient, channel, policy);
      if (ended) return ended;
      place = objectAt(answer, "place");
      if (place.wait_seconds) await sleep(Number(plainText(place.wait_seconds)));
    }
    this.attempt.leaving = {
      policy,
      ...(isReserved ? { key, status: "uncertain", error: "it may have left before it was cut off" } : {}),
    };
    const result = await message.deliver(key);
    const isSent = result.verdict === "done";
    if (isReserved) {
      const status = isSent ? "sent" : result.verdict === "unknown" ? "uncertain" : "failed";
      this.attempt.confirm({ key, status, external_id: result.externalId ?? null, error: result.reason ?? null });
    }
    if ("n" in place || result.slowDown) {
      const wait: JsonObject = result.retryAfterSeconds === undefined
        ? {}
        : { retry_after_seconds: result.retryAfterSeconds };
      const number: JsonObject = "n" in place ? { n: place.n } : {};
      this.attempt.note({ ...pace, slow: result.slowDown ?? false, code: result.code ?? "", ...number, ...wait });
    }
    this.attempt.leaving = undefined;
    const sent: JsonObject = isSent ? { status: "sent", external_id: result.externalId ?? null } : {};
    return {
      ...result,
      onUncertain: result.onUncertain ?? policy,
      result: { ...message.content, ...result.result, recipient, ...sent },
      send: isReserved || !isSent ? undefined : { channel, recipient, sender: message.sender, key, external_id: null },
    };
  }
}

function policyOf(config: JsonObject, definition: JsonObject, channel: string): Policy | undefined {
  const setting = objectAt(definition, "settings").on_uncertain;
  const values = [config.on_uncertain, isObject(setting) ? setting[channel] : setting];
  return values.find((value): value is Policy => ["resend", "hold", "drop"].includes(value as string));
}

/** How the step ends if the message may not leave; undefined: it may. */
function withoutSending(
  answer: JsonObject,
  recipient: string,
  channel: string,
  policy: Policy,
): StepResult | undefined {
  const [code, reason] = [String(answer.code ?? "refused"), String(answer.reason ?? "refused")];
  const wait = { waitSeconds: Number(plainText(answer.wait_seconds ?? 1)) };
  const list = (value: Json | undefined) =>
    typeof value === "string" ? value.split(", ") : Array.isArray(value) ? value : [];
  switch (answer.answer) {
    case "go":
      return undefined;
    case "lost":
      throw new LeaseLost();
    case "paused":
      throw new Stopped({ ended: "released", code: "paused", reason: "paused" });
    case "sent": {
      const got = String(answer.recipient ?? recipient);
      return {
        verdict: "done",
        result: { recipient: got, status: "sent", external_id: answer.external_id ?? null, earlier: list(got) },
      };
    }
    case "refused":
      if (code === "too_late") return { verdict: "skipped", code, reason, result: { recipient } };
      if (code !== "opted_out") return { verdict: "permanent", code, reason, result: { recipient } };
      return {
        verdict: "skipped",
        code,
        reason,
        result: { recipient, opted_out: list(answer.opted_out ?? recipient) },
      };
    case "later":
      return answer.deferred
        ? { verdict: "deferred", code, reason, ...wait }
        : { verdict: "later", code, reason, ...wait };
    case "deferred":
      return { verdict: "deferred", code, reason };
  }
  const uncertain = `an earlier worker stopped while sending this ${channel}; it may have arrived`;
  return { verdict: "unknown", code: "uncertain_send", reason: uncertain, onUncertain: policy, result: { recipient } };
}
