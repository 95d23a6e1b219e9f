// Does what its caller names, so that a test sees what the platform makes of it.

// deno-lint-ignore no-explicit-any
const runtime = (globalThis as any).EdgeRuntime;
const deeds: Record<string, (req: Request) => Response | Promise<Response>> = {
  echo: async (req) =>
    Response.json({
      path: new URL(req.url).pathname,
      method: req.method,
      body: await req.text(),
      headers: Object.fromEntries(req.headers),
      settings: Deno.env.toObject(),
    }),
  silent: () => new Promise(() => {}),
  later: () => {
    runtime.waitUntil(Promise.resolve().then(() => console.log("done in the background")));
    return new Response(null, { status: 202 });
  },
  relay: () => Response.json({ error: "relay" }, { status: 502, headers: { "x-relay-error": "true" } }),
};

Deno.serve((req: Request) => deeds[req.headers.get("x-deed") ?? "echo"](req));
