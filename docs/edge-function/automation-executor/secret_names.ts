// Names of columns that look like secrets: a webhook's default body leaves them out.
import { isObject, type Json } from "./json.ts";

const WORDS =
  ("password passwords passwd pwd passphrase passcode secret secrets token tokens hash salt otp totp pin credential " +
    "credentials apikey jwt iban cvv cvc ssn").split(" ");
const PHRASES = [
  "api key",
  "access key",
  "private key",
  "secret key",
  "signing key",
  "encryption key",
  "service key",
  "recovery code",
  "recovery codes",
  "backup codes",
  "account number",
  "routing number",
  "card number",
  "sort code",
  "social security",
  "national insurance",
];

export function looksSecret(name: string): boolean {
  const words = name.slice(0, 200).split(/[^0-9A-Za-z]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/).filter(
    Boolean,
  ).map((word) => word.toLowerCase());
  const phrase = ` ${words.join(" ")} `;
  return words.some((word) => WORDS.includes(word)) || PHRASES.some((wanted) => phrase.includes(` ${wanted} `));
}

/** A JSON value without the keys that look like secrets. */
export function withoutSecrets(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name, item]) => item === null || !looksSecret(name));
  return Object.fromEntries(kept.map(([name, item]) => [name, withoutSecrets(item)]));
}
