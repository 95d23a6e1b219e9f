// `wait` and `condition`: steps without an effect.
import { durationSeconds, instant, utcText } from "./durations.ts";
import { isObject, type Json, type JsonObject, objectAt } from "./json.ts";
import { StepFailed, type StepResult } from "./outcome.ts";
import type { Run } from "./send.ts";

const MAX_WAIT_SECONDS = 366 * 86_400;

/** Continue after a length of time (`for`), or at a time (`until`), from the database's time on. */
export function wait(run: Run): Promise<StepResult> {
  const { config } = run.step;
  const seconds = config.for
    ? durationSeconds(run.render.text(String(config.for)), "for")
    : (instant(run.render.text(String(config.until)), "until") - run.now) / 1000;
  if (seconds > MAX_WAIT_SECONDS) throw new StepFailed("bad_step", "`until`: a wait may last at most 366 days");
  const until = utcText(run.now + seconds * 1000);
  return Promise.resolve({ verdict: "done", result: { until }, waitSeconds: seconds > 0 ? seconds : undefined });
}

/** Take a branch, as the database's evaluator decides. */
export async function condition(run: Run): Promise<StepResult> {
  const tree = await run.evaluate(run.render.json(run.step.config.conditions));
  if ("problem" in tree) {
    return {
      verdict: "permanent",
      code: "bad_step",
      reason: `conditions: ${tree.problem}`,
      result: { conditions: tree },
    };
  }
  for (const [name, why] of Object.entries(run.hidden)) {
    if (!leaves(tree).some((leaf) => `${leaf.field}.`.startsWith(`${name}.`))) continue;
    const verdict = objectAt(why).passing ? "deferred" : "permanent";
    return { verdict, code: String(objectAt(why).code), reason: String(objectAt(why).reason) };
  }
  return { verdict: "done", result: { held: tree.held === true, conditions: tree } };
}

/** Each condition of a result tree. */
function leaves(tree: Json | undefined): JsonObject[] {
  if (Array.isArray(tree)) return tree.flatMap(leaves);
  if (!isObject(tree)) return [];
  return "field" in tree ? [tree] : [tree.all, tree.any, tree.not].flatMap(leaves);
}
