// Lengths of time and instants, as steps give them.
import { StepFailed } from "./outcome.ts";

const UNITS: Record<string, number> = {};
const SPELLINGS: [number, string][] = [
  [1, "s sec secs second seconds"],
  [60, "m min mins minute minutes"],
  [3600, "h hr hrs hour hours"],
  [86_400, "d day days"],
  [604_800, "w wk wks week weeks"],
];
for (const [seconds, words] of SPELLINGS) for (const word of words.split(" ")) UNITS[word] = seconds;
/** The longest wait. */
const MAX_DAYS = 366;

/** The seconds of `50s`, `2h`, `3 days`. */
export function durationSeconds(text: string, key: string, maxSeconds = MAX_DAYS * 86_400): number {
  const found = /^\s*(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]+)\s*$/.exec(text);
  const unit = found && UNITS[found[2].toLowerCase()];
  if (!found || !unit) {
    throw new StepFailed(
      "bad_step",
      `\`${key}\`: invalid duration "${text.slice(0, 60)}": write 50s, 5m, 2h or 3 days`,
    );
  }
  const seconds = Number(found[1]) * unit;
  if (seconds > maxSeconds) throw new StepFailed("bad_step", `\`${key}\` may be at most ${maxSeconds / 86_400} days`);
  return seconds;
}

/** The milliseconds of a date and time in ISO 8601; without a zone it is UTC. */
export function instant(text: string, key: string): number {
  const found = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i.exec(
    text.trim(),
  );
  const zone = (found?.[3] ?? "Z").replace(/^([+-]\d\d)$/, "$1:00").replace(/^([+-]\d\d)(\d\d)$/, "$1:$2")
    .toUpperCase();
  const time = found ? Date.parse(`${found[1]}T${found[2] ?? "00:00"}${zone}`) : NaN;
  if (Number.isNaN(time)) {
    throw new StepFailed("bad_step", `\`${key}\` must be a date and time, such as 2026-03-29T10:30:00Z`);
  }
  return time;
}

/** A time as Minutehand writes it: whole seconds, in UTC. */
export const utcText = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 19) + "+00:00";
