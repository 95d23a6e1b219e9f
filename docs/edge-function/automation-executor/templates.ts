// Templates.  This executor fills in {{ client.name }}; anything else in a template is refused by name, never sent.
import { isDigits, isObject, type Json, type JsonObject } from "./json.ts";
import { StepFailed } from "./outcome.ts";

const VARIABLE = /\{\{\s*([A-Za-z_]\w*(?:\.\w+)*)\s*\}\}/g;
const WHOLE = /^\{\{\s*([A-Za-z_]\w*(?:\.\w+)*)\s*\}\}$/;
/** Words that are no variables in Minutehand's templates. */
const WORDS = new Set("true false none True False None not and or if else in is loop".split(" "));
/** What Minutehand's own executor reads as a variable or a tag in another style: it must not leave as text. */
const ROWS =
  "client|customer|job|invoice|estimate|payment|company|organization|review|survey|technician|appointment|task|lead|" +
  "quote|booking|user|trigger|workflow|old";
const OTHER_STYLES = [
  /\{\{.*/s,
  /\{%[-+]?\s*[A-Za-z_].*/s,
  new RegExp(`(?<![$%@])\\{ ?(?:${ROWS})(?:[A-Z]\\w*|_\\w+|\\.[A-Za-z_]\\w*)(?:\\.[A-Za-z_]\\w*)* ?\\}`),
  new RegExp(`(?<!\\[)\\[(?:(?:${ROWS})[ _][a-z]+(?:[ _][a-z]+)?|[a-z]+[ _]link)\\](?![\\](])`, "i"),
];
const SYNONYMS: Record<string, string> = { customer: "client", client: "customer" };
const FLAT_NAMES: Record<string, [string, string]> = {
  job_date: ["job", "scheduled_date"],
  job_time: ["job", "scheduled_time"],
  job_technician: ["technician", "name"],
  appointment_date: ["job", "scheduled_date"],
  appointment_time: ["job", "scheduled_time"],
  payment_link: ["invoice", "payment_link"],
};
const FIELD_SYNONYMS: Record<string, string> = {
  appointment_time: "scheduled_time",
  appointment_date: "scheduled_date",
};

/** Refuse every text in a value that this executor cannot fill in. */
export function checkTemplates(value: Json, key: string): void {
  if (Array.isArray(value)) value.forEach((item) => checkTemplates(item, key));
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (/\{\{|\{%/.test(name)) {
        throw new StepFailed("bad_template", `\`${key}\`: a key of an object cannot be a template`);
      }
      checkTemplates(item, key);
    }
  } else if (typeof value === "string") {
    const rest = value.replace(VARIABLE, (whole, path: string) => WORDS.has(path.split(".")[0]) ? whole : "");
    const other = OTHER_STYLES.map((style) => style.exec(rest)?.[0]).find(Boolean);
    if (!other) return;
    const shown = /^\{\{.*?\}\}|^\{%.*?%\}/s.exec(other)?.[0] ?? other;
    throw new StepFailed(
      "bad_template",
      `\`${key}\`: this executor fills in {{ client.name }} alone, and cannot run ` +
        `${shown.slice(0, 80)}: write it so, or use --executor local`,
    );
  }
}

/** Refuse a template of a URL in which a value would stand before the path, unless it is the whole URL. */
export function checkUrl(template: string): void {
  if (!template.includes("{{") || WHOLE.test(template.trim())) return;
  const origin = /^\s*(?:mailto:|[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]*)/i.exec(template)?.[0] ?? "{";
  if (!origin.includes("{")) return;
  throw new StepFailed(
    "bad_step",
    "a template stands in the scheme, host or port: write them out, or give the whole URL in one template",
  );
}

/** What `settings.unresolved` puts in the place of a variable without a value; undefined: the step fails. */
export function standIn(definition: JsonObject): string | undefined {
  const unresolved = isObject(definition.settings) ? definition.settings.unresolved : undefined;
  if (unresolved === "blank") return "";
  return isObject(unresolved) && typeof unresolved.default === "string" ? unresolved.default : undefined;
}

export class Renderer {
  constructor(private readonly variables: JsonObject, private readonly standIn: string | undefined) {}

  /** Fill a text in; `write` turns each value into what stands in its place. */
  text(template: string, write: (value: string) => string = (value) => value): string {
    return template.replace(VARIABLE, (_, path: string) => write(scalarText(this.value(path), path)));
  }

  /** The same within HTML: values are escaped. */
  html(template: string): string {
    return this.text(
      template,
      (value) =>
        value.replace(
          /[&<>'"]/g,
          (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" })[mark]!,
        ),
    );
  }

  /** The same within a URL: each value is encoded, so that it is one part of the path or the query. */
  url(template: string): string {
    if (WHOLE.test(template.trim())) return this.text(template.trim());
    const filled = this.text(
      template,
      (value) =>
        encodeURIComponent(value).replace(/[!'()*]/g, (mark) => "%" + mark.charCodeAt(0).toString(16).toUpperCase()),
    );
    const written = template.split(/[?#]/)[0].split("/");
    filled.split(/[?#]/)[0].split("/").forEach((part, nr) => {
      if ([".", ".."].includes(part) && part !== written[nr]) {
        throw new StepFailed("bad_url", `a value makes '${part}' a part of the path, which leads to another path`);
      }
    });
    return filled;
  }

  /** Fill in every text of a JSON value.  A text that is one variable becomes the value itself. */
  json(value: Json): Json {
    if (Array.isArray(value)) return value.map((item) => this.json(item));
    if (isObject(value)) {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.json(item)]));
    }
    if (typeof value !== "string") return value;
    const whole = WHOLE.exec(value);
    return whole ? this.value(whole[1]) : this.text(value);
  }

  private value(path: string): Json {
    const [first, ...rest] = path.split(".");
    let value = Object.hasOwn(this.variables, first) ? this.variables[first] : lookup(this.variables, first);
    for (const name of rest) value = value === null || value === undefined ? value : child(value, name);
    if (value !== null && value !== undefined) return value;
    if (this.standIn !== undefined) return this.standIn;
    throw new StepFailed("unresolved_variable", `${path} is ${value === null ? "empty" : "not known"}`, path);
  }
}

function scalarText(value: Json, path: string): string {
  if (isDigits(value)) return value.rawJSON;
  if (typeof value !== "object") return String(value);
  throw new StepFailed(
    "bad_template",
    `${path} is ${Array.isArray(value) ? "a list: this executor cannot join it" : "an object: name one of its fields"}`,
  );
}

const snake = (name: string): string => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toLowerCase();

/** A field of a row, by its name or in the row's spelling: `firstName` is `first_name`. */
function child(value: Json, name: string): Json | undefined {
  if (Array.isArray(value)) return /^\d+$/.test(name) ? value[Number(name)] : undefined;
  if (!isObject(value)) return undefined;
  const names = [name, snake(name), FIELD_SYNONYMS[snake(name)] ?? name];
  const found = names.find((other) => Object.hasOwn(value, other));
  return found === undefined ? undefined : value[found];
}

/** A first name in another style: `customer` is `client`, `client_first_name` is `client.first_name`. */
function lookup(variables: JsonObject, name: string): Json | undefined {
  const word = snake(name);
  const paths: string[][] = [...(FLAT_NAMES[word] ? [FLAT_NAMES[word]] : []), [word]];
  for (const cut of [...word.matchAll(/_/g)].slice(0, 4).map((found) => found.index)) {
    paths.push([word.slice(0, cut), word.slice(cut + 1)], [word.slice(0, cut), word]);
  }
  for (const [root, field] of paths) {
    for (const holder of [root, SYNONYMS[root] ?? root]) {
      if (!Object.hasOwn(variables, holder)) continue;
      const value = field === undefined ? variables[holder] : child(variables[holder], field);
      if (value !== undefined) return value;
    }
  }
  return undefined;
}
