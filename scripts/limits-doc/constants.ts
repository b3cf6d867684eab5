/** A row of the page of limits. */
export interface Limit {
  readonly path: string;
  readonly name: string;
  /** In the largest unit that shows it exactly: `4 MiB`, `10 s`, `1,000 entries`. */
  readonly value: string;
  readonly meaning: string;
  /** The setting that changes it. Empty: no setting does. */
  readonly setting: string;
}

/** A constant at the top level of a source file. */
export interface Constant {
  readonly name: string;
  readonly expression: string;
  /** The text of the doc comment right above it. Empty: it has none. */
  readonly comment: string;
}

const CONSTANT =
  /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^(?:export )?const ([A-Z][A-Z0-9_]*)(?:: \w+)? =\s+([^;]+?);(?:\n|$)/gm;
const NUMBER = /^\d[\d_]*(\.\d+)?n?$/;
const TAG = /@limit ([^,.]+?)(?:, (\w+))?$/;
const COMPUTED = /^(-?\d|[A-Z][A-Z0-9_]*\b(?!\()|Number\.)/;
/** The unit of a plain number. */
const NO_UNIT = "-";

/** The constants at the top level of a source file that are numbers, are computed from numbers, or have `@limit`. */
export function constantsOf(text: string): Constant[] {
  return [...text.matchAll(CONSTANT)]
    .map(([, comment = "", name = "", expression = ""]) => ({
      name,
      expression,
      comment: comment.replaceAll(/\s*\n\s*\* ?/g, " ").trim(),
    }))
    .filter(({ expression, comment }) => COMPUTED.test(expression) || comment.includes("@limit"));
}

/**
 * The constants of a source file whose doc comment ends in `@limit <unit>`, or `@limit <unit>, <SETTING>`. The rest of
 * the comment is the meaning. The value is a product of numbers and of other constants of the file.
 *
 * @throws Error with the file and the constant if the comment has no other text, if the tag is not at its end, if the
 * value cannot be read, or if no constant follows.
 */
export function limitsOf(path: string, text: string): Limit[] {
  const tagged = constantsOf(text).filter(({ comment }) => comment.includes("@limit"));
  if (tagged.length !== (text.match(/@limit\b/g) ?? []).length) {
    throw new Error(
      `${path}: a @limit is not in the doc comment right above a constant of the file, or comes twice in one`,
    );
  }
  return tagged.map(({ name, expression, comment }) => {
    const tag = TAG.exec(comment);
    const meaning = comment.slice(0, tag?.index).trim();
    if (tag === null || meaning === "") {
      throw new Error(`${path}: ${name}: expected a comment that describes the limit and ends in "@limit <unit>"`);
    }
    const [, unit = "", setting = ""] = tag;
    try {
      return { path, name, value: formatLimit(amountOf(expression, text), unit), meaning, setting };
    } catch (error) {
      throw new Error(`${path}: ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
}

function amountOf(expression: string, text: string): number {
  return expression.split(/(?<!\*)\*(?!\*)/).reduce((product, part) => product * powerOf(part.trim(), text), 1);
}

function powerOf(part: string, text: string): number {
  const [base = "", ...exponents] = part.split("**");
  return exponents.reduce((power, exponent) => power ** factorOf(exponent.trim(), text), factorOf(base.trim(), text));
}

function factorOf(part: string, text: string): number {
  if (NUMBER.test(part)) return Number(part.replaceAll("_", "").replace(/n$/, ""));
  if (part === "Number.POSITIVE_INFINITY") return Number.POSITIVE_INFINITY;
  if (part === "Number.MAX_SAFE_INTEGER") return Number.MAX_SAFE_INTEGER;
  const [table = "", key] = part.split(".");
  const entry = key === undefined ? "" : `\\{[^}]*\\b${key}: ([^,}]+)`;
  const found = /^\w+$/.test(table)
    ? new RegExp(`^(?:export )?const ${table}(?:: \\w+)? = ${entry || "([^;\\n{]+);"}`, "m").exec(text)
    : null;
  if (found?.[1] === undefined) throw new Error(`${part} is neither a number nor a constant of its file`);
  return amountOf(found[1].trim(), text);
}

const STEPS: Readonly<Record<string, readonly (readonly [number, string])[]>> = {
  bytes: [
    [1024 ** 3, "GiB"],
    [1024 ** 2, "MiB"],
    [1024, "KiB"],
  ],
  ms: [
    [86_400_000, "days"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1000, "s"],
  ],
};

/** `1.75 MiB` of 1,835,008 bytes: the largest unit in which two decimals show the value exactly. */
function formatLimit(value: number, unit: string): string {
  if (value === Number.POSITIVE_INFINITY) return "no limit";
  const isShown = (step: number): boolean => value >= step && Number.isInteger((value / step) * 100);
  const [size, name] = STEPS[unit]?.find(([step]) => isShown(step)) ?? [1, unit];
  const amount = (value / size).toLocaleString("en-US", { maximumFractionDigits: 6 });
  if (unit === NO_UNIT) return amount;
  return `${amount} ${value === size && name === "days" ? "day" : name}`;
}
