// An executor for direct mode, as an edge function of your project.  It claims the execution that a call names, runs
// its steps as Minutehand's own processors do, and settles it.  However often it is called, each message leaves once.
//
//   supabase secrets set MINUTEHAND_DIRECT_TOKEN=… RESEND_API_KEY=… EMAIL_FROM=app@example.com
//   supabase functions deploy automation-executor --no-verify-jwt      (the token is not a JWT; checked below)
//   minutehand direct on --url https://<project>.supabase.co/functions/v1/automation-executor
//
// It runs email (Resend), sms (TWILIO_… or TELNYX_…), webhook (MINUTEHAND_WEBHOOK_SECRET), wait, condition and stop, and
// fills in {{ client.name }}.  Everything else is refused by name: see docs/exact.md, "The edge function".
import { createHash, timingSafeEqual } from "node:crypto";
import { Attempt, type Claimed } from "./attempt.ts";
import { call, env } from "./database.ts";
import { type Json, type JsonObject, objectAt } from "./json.ts";

declare const EdgeRuntime: { waitUntil(work: Promise<unknown>): void };

// Longer than a function may run (400 s), so that no other processor takes an execution that is still running.
const LEASE_SECONDS = 460;
// The end of an execution is told to the database for as long, so that none is left under its lease.
const SETTLE_SECONDS = 45;

Deno.serve(async (request) => {
  if (!isAuthorized(request.headers.get("authorization"))) {
    return answer(401, { error: "the token of direct mode is missing or wrong" });
  }
  const { executionId } = await request.json().catch(() => null) ?? {};
  if (!executionId) return answer(422, { error: "executionId is missing" });
  // The work continues after the caller has hung up: pg_net waits for only 5 s.
  const work = run(String(executionId)).catch((
    error,
  ) => (console.error(error), answer(503, { error: "the database failed" })));
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
  const claimed = await claim(executionId);
  if (!claimed) return answer(409, { error: "another processor has it, it has ended, or it is not due" });
  const outcome = await new Attempt(claimed).run();
  const settled = await call("automation_settle", { p_outcomes: [outcome] }, SETTLE_SECONDS);
  const { status, answer: word } = objectAt(Array.isArray(settled) ? settled[0] : undefined);
  if (word === "lost") return answer(409, { error: "another processor has it now" });
  return answer(200, { executionId, status: status ?? null, success: status === "completed" });
}

async function claim(executionId: string): Promise<Claimed | undefined> {
  const token = crypto.randomUUID();
  const request = {
    p_token: token,
    p_ids: [executionId],
    p_limit: 1,
    p_worker: "edge",
    p_lease_seconds: LEASE_SECONDS,
    // A copy of the database is told by its project; a test copy is not claimed here, since nothing redirects its messages.
    p_caller: { location: env("SUPABASE_URL"), project: projectOf(env("SUPABASE_URL")), redirects: false },
  };
  let claimed = objectAt(await call("automation_claim", request));
  const isClaimed = (answer: JsonObject) => Array.isArray(answer.executions) && answer.executions.length > 0;
  // An execution that has lost two leases is claimed only with p_alone.
  if (!isClaimed(claimed) && claimed.suspects) {
    claimed = objectAt(await call("automation_claim", { ...request, p_alone: true }));
  }
  if (!isClaimed(claimed)) return undefined;
  const execution = objectAt((claimed.executions as Json[])[0]);
  const workflow = objectAt(claimed, "workflows", `${execution.workflow_id}:${execution.workflow_version ?? 0}`);
  return {
    id: String(execution.id),
    token,
    workflowId: String(execution.workflow_id),
    definition: objectAt(workflow, "definition"),
    webhookTenant: workflow.webhook_tenant ? objectAt(workflow, "webhook_tenant") : null,
    triggerData: execution.trigger_data ?? null,
    recorded: Array.isArray(execution.recorded) ? execution.recorded.map((record) => objectAt(record)) : [],
    resends: objectAt(execution, "resends"),
    claimedAt: Date.parse(String(claimed.now)),
  };
}

/** The reference of the project that an address names. */
const projectOf = (url: string): string | null => /^https:\/\/([a-z0-9]{20})\.supabase\.co/.exec(url)?.[1] ?? null;

const answer = (status: number, body: JsonObject) => Response.json({ success: false, ...body }, { status });
