import { HeliosError } from "../errors/error.ts";
import { invalid } from "../errors/invalid.ts";
import { refuse } from "../errors/violation.ts";
import { pathText } from "../json/path.ts";
import { jsonViolation } from "../json/value.ts";
import { type StandIns, standInsViolation } from "../modules/record/stand-ins.ts";
import { checkName, isSuiteFile } from "../text/names.ts";
import type { TestCase, TestCaseFields } from "./record.ts";
import { type ExpectationCompiler, expectationOf, invalidTest } from "./suites/expectations.ts";
import { DEFAULT_TIMEOUT_MS, formatValue, MAX_TEST_TIMEOUT_MS, type Setting, type Settings } from "./suites/suite.ts";

/** Throws ARGUMENT_INVALID unless a suite may be created with that name. A name of a file would mean the file. */
export function checkSuiteName(name: string): void {
  checkName("suite.name", name);
  if (!isSuiteFile(name)) return;
  throw invalid("suite.name", `${name} would be taken for a file`);
}

/** Throws ARGUMENT_INVALID unless the stand-ins of a suite are valid. */
export function checkSuiteStandIns(standIns: StandIns): void {
  refuse(standInsViolation(standIns, { stubs: ["suite", "stubs"], allow: ["suite", "allow_dependencies"] }));
}

/**
 * The tests of a new suite, validated and with every default. Throws SUITE_INVALID, which names the test, and the place
 * in its expectation.
 */
export function completeCases(
  suite: string,
  fields: readonly TestCaseFields[],
  compile: ExpectationCompiler | undefined,
): readonly TestCase[] {
  if (fields.length === 0) throw invalidSuite(suite, "it must have at least one test");
  const names = new Set<string>();
  return fields.map((field) => {
    const { name, method, description = "", required = true, timeoutMs = DEFAULT_TIMEOUT_MS, input = null } = field;
    const { expect = "" } = field;
    if (name === "") throw invalidSuite(suite, "each test must have a name");
    if (names.has(name)) throw invalidTest(suite, name, "another test has the same name");
    if (method === "") throw invalidTest(suite, name, "it calls no method");
    if (!(timeoutMs >= 1 && timeoutMs <= MAX_TEST_TIMEOUT_MS))
      throw invalidTest(suite, name, "timeout must be from 1 ms to 600 s");
    const wrong = jsonViolation([], input);
    if (wrong !== undefined) {
      const at = wrong.path.length === 0 ? "input" : `input ${pathText(wrong.path)}`;
      throw invalidTest(suite, name, `${at}: ${wrong.problem}; expected ${wrong.expected}`);
    }
    names.add(name);
    expectationOf(suite, name, expect, compile);
    return { name, description, required, timeoutMs, method, input, expect };
  });
}

/**
 * Largest number in a setting of a built-in suite, so that a run does not use up the service's memory; a larger one is
 * refused with `ARGUMENT_INVALID`. @limit -
 */
const MAX_SETTING = 100_000;

/**
 * Throws ARGUMENT_INVALID unless each member of a run's configuration is a setting of the suite and has the type of its
 * default. A misspelt setting would be ignored, and the run would prove nothing.
 */
export function checkConfig(suite: string, settings: Settings, config: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(config)) {
    const wrong = (problem: string): HeliosError => invalid(`config.${key}`, problem);
    const setting: Setting | undefined = Object.hasOwn(settings, key) ? settings[key] : undefined;
    if (setting === undefined) {
      const known = Object.keys(settings).join(", ");
      const all = known === "" ? "it has no settings" : `its settings are ${known}`;
      throw wrong(`is not a setting of suite ${suite}; ${all}`);
    }
    const problem = setting.any ? undefined : problemOf(value, setting.standard);
    if (problem !== undefined) throw wrong(`${problem}, not ${formatValue(value)}`);
  }
}

/** Returns what is wrong with the value of a setting that has this default. */
function problemOf(value: unknown, standard: unknown): string | undefined {
  switch (typeof standard) {
    case "number": {
      const fits = Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SETTING;
      return fits ? undefined : `must be a whole number from 1 to ${MAX_SETTING}`;
    }
    case "string":
      return typeof value === "string" ? undefined : "must be a text";
    default:
      if (Array.isArray(standard))
        return Array.isArray(value) && value.length > 0 ? undefined : "must be a list with items";
      return typeof value === "object" && value !== null && !Array.isArray(value) ? undefined : "must be an object";
  }
}

function invalidSuite(name: string, problem: string): HeliosError {
  return HeliosError.of("SUITE_INVALID", { name, problem });
}
