import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { refuse } from "../errors/violation.ts";
import { type StandIns, type Stub, standInsViolation } from "../modules/record/stand-ins.ts";
import { encodedSize, refuseTooLarge } from "../size.ts";
import type { Collection, Resource } from "../store/collection.ts";
import { checkName, isSuiteFile } from "../text/names.ts";
import { dataSuite } from "./suites/built-in/data.ts";
import { mlSuite } from "./suites/built-in/ml.ts";
import { tradingSuite } from "./suites/built-in/trading.ts";
import { completeCases, type TestCase, type TestCaseFields, toTests } from "./suites/created.ts";
import type { ExpectationCompiler } from "./suites/expectations.ts";
import { type BuiltInSuite, type Setting, type Settings, type Test, told, valuesOf } from "./suites/suite.ts";

/**
 * Size of a created suite, in the larger of its encodings; a larger one is refused with `RESOURCE_TOO_LARGE`.
 * @limit bytes
 */
const MAX_SUITE_BYTES = 1024 * 1024;

/** A suite that was created, as stored. */
export interface SuiteRecord {
  readonly description: string;
  readonly tests: readonly TestCase[];
  /** What stands in for the dependencies of the modules that it is run on; absent: it says nothing of them. */
  readonly stubs?: Readonly<Record<string, Stub>>;
  readonly allowDependencies?: readonly string[];
}

/** The content of a suite that is created. */
export interface SuiteFields extends StandIns {
  /** Default empty. */
  readonly description?: string | undefined;
  /** At least one. */
  readonly tests: readonly TestCaseFields[];
}

/** A suite: one that comes with Helios has no resource, one that was created no configuration. */
export interface Suite {
  readonly name: string;
  readonly description: string;
  readonly tests: readonly (Pick<Test, "name" | "description" | "required" | "timeoutMs"> & Partial<TestCase>)[];
  readonly defaultConfig?: Readonly<Record<string, unknown>>;
  readonly resource?: Resource<SuiteRecord>;
}

export interface Suites {
  list(): readonly Suite[];
  get(name: string): Suite;
  create(name: string, fields: SuiteFields, by?: By): Promise<Suite>;
  delete(name: string, by?: By): Promise<Suite>;
  /**
   * The tests that run; `idPrefix` is different each time. SUITE_NOT_FOUND, of files too; ARGUMENT_INVALID where there is
   * no such setting, or none of that value.
   */
  tests(name: string, config: Readonly<Record<string, unknown>>, idPrefix: string): readonly Test[];
  /** What it says that stands in. SUITE_NOT_FOUND. */
  standIns(name: string): StandIns;
}

/** By name. */
export const BUILT_IN_SUITES: readonly BuiltInSuite[] = [dataSuite, mlSuite, tradingSuite];

export function createSuites(created: Collection<SuiteRecord>, compile: ExpectationCompiler | undefined): Suites {
  const builtIn = new Map(BUILT_IN_SUITES.map((suite) => [suite.name, suite]));
  const notFound = (name: string): HeliosError => HeliosError.of("SUITE_NOT_FOUND", { name });
  let listed: { readonly from: readonly unknown[]; readonly suites: readonly Suite[] } | undefined;
  const list = (): readonly Suite[] => {
    const from = created.list();
    if (listed?.from !== from) {
      const suites = [...BUILT_IN_SUITES.map(fromBuiltIn), ...from.map(fromResource)];
      listed = { from, suites: suites.sort((a, b) => (a.name < b.name ? -1 : 1)) };
    }
    return listed.suites;
  };

  return {
    list,
    get(name) {
      const known = builtIn.get(name);
      if (known !== undefined) return fromBuiltIn(known);
      const resource = created.get(name);
      if (resource === undefined) throw notFound(name);
      return fromResource(resource);
    },
    async create(name, { description = "", tests: cases, ...standIns }, by) {
      checkName("suite.name", name);
      if (isSuiteFile(name)) throw nameOfFile(name);
      const tests = completeCases(name, cases, compile);
      refuse(standInsViolation(standIns, { stubs: ["suite", "stubs"], allow: ["suite", "allow_dependencies"] }));
      const record = { description, tests, ...saying(standIns) };
      refuseTooLarge("test suite", name, encodedSize(record), MAX_SUITE_BYTES);
      const { actor, reason } = by ?? {};
      const resource = await created.change(name, causeOf("CreateSuite", { actor, reason }), (current) => {
        if (current !== undefined || builtIn.has(name)) throw HeliosError.of("SUITE_ALREADY_EXISTS", { name });
        return record;
      });
      if (resource === undefined) throw notFound(name);
      return fromResource(resource);
    },
    async delete(name, by) {
      if (builtIn.has(name)) throw HeliosError.of("SUITE_BUILT_IN", { name });
      const deleted = await created.delete(name, causeOf("DeleteSuite", by), undefined, by?.etag);
      if (deleted === undefined) throw notFound(name);
      return fromResource(deleted);
    },
    tests(name, config, idPrefix) {
      const known = builtIn.get(name);
      if (known !== undefined) {
        checkConfig(name, known.settings, config);
        return known.tests(config, idPrefix);
      }
      const resource = created.get(name);
      if (resource === undefined) throw notFound(name);
      checkConfig(name, {}, config);
      return toTests(name, resource.record.tests, compile);
    },
    standIns(name) {
      if (builtIn.has(name)) return {};
      const resource = created.get(name);
      if (resource === undefined) throw notFound(name);
      return resource.record;
    },
  };
}

/** Those that say something. */
function saying({ stubs = {}, allowDependencies = [] }: StandIns): Pick<SuiteRecord, "stubs" | "allowDependencies"> {
  return {
    ...(Object.keys(stubs).length === 0 ? {} : { stubs }),
    ...(allowDependencies.length === 0 ? {} : { allowDependencies }),
  };
}

function fromBuiltIn(suite: BuiltInSuite): Suite {
  const { name, description, settings } = suite;
  return { name, description, defaultConfig: valuesOf(settings, {}), tests: suite.tests({}, "") };
}

function fromResource(resource: Resource<SuiteRecord>): Suite {
  const { description, tests } = resource.record;
  return { name: resource.name, description, tests, resource };
}

function nameOfFile(name: string): HeliosError {
  return HeliosError.of("ARGUMENT_INVALID", { field: "suite.name", problem: `${name} would be taken for a file` });
}

/**
 * Largest number in a setting of a ready suite, so that a run does not use up the service's memory; a larger one is
 * refused with `ARGUMENT_INVALID`. @limit -
 */
const MAX_SETTING = 100_000;

/** A setting must be there, and of the kind of its default: a test that reads something else would prove nothing. */
export function checkConfig(suite: string, settings: Settings, config: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(config)) {
    const wrong = (problem: string): HeliosError =>
      HeliosError.of("ARGUMENT_INVALID", { field: `config.${key}`, problem });
    const setting: Setting | undefined = Object.hasOwn(settings, key) ? settings[key] : undefined;
    if (setting === undefined) {
      const known = Object.keys(settings).join(", ");
      throw wrong(`is no setting of suite ${suite}; there are ${known || "none"}`);
    }
    const problem = setting.any ? undefined : problemOf(value, setting.standard);
    if (problem !== undefined) throw wrong(`${problem}, not ${told(value)}`);
  }
}

/** What is wrong with the value of a setting that has this default. */
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
