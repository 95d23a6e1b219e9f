// An example of an executor for direct mode, as an edge function of your project.  It claims the execution that a call
// names, sends its e-mail steps through Resend, and settles it.  However often it is called, each execution runs once.
//
//   supabase secrets set MINUTEHAND_DIRECT_TOKEN=… RESEND_API_KEY=… EMAIL_FROM=app@example.com
//   supabase functions deploy automation-executor --no-verify-jwt      (the token is not a JWT; checked below)
//   minutehand direct on --url https://<project>.supabase.co/functions/v1/automation-executor
import { createHash, timingSafeEqual } from "node:crypto";
import { createClient } from "npm:@supabase/supabase-js@2";

// deno-lint-ignore no-explicit-any
type Json = Record<string, any>;

const env = (name: string) => Deno.env.get(name) ?? "";
const key = JSON.parse(env("SUPABASE_SECRET_KEYS") || "{}").default ?? env("SUPABASE_SERVICE_ROLE_KEY");
const db = createClient(env("SUPABASE_URL"), key, { auth: { persistSession: false, autoRefreshToken: false } });
// Longer than a function may run (400 s), so that no other processor takes an execution that is still running.
const LEASE_SECONDS = 460;

Deno.serve(async (request) => {
  if (!isAuthorized(request.headers.get("authorization"))) {
    return answer(401, { error: "the token of direct mode is missing or wrong" });
  }
  const { executionId } = await request.json().catch(() => null) ?? {};
  if (!executionId) return answer(422, { error: "executionId is missing" });
  // The work continues after the caller has hung up: pg_net waits for only 5 s.
  const work = run(executionId).catch((error) => (console.error(error), answer(503, { error: "the database failed" })));
  EdgeRuntime.waitUntil(work);
  return await work;
});

/** Check the bearer token, in constant time; two tokens are valid while one is rotated. */
function isAuthorized(authorization: string | null): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const tokens = env("MINUTEHAND_DIRECT_TOKEN").split(",").map((token) => token.trim()).filter(Boolean);
  return tokens.map((token) => timingSafeEqual(digest(`Bearer ${token}`), digest(authorization ?? ""))).includes(true);
}

/** Claim, run, settle.  The reply is the status alone: roles of the database can read the token, and pg_net's replies. */
async function run(executionId: string): Promise<Response> {
  const token = crypto.randomUUID();
  const request = { p_token: token, p_ids: [executionId], p_limit: 1, p_worker: "edge", p_lease_seconds: LEASE_SECONDS };
  let claim = await call("automation_claim", request);
  // An execution that has lost two leases is claimed only with p_alone.
  if (!claim.executions[0] && claim.suspects) claim = await call("automation_claim", { ...request, p_alone: true });
  const execution = claim.executions[0];
  if (!execution) return answer(409, { error: "another processor has it, it has ended, or it is not due" });
  const workflow = claim.workflows[`${execution.workflow_id}:${execution.workflow_version ?? 0}`];
  const outcome = await runSteps(execution, workflow.definition, token);
  const [settled] = await call("automation_settle", { p_outcomes: [{ id: execution.id, token, ...outcome }] });
  return answer(200, { executionId, status: settled.status, success: settled.status === "completed" });
}

/** Run the steps that have no record yet; each is recorded before the next one begins. */
async function runSteps(execution: Json, definition: Json, token: string): Promise<Json> {
  const lease = { id: execution.id, token };
  let done: Json | undefined;
  for (const [index, raw] of (definition.steps ?? []).entries()) {
    const step = { ...raw, key: String(raw.id ?? index + 1), type: raw.config?.actionType ?? raw.type };
    if (execution.recorded.some((record: Json) => record.stepId === step.key)) continue;
    // Check again: do we still have the lease, is the workflow on, does the row exist?
    const [context] = done
      ? await call("automation_record_step", { p_steps: [{ ...lease, step: done, resume_step: step.key }] })
      : await call("automation_context", { p_items: [lease] });
    if (!context.held) return { ended: "released" }; // the settle answers `lost`, and changes nothing
    if (context.stop) return context.stop;
    const variables = { ...context.links, [context.type ?? "row"]: context.row, trigger: execution.trigger_data };
    const result = await runStep(step, variables, `${execution.id}:${step.key}`);
    done = { stepId: step.key, name: step.name ?? `${step.key} (${step.type})`, ...result.record };
    if (result.ended) return { ...result.ended, steps: [done], more: index + 1 < definition.steps.length };
  }
  return { ended: "done", steps: done ? [done] : [] };
}

/** Run one step.  Returns its record and, if the execution must be run again, how it ended. */
async function runStep(step: Json, variables: Json, idempotencyKey: string): Promise<{ record: Json; ended?: Json }> {
  const failed = (code: string, error: string) => ({ status: "failed", code, error, result: { type: step.type } });
  if (step.type !== "email") return { record: failed("bad_step", `this executor cannot run a step of type ${step.type}`) };
  if (!env("RESEND_API_KEY") || !env("EMAIL_FROM")) {
    return { record: failed("not_configured", "set the secrets RESEND_API_KEY and EMAIL_FROM") };
  }
  const to = fill(step.config.to ?? "{{client.email}}", variables);
  const [subject, text] = [step.config.subject, step.config.message].map((part) => fill(part ?? "", variables));
  if (!to) return { record: failed("no_recipient", "the client has no e-mail address") };
  if (!subject || !text) return { record: failed("unresolved_variable", "a variable has no value") };
  const resend = (env("RESEND_BASE_URL") || "https://api.resend.com") + "/emails";
  const headers = {
    "Authorization": `Bearer ${env("RESEND_API_KEY")}`, "Content-Type": "application/json",
    "Idempotency-Key": idempotencyKey, // equal at each attempt, so a repeat arrives once
  };
  const from = env("EMAIL_FROM"), body = JSON.stringify({ from, to: [to], subject, text });
  const reply = await fetch(resend, { method: "POST", headers, body }).catch(() => null);
  const answered = await reply?.json().catch(() => ({})) ?? {};
  if (reply?.ok) {
    const send = { channel: "email", recipient: to, sender: from, key: idempotencyKey, external_id: answered.id };
    return { record: { status: "success", result: { type: "email", to }, send } };
  }
  const error = reply ? `Resend answered ${reply.status}: ${answered.message ?? ""}` : "the connection to Resend broke";
  if (reply && [408, 425, 429].includes(reply.status)) { // not sent, and may be tried again later
    return { record: failed("busy", error), ended: { ended: "retry", code: "busy", reason: error } };
  }
  if (reply && reply.status < 500) return { record: failed("refused", error) };
  const ended = { ended: "unknown", on_uncertain: "resend", code: "uncertain_send", reason: error };
  return { record: failed("uncertain_send", error), ended };
}

/** Fill in {{client.name}}.  Returns null if a variable is unknown or empty, so no message is sent without it. */
function fill(text: string, variables: Json): string | null {
  let complete = true;
  const filled = text.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, path: string) => {
    const value = path.split(".").reduce((at: Json | undefined, name) => at?.[name], variables);
    complete &&= value !== undefined && value !== null && String(value) !== "";
    return String(value);
  });
  return complete ? filled : null;
}

async function call(name: string, args: Json): Promise<Json> {
  const { data, error } = await db.rpc(name, args);
  if (error) throw new Error(`${name}: ${error.message}`);
  return data;
}

const answer = (status: number, body: Json) => Response.json({ success: false, ...body }, { status });
