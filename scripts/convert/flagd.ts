import { attribute, type Converted, isObject, type Json, NotCarried, text } from "./converted.ts";

/** The flags of a flagd file. */
export function fromFlagd(file: Json): readonly Converted[] {
  const flags = isObject(file.flags) ? file.flags : {};
  return Object.entries(flags).map(([name, flag]) => {
    if (!isObject(flag)) return { name, lost: ["it is not an object: it is left out"] };
    try {
      return convert(name, flag);
    } catch (error) {
      if (!(error instanceof NotCarried)) throw error;
      const entry = { enabled: false, strategy: "all_off", ...kept(flag) };
      return { name, entry, lost: [`${error.message}: it is switched off here`] };
    }
  });
}

function convert(name: string, flag: Json): Converted {
  const { state, defaultVariant, targeting } = flag;
  const variants = isObject(flag.variants) ? flag.variants : {};
  const values = Object.values(variants);
  const isBoolean = values.length > 0 && values.every((value) => typeof value === "boolean");
  const enabled = state === "ENABLED";
  const rules = isObject(targeting) && Object.keys(targeting).length > 0 ? targeting : undefined;
  const outcome = rules === undefined ? fixed(defaultVariant) : decide(rules, defaultVariant);
  const { shares, condition, rebuckets } = outcome;
  const [unknown] = shares.find(([variant]) => !Object.hasOwn(variants, variant)) ?? [];
  if (unknown !== undefined) throw new NotCarried(`the variant ${text(unknown)}, which is not among its variants`);
  const where = condition === undefined ? {} : { condition };
  if (isBoolean) {
    const on = shares.filter(([variant]) => variants[variant] === true).reduce((sum, [, part]) => sum + part, 0);
    const total = shares.reduce((sum, [, part]) => sum + part, 0);
    const percentage = Math.round((on / total) * 100_000) / 1000;
    if ((percentage === 0 && on > 0) || (percentage === 100 && on < total)) {
      throw new NotCarried(`a share of ${on} in ${total}, which is finer than 0.001 %`);
    }
    if (condition !== undefined && variants[String(outcome.otherwise)] !== false) {
      throw new NotCarried("a rule that switches the flag off for some and on for the others");
    }
    const strategy = percentage === 100 ? "all_on" : percentage === 0 ? "all_off" : "percentage";
    const share = strategy === "percentage" ? { percentage } : {};
    return { name, entry: { enabled, strategy, ...share, ...where, ...kept(flag) }, lost: [], rebuckets };
  }
  if (condition !== undefined) throw new NotCarried("rules that choose between variants that are not booleans");
  const weights = new Map(shares);
  const forms = Object.entries(variants).map(([variant, value]) => ({
    name: variant,
    weight: weights.get(variant) ?? 0,
    value,
  }));
  return { name, entry: { enabled, strategy: "all_on", variants: forms, ...kept(flag) }, lost: [], rebuckets };
}

function kept({ metadata }: Json): Json {
  return isObject(metadata) && Object.keys(metadata).length > 0 ? { metadata } : {};
}

interface Outcome {
  readonly shares: readonly (readonly [variant: string, weight: number])[];
  readonly condition?: string;
  /** The variant for those who do not meet the condition. */
  readonly otherwise?: unknown;
  readonly rebuckets?: boolean | undefined;
}

function fixed(variant: unknown): Outcome {
  if (typeof variant !== "string") throw new NotCarried("a flag without a default variant");
  return { shares: [[variant, 1]] };
}

function decide(rule: unknown, defaultVariant: unknown): Outcome {
  if (typeof rule === "string" || rule === null) return fixed(rule ?? defaultVariant);
  const [operator, args] = operationOf(rule);
  if (operator === "fractional") return fractional(args);
  if (operator !== "if" || args.length < 2 || args.length > 3)
    throw new NotCarried(`the targeting rule ${text(operator)}`);
  const [test, then, otherwise = null] = args;
  const inner = decide(then, defaultVariant);
  if (inner.condition !== undefined || isObject(otherwise)) throw new NotCarried("rules within rules");
  return { ...inner, condition: condition(test), otherwise: otherwise ?? defaultVariant };
}

function fractional(args: readonly unknown[]): Outcome {
  const parts = Array.isArray(args[0]) ? args : args.slice(1);
  const by = JSON.stringify(Array.isArray(args[0]) ? null : args[0]);
  const usual = ["null", '{"var":"targetingKey"}', '{"cat":[{"var":"$flagd.flagKey"},{"var":"targetingKey"}]}'];
  if (!usual.includes(by)) throw new NotCarried("a fractional rule by another field than the targeting key");
  const shares = parts.map((part): readonly [string, number] => {
    const [variant, weight = 1] = Array.isArray(part) ? part : [];
    if (typeof variant !== "string" || !Number.isInteger(weight) || Number(weight) < 0)
      throw new NotCarried("a fractional rule of another form");
    return [variant, Number(weight)];
  });
  return { shares, rebuckets: true };
}

function operationOf(rule: unknown): readonly [string, readonly unknown[]] {
  const [entry, ...others] = isObject(rule) ? Object.entries(rule) : [];
  if (entry === undefined || others.length > 0) throw new NotCarried("a rule of another form");
  return [entry[0], Array.isArray(entry[1]) ? entry[1] : [entry[1]]];
}

/** As CEL. A missing field makes it false, but never fails, as in flagd. */
function condition(rule: unknown): string {
  const [operator, args] = operationOf(rule);
  const [left, right] = args;
  if (operator === "and" || operator === "or") {
    return `(${args.map(condition).join(operator === "and" ? " && " : " || ")})`;
  }
  if (operator === "!") return `!${condition(left)}`;
  const field = attribute(fieldOf(left));
  const given = `has(${field})`;
  if (["==", "===", "!=", "!=="].includes(operator) && isPlain(right, operator)) {
    return `${operator.startsWith("!") ? "!" : ""}(${given} && ${field} == ${JSON.stringify(right)})`;
  }
  if (operator === "in" && Array.isArray(right) && right.every((each) => typeof each === "string")) {
    return `(${given} && ${field} in ${JSON.stringify(right)})`;
  }
  throw new NotCarried(`the operation ${text(operator)}`);
}

/**
 * Whether a value is a text that is not a number, or a boolean that is compared strictly. flagd compares other values
 * loosely, and Helios does not.
 */
function isPlain(value: unknown, operator: string): boolean {
  if (typeof value === "string") return operator.length === 3 || (value.trim() !== "" && Number.isNaN(Number(value)));
  return typeof value === "boolean" && (operator === "===" || operator === "!==");
}

function fieldOf(value: unknown): string {
  const name = isObject(value) ? value.var : undefined;
  if (typeof name !== "string" || name === "targetingKey" || name.startsWith("$flagd")) {
    throw new NotCarried("a comparison of something else than an attribute");
  }
  return name;
}
