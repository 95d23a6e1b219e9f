// What Supabase's edge runtime has and plain Deno has not; loaded before each function.

const background = new Set<Promise<unknown>>();

Object.assign(globalThis, {
  EdgeRuntime: {
    /** Lets the function answer while `work` goes on. */
    waitUntil(work: Promise<unknown>) {
      background.add(work);
      work.catch((error) => console.error("background work failed", error)).finally(() => background.delete(work));
      return work;
    },
  },
});

// When the tests that started it are gone, so is the function.
const parent = Deno.ppid;
Deno.unrefTimer(setInterval(() => Deno.ppid === parent || Deno.exit(), 1_000));
