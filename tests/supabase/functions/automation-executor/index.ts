// An app's executor: finds the job that it is told of, sends to the client, and marks the log `completed` whatever became
// of the steps.  Secrets: MAIL_URL takes the messages; REPLY is `silent` when it shall never answer.
import { createClient } from "npm:@supabase/supabase-js@2";

type Item = { stepId: string; stepIndex: number; status: string; result: Record<string, unknown>; error?: string };

const key = JSON.parse(Deno.env.get("SUPABASE_SECRET_KEYS")!).default;
const db = createClient(Deno.env.get("SUPABASE_URL")!, key, { auth: { persistSession: false } });

// deno-lint-ignore no-explicit-any
async function run(step: any, stepIndex: number, job: any, cause: string): Promise<Item> {
  const type = step.config?.actionType ?? step.type;
  const item = { stepId: step.id ?? String(stepIndex), stepIndex };
  if (type !== "email" && type !== "sms") return { ...item, status: "skipped", result: { type, status: "skipped" } };
  const recipient = type === "email" ? job.clients?.email : job.clients?.phone;
  if (!recipient) return { ...item, status: "failed", result: { type }, error: `the client has no ${type} address` };
  const message = step.config.message.replaceAll("{{client.name}}", job.clients.name);
  const headers = { "content-type": "application/json", "x-minutehand-cause": cause };
  await fetch(Deno.env.get("MAIL_URL")!, { method: "POST", headers, body: JSON.stringify({ type, recipient, message }) });
  return { ...item, status: "success", result: { type, status: "sent", recipient } };
}

Deno.serve(async (req: Request) => {
  const { workflowId, executionId, context } = await req.json();
  const cause = req.headers.get("x-minutehand-cause") ?? "";
  const workflows = db.from("automation_workflows").select("status, steps").eq("id", workflowId);
  const { data: workflow } = await workflows.maybeSingle();
  if (workflow?.status !== "active") {
    return Response.json({ success: false, error: "Workflow not found or not active" }, { status: 500 });
  }
  const jobId = context.job_id ?? context.jobId ?? context.trigger_data?.job_id ?? context.job?.id;
  const { data: job } = await db.from("jobs").select("*, clients(*)").eq("id", jobId).single();
  const results: Item[] = [];
  for (const [index, step] of workflow.steps.entries()) results.push(await run(step, index, job, cause));
  const ended = { status: "completed", actions_executed: results, completed_at: new Date().toISOString() };
  await db.from("automation_execution_logs").update(ended).eq("id", executionId);
  if (Deno.env.get("REPLY") === "silent") await new Promise(() => {});
  return Response.json({ success: true, results });
});
