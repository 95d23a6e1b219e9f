// Claims by supabase-js what is due, and answers with the claim.
import { createClient } from "npm:@supabase/supabase-js@2";

const key = JSON.parse(Deno.env.get("SUPABASE_SECRET_KEYS")!).default;
const db = createClient(Deno.env.get("SUPABASE_URL")!, key, { auth: { persistSession: false } });

Deno.serve(async (req: Request) => {
  const { limit } = await req.json();
  const { data, error } = await db.rpc("automation_claim", { p_token: crypto.randomUUID(), p_limit: limit });
  return Response.json(error ?? data, { status: error ? 500 : 200 });
});
