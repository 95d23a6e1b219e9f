// One attempt: an execution from its claim to its settle.  The call before each step records the step before it, and
// reads the row again (automation_advance); what is left travels with the settle, whatever went wrong.
import { call, DatabaseError } from "./database.ts";
import { condition, wait } from "./decide.ts";
import { email } from "./email.ts";
import { utcText } from "./durations.ts";
import { isObject, type Json, type JsonObject, objectAt } from "./json.ts";
import { LeaseLost, StepFailed, type StepResult, Stopped } from "./outcome.ts";
import { Run } from "./send.ts";
import { sms } from "./sms.ts";
import { nextStep, readSteps, type Step } from "./steps.ts";
import { Renderer, standIn } from "./templates.ts";
import { webhook } from "./webhook.ts";

/** No step begins later: the platform ends a function after 150 s, and a step may take 30 s. */
const MAX_RUN_SECONDS = 90;

/** The claimed execution. */
export type Claimed = {
  id: string;
  token: string;
  workflowId: string;
  definition: JsonObject;
  webhookTenant: JsonObject | null;
  triggerData: Json;
  recorded: JsonObject[];
  resends: JsonObject;
  /** The database's time at the claim, in milliseconds. */
  claimedAt: number;
};

const ACTIONS: Record<string, (run: Run) => Promise<StepResult>> = {
  email,
  sms,
  webhook,
  wait,
  condition,
  stop: () => Promise.resolve({ verdict: "done" }),
};

export class Attempt {
  /** The tenant's own receivers that asked to slow down. */
  slowed: string[] = [];
  /** The send that is on its way: what becomes of it if its result is never known. */
  leaving?: JsonObject;
  context: JsonObject = {};
  private readonly began = performance.now();
  private readonly recorded: Map<string, JsonObject>;
  /** Not told to the database yet. */
  private records: JsonObject[] = [];
  private confirmation?: JsonObject;
  private pace?: JsonObject;

  constructor(private readonly claimed: Claimed) {
    this.recorded = new Map(claimed.recorded.map((record) => [String(record.stepId), record]));
  }

  /** Run the steps; returns an outcome for automation_settle, and raises nothing. */
  async run(): Promise<JsonObject> {
    let step: Step | undefined;
    try {
      const steps = readSteps(this.claimed.definition);
      while ((step = nextStep(steps, this.recorded))) {
        if (performance.now() - this.began > MAX_RUN_SECONDS * 1000) {
          return this.outcome({ ended: "released", resume_step: step.key });
        }
        await this.advance(step.key);
        const ended = await this.runStep(steps, step);
        if (ended) return ended;
      }
      return this.outcome({ ended: "done" });
    } catch (error) {
      return this.outcome({ ...outcomeOf(error), ...(step ? { resume_step: step.key } : {}) });
    }
  }

  /** The database's time, in milliseconds. */
  get now(): number {
    return this.claimed.claimedAt + (performance.now() - this.began);
  }

  /** Reserve a send; returns the answer of automation_reserve_sends. */
  async reserve(request: JsonObject): Promise<JsonObject> {
    return objectAt(await this.advance(undefined, request), "send");
  }

  /** Note how the last send ended; the next call records it. */
  confirm(confirmation: JsonObject): void {
    this.confirmation = confirmation;
  }

  note(pace: JsonObject): void {
    this.pace = pace;
  }

  /** Evaluate conditions against the row and everything else that templates see. */
  async evaluate(conditions: Json, variables: JsonObject): Promise<JsonObject> {
    const row = objectAt(this.context, "row");
    const others = Object.fromEntries(
      Object.entries(variables).filter(([name]) => name !== "old" && name !== "now" && !(name in row)),
    );
    return objectAt(
      await call("automation_evaluate", {
        p_conditions: conditions,
        p_new: { ...row, ...others },
        p_old: this.context.old ?? null,
        p_status_column: this.context.status ?? "status",
      }),
    );
  }

  /** Record what was done, read the row again, and reserve a send if there is a request. */
  private async advance(resumeStep?: string, reserve?: JsonObject): Promise<JsonObject> {
    const item = {
      id: this.claimed.id,
      token: this.claimed.token,
      ...this.unrecorded("steps"),
      ...(resumeStep && this.records.length ? { resume_step: resumeStep } : {}),
      ...(reserve ? { reserve } : {}),
    };
    const answers = await call("automation_advance", { p_items: [item] });
    [this.records, this.confirmation, this.pace] = [[], undefined, undefined];
    const context = objectAt(Array.isArray(answers) ? answers[0] : undefined);
    if (context.held !== true) throw new LeaseLost();
    if (isObject(context.stop)) throw new Stopped(context.stop);
    this.context = context;
    this.slowed = Array.isArray(context.slowed) ? context.slowed.map(String) : [];
    return context;
  }

  private unrecorded(stepsKey: "steps" | "earlier"): JsonObject {
    return {
      ...(this.records.length ? { [stepsKey]: this.records } : {}),
      ...(this.confirmation ? { confirm: this.confirmation } : {}),
      ...(this.pace ? { pace: this.pace } : {}),
    };
  }

  private outcome(details: JsonObject): JsonObject {
    return { id: this.claimed.id, token: this.claimed.token, ...this.unrecorded("earlier"), ...details };
  }

  /** Run one step; returns the outcome if the attempt ends with it. */
  private async runStep(steps: Step[], step: Step): Promise<JsonObject | undefined> {
    const began = new Date();
    const result = await this.act(step);
    const record = recordOf(step, result, began);
    const following = nextStep(steps, new Map([...this.recorded, [step.key, record]]));
    const details = {
      code: result.code ?? "",
      reason: `step ${step.name}: ${result.reason ?? ""}`,
      resume_step: step.key,
    };
    const ending = { ...details, steps: [record], more: following !== undefined };
    const wait: JsonObject = result.retryAfterSeconds === undefined
      ? {}
      : { retry_after_seconds: result.retryAfterSeconds };
    const due: JsonObject = result.waitSeconds === undefined ? {} : { due_in_seconds: result.waitSeconds };
    const giveUp: JsonObject = step.giveUpSeconds ? { give_up_seconds: step.giveUpSeconds } : {};
    switch (result.verdict) {
      case "later":
        return this.outcome({ ...details, ended: "waiting", ...due });
      case "deferred":
        return this.outcome({ ...ending, ended: "deferred", ...wait, ...due, ...giveUp });
      case "retry":
        return this.outcome({ ...ending, ended: "retry", ...wait });
      case "unknown":
        return this.outcome({ ...ending, ended: "unknown", on_uncertain: result.onUncertain ?? "hold" });
    }
    this.records.push(record);
    this.recorded.set(step.key, record);
    if (!result.waitSeconds || !following) return undefined;
    const reason = `step ${step.name}: until ${objectAt(record, "result").until}`;
    return this.outcome({
      ended: "waiting",
      due_in_seconds: result.waitSeconds,
      resume_step: following.key,
      code: "waiting",
      reason,
    });
  }

  /** Do the step once.  Whatever goes wrong ends this step with a code; only the lease and the database end the attempt. */
  private async act(step: Step): Promise<StepResult> {
    const variables = this.variables();
    const run = new Run(step, new Renderer(variables, standIn(this.claimed.definition)), variables, this, this.claimed);
    try {
      return hiddenOr(await ACTIONS[step.type](run), this.context);
    } catch (error) {
      if (error instanceof StepFailed) return hiddenOr(error.result, this.context, error.variable);
      if (error instanceof LeaseLost || error instanceof Stopped || error instanceof DatabaseError) throw error;
      console.error(error);
      const reason = `the action \`${step.type}\` has a bug: ${error instanceof Error ? error.name : "unknown"}`;
      if (!this.leaving) return { verdict: "permanent", code: "action_crashed", reason };
      const { policy, ...confirmation } = this.leaving;
      if (confirmation.key) this.confirm(confirmation);
      return {
        verdict: "unknown",
        code: "uncertain_send",
        reason: `${reason}; the message may have left`,
        onUncertain: policy as StepResult["onUncertain"],
      };
    }
  }

  /** What templates see: the row under its type, linked rows, the old row, the trigger and the workflow. */
  private variables(): JsonObject {
    const { type, row, links, old } = this.context;
    return {
      now: utcText(this.now),
      ...objectAt(links),
      ...(typeof type === "string" && isObject(row) ? { [type]: row } : {}),
      old: old ?? null,
      trigger: this.claimed.triggerData,
      workflow: { id: this.claimed.workflowId, name: this.claimed.definition.name ?? null },
    };
  }
}

function recordOf(step: Step, result: StepResult, began: Date): JsonObject {
  const status = result.verdict === "done" ? "success" : result.verdict === "skipped" ? "skipped" : "failed";
  return {
    stepId: step.key,
    name: step.name,
    status,
    result: { type: step.type, ...result.result },
    startedAt: began.toISOString(),
    finishedAt: new Date().toISOString(),
    ...(status === "success"
      ? {}
      : { code: result.code ?? "", [status === "failed" ? "error" : "reason"]: result.reason ?? "" }),
    ...(result.send ? { send: result.send } : {}),
  };
}

/** Where a value is missing because it is not shown (a link of another tenant, a table that is locked), say so. */
function hiddenOr(result: StepResult, context: JsonObject, variable = "client"): StepResult {
  if (!["unresolved_variable", "no_recipient"].includes(result.code ?? "")) return result;
  const [link, column] = variable.split(".");
  const hidden = objectAt(context, "hidden");
  const why = [`${link}.${column}`, link, ...(link === "client" ? ["customer"] : [])].map((name) => hidden[name]).find(
    isObject,
  );
  if (!why) return result;
  return { verdict: why.passing ? "deferred" : "permanent", code: String(why.code), reason: String(why.reason) };
}

/** How an attempt ends that could not go on. */
function outcomeOf(error: unknown): JsonObject {
  if (error instanceof Stopped) return error.outcome;
  if (error instanceof StepFailed) return { ended: "failed", code: error.code, reason: error.message };
  if (error instanceof LeaseLost) return { ended: "released" }; // the settle answers `lost`, and changes nothing
  if (error instanceof DatabaseError) return { ended: "deferred", code: error.code, reason: error.message };
  console.error(error);
  return { ended: "failed", code: "internal_error", reason: "this edge function has a bug: see its log" };
}
