// An app's function that writes the row it is told of, over REST, so that the row's workflows start again.
// Secret: PASS_ON is `yes` where it passes the cause on, as docs/supabase.md asks.
import { createClient } from "npm:@supabase/supabase-js@2";

const key = JSON.parse(Deno.env.get("SUPABASE_SECRET_KEYS")!).default;

Deno.serve(async (req: Request) => {
  const { id } = await req.json();
  const cause = req.headers.get("x-minutehand-cause") ?? "";
  const headers: Record<string, string> = Deno.env.get("PASS_ON") === "yes" ? { "x-minutehand-cause": cause } : {};
  const db = createClient(Deno.env.get("SUPABASE_URL")!, key, { auth: { persistSession: false }, global: { headers } });
  const { error } = await db.from("jobs").update({ status: `seen ${crypto.randomUUID()}` }).eq("id", id);
  return Response.json({ success: !error, error: error?.message });
});
