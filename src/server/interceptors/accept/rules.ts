import { type DescField, type DescMessage, isFieldSet, type Message, ScalarType } from "@bufbuild/protobuf";
import { FieldRulesSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Accepts, Checks } from "./checks.ts";
import { safePattern } from "./pattern.ts";

/** Returns how the value of a rule is checked. Undefined if it cannot be compiled. */
type Compile = (bound: never, field: DescField) => Accepts<never> | undefined;

/**
 * Returns the checks of the rules that are set in a message such as `buf.validate.StringRules`. The rules in `apart` are left
 * to the caller. Undefined if one of them cannot be compiled.
 */
export function compileRules(rules: Message, field: DescField, apart: readonly string[] = []): Checks {
  const desc = RULES.get(rules.$typeName);
  const known = COMPILES[rules.$typeName];
  if (desc === undefined || known === undefined || rules.$unknown !== undefined) return undefined;
  const checks: Accepts[] = [];
  for (const rule of desc.fields) {
    if (!isFieldSet(rules, rule) || apart.includes(rule.localName)) continue;
    const check = known[rule.localName]?.(boundOf(rules, rule) as never, field);
    if (check === undefined) return undefined;
    checks.push(check as Accepts);
  }
  return checks;
}

/** The types of rules by name. */
const RULES: ReadonlyMap<string, DescMessage> = new Map(
  FieldRulesSchema.fields.flatMap(({ message }) => (message === undefined ? [] : [[message.typeName, message]])),
);

function boundOf(rules: Message, { localName, oneof }: DescField): unknown {
  const values = rules as unknown as Readonly<Record<string, unknown>>;
  return oneof === undefined ? values[localName] : (values[oneof.localName] as { readonly value: unknown }).value;
}

/** The same for numbers and bigints. A NaN fulfils none of them. */
const NUMBER: Readonly<Record<string, Compile>> = {
  gt: (bound: number) => (value: number) => value > bound,
  gte: (bound: number) => (value: number) => value >= bound,
  lt: (bound: number) => (value: number) => value < bound,
  lte: (bound: number) => (value: number) => value <= bound,
  finite: (wanted: boolean) => (value: number) => !wanted || Number.isFinite(value),
};

interface Span {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** The range of google.protobuf.Duration is 10,000 years. */
const MOST_SECONDS = 315_576_000_000n;

/** Only of such durations, the one with more seconds, or else with more nanos, is longer. */
function isNormal({ seconds, nanos }: Span): boolean {
  if (nanos === 0) return seconds <= MOST_SECONDS && seconds >= -MOST_SECONDS;
  if (seconds >= MOST_SECONDS || seconds <= -MOST_SECONDS || Math.abs(nanos) >= 1e9) return false;
  return seconds === 0n || nanos > 0 === seconds > 0n;
}

export const isLonger = (one: Span, other: Span): boolean =>
  one.seconds === other.seconds ? one.nanos > other.nanos : one.seconds > other.seconds;

const DURATION: Readonly<Record<string, Compile>> = {
  gt: (bound: Span) => (value: Span) => isNormal(value) && isLonger(value, bound),
  gte: (bound: Span) => (value: Span) => isNormal(value) && !isLonger(bound, value),
  lte: (bound: Span) => (value: Span) => isNormal(value) && !isLonger(value, bound),
};

/** Length in characters, of which each takes one or two code units. */
function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

const STRING: Readonly<Record<string, Compile>> = {
  minLen: (bound: bigint) => {
    const least = Number(bound);
    return (text: string) => text.length >= least && (text.length >= 2 * least || characters(text) >= least);
  },
  maxLen: (bound: bigint) => {
    const most = Number(bound);
    return (text: string) => text.length <= most || (text.length <= 2 * most && characters(text) <= most);
  },
  pattern: (source: string) => {
    const pattern = safePattern(source);
    return pattern && ((text: string) => pattern.test(text));
  },
  prefix: (prefix: string) => (text: string) => text.startsWith(prefix),
  uuid: (wanted: boolean) => (text: string) => !wanted || UUID.test(text),
};

const ENUM: Readonly<Record<string, Compile>> = {
  definedOnly: (wanted: boolean, field) => {
    const defined = new Set(field.enum?.values.map(({ number }) => number));
    return (value: number) => !wanted || defined.has(value);
  },
  notIn: (refused: readonly number[]) => (value: number) => !refused.includes(value),
};

const REPEATED: Readonly<Record<string, Compile>> = {
  minItems: (bound: bigint) => {
    const least = Number(bound);
    return (items: readonly unknown[]) => items.length >= least;
  },
  maxItems: (bound: bigint) => {
    const most = Number(bound);
    return (items: readonly unknown[]) => items.length <= most;
  },
  unique: (wanted: boolean, field) => {
    if (wanted && field.scalar !== ScalarType.STRING) return undefined;
    return (items: readonly unknown[]) => !wanted || items.length < 2 || new Set(items).size === items.length;
  },
};

const MAP: Readonly<Record<string, Compile>> = {
  maxPairs: (bound: bigint) => {
    const most = Number(bound);
    return (entries: object) => Object.keys(entries).length <= most;
  },
};

const COMPILES: Readonly<Record<string, Readonly<Record<string, Compile>>>> = {
  "buf.validate.StringRules": STRING,
  "buf.validate.EnumRules": ENUM,
  "buf.validate.RepeatedRules": REPEATED,
  "buf.validate.MapRules": MAP,
  "buf.validate.DurationRules": DURATION,
  "buf.validate.DoubleRules": NUMBER,
  "buf.validate.Int32Rules": NUMBER,
  "buf.validate.UInt32Rules": NUMBER,
  "buf.validate.Int64Rules": NUMBER,
  "buf.validate.UInt64Rules": NUMBER,
};
