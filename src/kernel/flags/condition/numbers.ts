import { Failure } from "./budget.ts";
import { MAX_INT, MAX_UINT, MIN_INT, Uint } from "./values.ts";

/**
 * Length of a string that a condition converts to a number, time or duration; the conversion of a longer one fails,
 * like that of an invalid one. @limit characters
 */
export const CONVERTED_TEXT_MAX = 64;

/** The number of characters that one step reads from, or writes for, a number or a time. */
export const CONVERTED_PER_STEP = 2;

export function int(value: bigint): bigint | Failure {
  return value >= MIN_INT && value <= MAX_INT ? value : new Failure("the int has more than 64 bits");
}

export function uint(value: bigint): Uint | Failure {
  return value >= 0n && value <= MAX_UINT
    ? new Uint(value)
    : new Failure("the uint is below 0 or has more than 64 bits");
}

export function double(value: number): number | Failure {
  return Number.isFinite(value) ? value : new Failure("the double is not finite");
}

/** Reads `-?digits`, without blanks, a plus, hexadecimal digits or underscores. */
export function intOfText(text: string): bigint | Failure {
  return text.length <= CONVERTED_TEXT_MAX && /^-?[0-9]+$/.test(text) ? int(BigInt(text)) : notA(text, "an int");
}

/** Reads `digits`. */
export function uintOfText(text: string): Uint | Failure {
  return text.length <= CONVERTED_TEXT_MAX && /^[0-9]+$/.test(text) ? uint(BigInt(text)) : notA(text, "a uint");
}

/** Reads a number as JSON writes it, also with leading zeros: `-?digits(.digits)?(e[+-]?digits)?`. */
export function doubleOfText(text: string): number | Failure {
  const fits = text.length <= CONVERTED_TEXT_MAX && /^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(text);
  return fits ? double(Number(text)) : notA(text, "a double");
}

/** Within the range of 64 bits without both ends, since a double cannot distinguish these from numbers beyond them. */
export function intOfDouble(value: number): bigint | Failure {
  const fits = value > -(2 ** 63) && value < 2 ** 63;
  return fits ? BigInt(Math.trunc(value)) : new Failure("the double is out of the range of an int");
}

export function uintOfDouble(value: number): Uint | Failure {
  const fits = value >= 0 && value < 2 ** 64;
  return fits ? new Uint(BigInt(Math.trunc(value))) : new Failure("the double is out of the range of a uint");
}

export function boolOfText(text: string): boolean | Failure {
  if (["true", "True", "TRUE", "t", "1"].includes(text)) return true;
  if (["false", "False", "FALSE", "f", "0"].includes(text)) return false;
  return notA(text, "a bool");
}

/**
 * Formats a double with the fewest digits that are read as the same double, as ECMAScript specifies. From 1e-7 to below 1e21
 * it has no exponent; other numbers look like `1.5e-8` or `1e+21`. Minus zero is `0`.
 */
export function textOfDouble(value: number): string {
  return String(value);
}

export function notA(text: string, what: string): Failure {
  return new Failure(() => {
    const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
    return `${JSON.stringify(shown)} is not ${what}`;
  });
}
