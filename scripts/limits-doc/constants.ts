/** A limit as the page of limits shows it. */
export interface Limit {
  readonly path: string;
  readonly name: string;
  /** In the largest unit in which it is a whole number: `4 MiB`, `10 s`, `1,000 entries`. */
  readonly value: string;
  readonly meaning: string;
  /** The setting that changes it; empty: there is no such setting. */
  readonly setting: string;
}

const CONSTANT = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n(?:export )?const ([A-Z][A-Z0-9_]*)(?:: number)? = ([^;\n]+);/g;
const TAG = /@limit ([^,]+?)(?:, (\w+))?\s*$/;

/**
 * The constants of a source file whose doc comment ends in `@limit <unit>`, or `@limit <unit>, <setting>`. The rest of
 * the comment is the meaning. The value is a product of numbers and of other constants of the file.
 */
export function limitsOf(path: string, text: string): Limit[] {
  return [...text.matchAll(CONSTANT)].flatMap(([, comment = "", name = "", expression = ""]) => {
    const plain = comment.replaceAll(/\s*\n\s*\* ?/g, " ").trim();
    const tag = TAG.exec(plain);
    if (tag === null) return [];
    const [, unit = "", setting = ""] = tag;
    const meaning = plain.slice(0, tag.index).trim();
    return [{ path, name, value: formatLimit(amountOf(expression, text), unit), meaning, setting }];
  });
}

function amountOf(expression: string, text: string): number {
  return expression.split("*").reduce((product, part) => product * factorOf(part.trim(), text), 1);
}

function factorOf(part: string, text: string): number {
  if (/^\d[\d_]*$/.test(part)) return Number(part.replaceAll("_", ""));
  const definition = new RegExp(`const ${part}(?:: number)? = ([^;\\n]+);`).exec(text);
  if (definition?.[1] === undefined)
    throw new Error(`a limit is computed of ${part}, which is no constant of its file`);
  return amountOf(definition[1], text);
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

function formatLimit(value: number, unit: string): string {
  const [size, name] = STEPS[unit]?.find(([step]) => value >= step && value % step === 0) ?? [1, unit];
  return `${(value / size).toLocaleString("en-US")} ${name}`;
}
