import { HeliosError } from "../../src/core/errors/error.ts";
import { parseFlagsFile } from "../../src/core/flags/file/parse.ts";
import { printFlagsFile } from "../../src/core/flags/file/print.ts";
import type { FileFlag } from "../../src/core/flags/file/read-flag.ts";
import type { JsonSourceError } from "../../src/core/json/error.ts";
import { pathText } from "../../src/core/json/path.ts";
import { type JsonSource, readJsonSource } from "../../src/core/json/source.ts";
import { numberViolation } from "../../src/core/json/tree.ts";
import { compileCondition } from "../../src/server/cel/condition.ts";
import { type Converted, isObject } from "./converted.ts";
import { fromFlagd } from "./flagd.ts";
import { fromUnleash } from "./unleash.ts";

export type System = "flagd" | "unleash" | "simple";

export interface Conversion {
  readonly system: System;
  /** The flags file, which Helios can load. */
  readonly text: string;
  /** What was lost or differs, one line each. */
  readonly report: readonly string[];
  /** Whether a part of a flag could not be carried over. */
  readonly isLossy: boolean;
}

/**
 * Converts a file of another system to a flags file. Throws JsonSourceError if the text is not JSON, GivenTwice,
 * AskedWrongly.
 */
export function convert(source: string, from?: System, environment?: string): Conversion {
  const read = readJsonSource(source);
  refuseTwice(read);
  const { value, mistakes, mistakeCount } = read;
  const system = from ?? systemOf(value);
  const file = isObject(value) ? value : {};
  const converted =
    system === "flagd" ? fromFlagd(file) : system === "unleash" ? fromUnleash(file, environment) : simple(value);
  const report = linesOf(mistakes, mistakeCount);
  const flags = new Map<string, FileFlag>();
  for (const { name, entry, lost } of eachOnce(converted)) {
    report.push(...lost.map((each) => `${name}: ${each}`));
    if (entry === undefined) continue;
    // JSON has no infinite numbers; they would be written as null.
    const tooLarge = numberViolation(entry, [name]);
    if (tooLarge !== undefined) {
      report.push(`${name}: ${pathText(tooLarge.path)}: ${tooLarge.problem}: it is left out`);
      continue;
    }
    try {
      for (const flag of parseFlagsFile(JSON.stringify({ [name]: entry }), system, compileCondition).flags) {
        flags.set(name, flag);
      }
    } catch (error) {
      if (!(error instanceof HeliosError)) throw error;
      const { key, problem, expected } = error.metadata;
      report.push(`${name}: ${key}: ${problem}; expected ${expected}: it is left out`);
    }
  }
  const isLossy = report.length > 0;
  const split = converted.filter(({ name, rebuckets }) => rebuckets && flags.has(name)).map(({ name }) => name);
  if (split.length > 0) {
    report.push(`${split.join(", ")}: the share is the same, who is in it is not: every system has a hash of its own`);
  }
  return { system, text: printFlagsFile([...flags.values()]), report, isLossy };
}

/** It is unknown which of two duplicate members counts, except for flags in a list. */
function refuseTwice({ mistakes, namesTwice }: JsonSource): void {
  if (namesTwice === 0) return;
  const twice = mistakes.filter(({ problem }) => problem.startsWith("comes twice"));
  throw new GivenTwice(twice.length === 0 ? "names come twice" : linesOf(twice, namesTwice).join("\n"));
}

function linesOf(mistakes: readonly JsonSourceError[], count: number): string[] {
  const lines = mistakes.map(({ line, path, problem }) => `line ${line}, ${pathText(path)}: ${problem}`);
  return count > lines.length ? [...lines, `and ${count - lines.length} more such mistakes`] : lines;
}

/** Objects have duplicate members. The message lists them, one line each. */
export class GivenTwice extends Error {}

/** It is unknown which of several flags with one name counts, so all of them are switched off. */
function eachOnce(converted: readonly Converted[]): readonly Converted[] {
  const names = new Map<string, number>();
  for (const { name } of converted) names.set(name, (names.get(name) ?? 0) + 1);
  const seen = new Set<string>();
  return converted.flatMap((flag) => {
    const { name } = flag;
    if (names.get(name) === 1) return [flag];
    if (seen.has(name)) return [];
    seen.add(name);
    const lost = [`it comes ${names.get(name)} times: it is switched off here`];
    return [{ name, entry: { enabled: false, strategy: "all_off" }, lost }];
  });
}

function systemOf(value: unknown): System {
  if (!isObject(value)) return "simple";
  if (Array.isArray(value.features)) return "unleash";
  const flags = isObject(value.flags) ? Object.values(value.flags) : [];
  return flags.some((flag) => isObject(flag) && ("state" in flag || "defaultVariant" in flag)) ? "flagd" : "simple";
}

const UNSAID = Symbol("a name and nothing else");

/**
 * `true` and `false` by name, with or without a wrapper, or a list of names or of objects with `name` and `enabled`.
 */
function simple(value: unknown): readonly Converted[] {
  const inner = isObject(value) ? (value.flags ?? value.feature_flags ?? value.features ?? value) : value;
  const entries: [string, unknown][] = Array.isArray(inner)
    ? inner.map((each) => (isObject(each) ? [String(each.name ?? each.key), each.enabled] : [String(each), UNSAID]))
    : Object.entries(isObject(inner) ? inner : {});
  return entries
    .filter(([name]) => !name.startsWith("_") && !name.startsWith("$"))
    .map(([name, flag]) => {
      if (flag === UNSAID) {
        const lost = ["nothing says whether it is on: it is switched off here"];
        return { name, entry: { enabled: false, strategy: "all_off" }, lost };
      }
      const on = isObject(flag) && Object.keys(flag).every((key) => key === "enabled") ? flag.enabled : flag;
      if (typeof on !== "boolean") return { name, lost: ["it is neither true nor false: it is left out"] };
      return { name, entry: { enabled: on, strategy: on ? "all_on" : "all_off" }, lost: [] };
    });
}
