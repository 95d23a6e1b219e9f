// JSON whose numbers keep their digits: the database's 12345678901234567.89 is no JavaScript number.

/** A number as the database wrote it, if a JavaScript number would write it otherwise. */
export interface Digits {
  readonly rawJSON: string;
}
export type Json = null | boolean | number | string | Digits | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json };

type Reviver = (this: unknown, name: string, value: Json, context: { source?: string }) => Json;
// Source text access of JSON.parse: V8 has it since 2023, TypeScript's types do not know it yet.
const exact = JSON as unknown as {
  parse(text: string, reviver: Reviver): Json;
  rawJSON?(text: string): Digits;
  isRawJSON?(value: unknown): boolean;
};

/** Read JSON.  A runtime that cannot keep a number's digits refuses it by name. */
export function parseJson(text: string): Json {
  return exact.parse(text, (name, value, context) => {
    if (typeof value !== "number") return value;
    if (context?.source === String(value) || (context?.source === undefined && Number.isSafeInteger(value))) {
      return value;
    }
    if (context?.source && exact.rawJSON) return exact.rawJSON(context.source);
    throw new Error(`this version of Deno cannot keep the digits of ${name}: ${value}`);
  });
}

export function isDigits(value: unknown): value is Digits {
  return exact.isRawJSON?.(value) ?? false;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isDigits(value);
}

/** Write JSON as Minutehand's own processors do, with a blank after each comma and colon: equal bytes, equal signatures. */
export function jsonText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jsonText).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${jsonText(item)}`).join(", ")}}`;
}

/** The value at a path of names. */
export function at(value: Json | undefined, ...names: string[]): Json | undefined {
  return names.reduce<Json | undefined>(
    (holder, name) => isObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined,
    value,
  );
}

/** An object where there is one, else an empty one. */
export function objectAt(value: Json | undefined, ...names: string[]): JsonObject {
  const found = at(value, ...names);
  return isObject(found) ? found : {};
}

/** A scalar as text, a number with its digits; "" for null, lists and objects. */
export function plainText(value: Json | undefined): string {
  if (isDigits(value)) return value.rawJSON;
  return value === null || typeof value === "object" || value === undefined ? "" : String(value);
}

/** A short text of a response: one line, at most 300 characters; "" for other types. */
export function shortText(value: Json | undefined): string {
  const text = typeof value === "boolean" ? "" : plainText(value);
  return text.replaceAll("\0", "").split(/\s+/).filter(Boolean).join(" ").slice(0, 300);
}
