// How a step ended, in the words of automation_settle, and the failures that end one.
import type { JsonObject } from "./json.ts";

export type Policy = "resend" | "hold" | "drop";

/** `done`, `skipped` and `permanent` end the step, and the next one runs.  The others end this attempt. */
export type Verdict = "done" | "skipped" | "permanent" | "retry" | "unknown" | "deferred" | "later";

export type StepResult = {
  verdict: Verdict;
  /** A stable word of docs/states.md, and a text for people; both empty when the step is done. */
  code?: string;
  reason?: string;
  /** What the step's record keeps: small, and without secrets. */
  result?: JsonObject;
  /** A send that was not reserved, for communication_logs. */
  send?: JsonObject;
  externalId?: string;
  retryAfterSeconds?: number;
  /** How long until this step runs again (`later`, `deferred`), or the next one (`done`). */
  waitSeconds?: number;
  /** Everything that goes to this receiver is to slow down. */
  slowDown?: boolean;
  onUncertain?: Policy;
};

/** A step that ends here, whatever it was about to do. */
export class StepFailed extends Error {
  constructor(readonly code: string, reason: string, readonly variable = "") {
    super(reason);
  }
  get result(): StepResult {
    return { verdict: "permanent", code: this.code, reason: this.message };
  }
}

/** Another processor has the execution now: nothing may be written or sent any more. */
export class LeaseLost extends Error {}

/** The execution must not go on: {"ended", "code", "reason"}, as the database says. */
export class Stopped extends Error {
  constructor(readonly outcome: JsonObject) {
    super(String(outcome.reason ?? ""));
  }
}
