// A workflow's steps in Minutehand's normal form.  Everything that this executor cannot run is refused by name, before
// anything is sent.  What it can run is declared here: see ABILITIES.
import { durationSeconds, instant } from "./durations.ts";
import { unsubscribeHeaders } from "./email.ts";
import { isObject, type Json, type JsonObject, objectAt } from "./json.ts";
import { StepFailed } from "./outcome.ts";
import { checkTemplates, checkUrl } from "./templates.ts";
import { checkHeaders, METHODS } from "./webhook.ts";

/** The types of steps that this executor runs, and the keys of their configs. */
const ABILITIES: Record<string, string[]> = {
  email: ["to", "subject", "message", "html", "reply_to", "unsubscribe", "marketing", "on_uncertain"],
  sms: ["to", "message", "on_uncertain"],
  webhook: ["url", "method", "headers", "body", "on_uncertain"],
  wait: ["for", "until"],
  condition: ["conditions"],
  stop: [],
};
const SPELLINGS: Record<string, string> = {
  send_email: "email",
  mail: "email",
  send_mail: "email",
  send_sms: "sms",
  text: "sms",
  send_text: "sms",
  text_message: "sms",
  send_webhook: "webhook",
  call_webhook: "webhook",
  delay: "wait",
  branch: "condition",
};
const STEP_KEYS = ["id", "name", "type", "config", "then", "else", "stop_on_error", "give_up_after"];
/** Keys of a flow editor, without effect. */
const COSMETIC_KEYS = ["position", "label", "description", "icon", "color", "order"];
const CLIENT = /^(?:client|customer|\{\{ ?(?:client|customer) ?\}\})$/i;
const HTML =
  /<(?:p|br|div|span|html|body|table|tr|td|h[1-6]|ul|ol|li|a|b|i|u|em|strong|img|center|hr|font)(?:\s[^<>]*)?\/?>/i;
const MAX_STEPS = 100, MAX_DEPTH = 10, MAX_NAME = 200, MAX_GIVE_UP_SECONDS = 604_800;

export type Step = {
  /** Stable within the workflow: its id, else its place: `3`, `3.then.1`. */
  key: string;
  type: string;
  name: string;
  config: JsonObject;
  stopOnError: boolean;
  giveUpSeconds?: number;
  then: Step[];
  otherwise: Step[];
};

/** Read the steps of a workflow's row.  Errors: `StepFailed`, which names the step. */
export function readSteps(definition: JsonObject): Step[] {
  const steps = definition.steps;
  for (const place of ["template_config", "workflow_config"]) {
    for (const key of ["steps", "actions", "action"]) {
      const other = objectAt(definition, place)[key];
      if (Array.isArray(other) && other.length && JSON.stringify(other) !== JSON.stringify(steps)) {
        throw new StepFailed(
          "bad_workflow",
          `${place}.${key}: this executor reads the column \`steps\` alone: write them there, or use --executor local`,
        );
      }
    }
  }
  if (!Array.isArray(steps) || !steps.length) throw new StepFailed("bad_workflow", "steps: expected a list of steps");
  return new Reader().read(steps, "", 0);
}

class Reader {
  private readonly keys = new Set<string>();

  read(raw: Json[], prefix: string, depth: number, start = 0): Step[] {
    if (depth > MAX_DEPTH) {
      throw new StepFailed(
        "bad_workflow",
        `step ${prefix}${start + 1}: branches are nested deeper than ${MAX_DEPTH} levels`,
      );
    }
    const read: Step[] = [];
    for (let nr = start; nr < raw.length; nr++) {
      const item = raw[nr], path = `${prefix}${nr + 1}`;
      if (isObject(item) && item.type === "trigger") continue;
      const step = this.readOne(item, path);
      read.push(step);
      if (step.type !== "condition") continue;
      const { then, else: otherwise } = item as JsonObject;
      if (Array.isArray(then) || Array.isArray(otherwise)) {
        step.then = this.read(Array.isArray(then) ? then : [], `${path}.then.`, depth + 1);
        step.otherwise = this.read(Array.isArray(otherwise) ? otherwise : [], `${path}.else.`, depth + 1);
      } else if (depth === 0) { // a gate: what follows runs only if it holds
        step.otherwise = [this.step(`${step.key}.else.1`, "stop", `${path}.else.1 (stop)`)];
      } else {
        step.then = this.read(raw, prefix, depth + 1, nr + 1);
        break;
      }
    }
    return read;
  }

  private readOne(raw: Json, path: string): Step {
    let label = path;
    try {
      if (!isObject(raw)) throw new StepFailed("bad_workflow", "expected an object");
      const config = { ...objectAt(raw, "config") };
      const written = config.actionType ?? config.action_type ?? raw.type;
      delete config.actionType;
      delete config.action_type;
      const type = SPELLINGS[String(written)] ?? String(written);
      const name = typeof raw.name === "string" && raw.name ? raw.name.slice(0, MAX_NAME) : `${path} (${type})`;
      label = name.startsWith(path) ? name : `${path} (${name})`;
      if (!Object.hasOwn(ABILITIES, type)) {
        throw new StepFailed(
          "bad_workflow",
          `${type} cannot run in this edge function, which runs ${
            Object.keys(ABILITIES).join(", ")
          }: use --executor local`,
        );
      }
      const step = this.step(
        typeof raw.id === "number" || (typeof raw.id === "string" && raw.id) ? String(raw.id) : path,
        type,
        name,
      );
      step.config = config;
      step.stopOnError = raw.stop_on_error === true;
      if (typeof raw.give_up_after === "string") {
        step.giveUpSeconds = durationSeconds(raw.give_up_after, "give_up_after", MAX_GIVE_UP_SECONDS);
      }
      checkStep(raw, step);
      return step;
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      throw new StepFailed(
        error.code === "bad_template" ? error.code : "bad_workflow",
        `step ${label}: ${error.message}`,
      );
    }
  }

  private step(key: string, type: string, name: string): Step {
    if (this.keys.has(key)) throw new StepFailed("bad_workflow", `several steps have the id '${key}'`);
    this.keys.add(key);
    if (this.keys.size > MAX_STEPS) {
      throw new StepFailed("bad_workflow", `a workflow may have at most ${MAX_STEPS} steps, including branches`);
    }
    return { key, type, name, config: {}, stopOnError: false, then: [], otherwise: [] };
  }
}

/** Refuse keys that this executor does not read, and configs that can never work. */
function checkStep(raw: JsonObject, step: Step): void {
  const bad = (reason: string) => new StepFailed("bad_workflow", reason);
  const { config, type } = step;
  const unread = [
    ...Object.keys(raw).filter((key) => ![...STEP_KEYS, ...COSMETIC_KEYS].includes(key) && raw[key] !== null),
    ...(type === "stop"
      ? []
      : Object.keys(config).filter((key) => !ABILITIES[type].includes(key) && config[key] !== null)),
  ];
  if (unread.length) {
    throw bad(`\`${unread[0].slice(0, 60)}\` is not read by this edge function: remove it, or use --executor local`);
  }
  for (const key of ["then", "else"]) {
    if (raw[key] !== undefined && raw[key] !== null && !(type === "condition" && Array.isArray(raw[key]))) {
      throw bad(`\`${key}\`: only a condition has branches, each a list of steps`);
    }
  }
  for (const [key, value] of Object.entries(config)) checkTemplates(value, key);
  const isText = (key: string) => typeof config[key] === "string" && config[key].trim() !== "";
  const need = (key: string, what: string) => {
    if (!isText(key)) throw bad(`\`${key}\` is missing: write ${what}`);
  };
  if (type === "email" || type === "sms") {
    if (typeof config.to === "string" && CLIENT.test(config.to.trim())) delete config.to; // the default
    need("message", "the text to send");
  }
  if (type === "email") {
    need("subject", "the subject");
    if (!config.html && HTML.test(String(config.message))) {
      throw bad("`message` contains HTML: write it in `html`, and its text in `message`");
    }
    if (config.marketing === true && !isText("unsubscribe")) {
      throw bad("`unsubscribe` is missing: a marketing message needs an https:// or mailto: address for it");
    }
  }
  if (type === "webhook") {
    need("url", "the address to call, as https://host/path");
    const method = String(config.method ?? "POST").toUpperCase();
    if (!METHODS.includes(method)) throw bad(`\`method\` must be one of ${METHODS.join(", ")}`);
    if (method === "GET" && config.body !== undefined && config.body !== null) {
      throw bad("`body`: a GET request has no body; use POST");
    }
    checkHeaders(config.headers ?? {});
    checkUrl(String(config.url));
  }
  if (type === "wait" && ["for", "until"].filter(isText).length !== 1) {
    throw bad('give either `for`, such as "2 days", or `until`, a date and time');
  }
  const isWritten = (key: string) => isText(key) && !String(config[key]).includes("{");
  if (type === "wait" && isWritten("for")) durationSeconds(String(config.for), "for");
  if (type === "wait" && isWritten("until")) instant(String(config.until), "until");
  if (type === "email" && isText("unsubscribe")) checkUrl(String(config.unsubscribe));
  if (type === "email" && isWritten("unsubscribe")) unsubscribeHeaders(String(config.unsubscribe));
  if (
    type === "condition" &&
    !(typeof config.conditions === "object" && config.conditions && Object.keys(config.conditions).length)
  ) {
    throw bad("`conditions` is missing: give a list of conditions, or a group of them");
  }
}

/** The first step without a record that is to run; undefined when there is none. */
export function nextStep(steps: Step[], recorded: Map<string, JsonObject>): Step | undefined {
  const found = next(steps, recorded);
  return found === "end" ? undefined : found;
}

function next(steps: Step[], recorded: Map<string, JsonObject>): Step | "end" | undefined {
  for (const step of steps) {
    const record = recorded.get(step.key);
    if (!record) return step;
    // A failed condition ends it: its branch is unknown.  So does a failed wait: what follows was not to leave at once.
    const ends = record.status === "failed"
      ? step.stopOnError || step.type === "condition" || step.type === "wait"
      : step.type === "stop";
    if (ends) return "end";
    const found = next(objectAt(record, "result").held === true ? step.then : step.otherwise, recorded);
    if (found) return found;
  }
  return undefined;
}
