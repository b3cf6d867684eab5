import { HeliosError } from "../errors/error.ts";
import type { StandIns } from "../modules/record/stand-ins.ts";
import { Collection } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { SuiteRecord, SuiteResource, TestCase } from "./record.ts";
import { dataSuite } from "./suites/built-in/data.ts";
import { mlSuite } from "./suites/built-in/ml.ts";
import { tradingSuite } from "./suites/built-in/trading.ts";
import { testsOfCases } from "./suites/created.ts";
import type { ExpectationCompiler } from "./suites/expectations.ts";
import { type BuiltInSuite, type Test, valuesOf } from "./suites/suite.ts";
import { checkConfig } from "./validate.ts";

/** A suite. A built-in one has a `defaultConfig`, a created one has a `resource`. */
export interface Suite {
  readonly name: string;
  readonly description: string;
  readonly tests: readonly (Pick<Test, "name" | "description" | "required" | "timeoutMs"> & Partial<TestCase>)[];
  readonly defaultConfig?: Readonly<Record<string, unknown>>;
  readonly resource?: SuiteResource;
}

/** By name. */
export const BUILT_IN_SUITES: readonly BuiltInSuite[] = [dataSuite, mlSuite, tradingSuite];

/** The suites in memory: the built-in ones, and the created ones, which the feed keeps up to date. */
export interface SuiteView {
  /** The created suites. */
  readonly collection: Collection<SuiteRecord>;
  /** Throws SUITE_NOT_FOUND. */
  get(name: string): Suite;
  /** By name. */
  list(): readonly Suite[];
  isBuiltIn(name: string): boolean;
  /** Whether there is a suite with that name. */
  has(name: string): boolean;
  /**
   * The tests of a suite, ready to run. `idPrefix` is different for each run. Throws SUITE_NOT_FOUND, also for the name of a
   * file, and ARGUMENT_INVALID for a configuration that the suite does not have.
   */
  tests(name: string, config: Readonly<Record<string, unknown>>, idPrefix: string): readonly Test[];
  /** The stand-ins that the suite defines. Throws SUITE_NOT_FOUND. */
  standIns(name: string): StandIns;
}

/** Call it before the feed is started. */
export function createSuiteView(feed: Feed, compile: ExpectationCompiler | undefined): SuiteView {
  const collection = new Collection<SuiteRecord>(feed, "suite/");
  const builtIn = new Map(BUILT_IN_SUITES.map((suite) => [suite.name, suite]));
  const created = (name: string): SuiteResource => {
    const resource = collection.get(name);
    if (resource === undefined) throw suiteNotFound(name);
    return resource;
  };

  let listed: { readonly from: readonly unknown[]; readonly suites: readonly Suite[] } | undefined;
  const list = (): readonly Suite[] => {
    const from = collection.list();
    if (listed?.from !== from) {
      const suites = [...BUILT_IN_SUITES.map(describeBuiltIn), ...from.map(describeCreated)];
      listed = { from, suites: suites.sort((a, b) => (a.name < b.name ? -1 : 1)) };
    }
    return listed.suites;
  };

  return {
    collection,
    list,
    get(name) {
      const known = builtIn.get(name);
      return known === undefined ? describeCreated(created(name)) : describeBuiltIn(known);
    },
    isBuiltIn: (name) => builtIn.has(name),
    has: (name) => builtIn.has(name) || collection.get(name) !== undefined,
    tests(name, config, idPrefix) {
      const known = builtIn.get(name);
      if (known !== undefined) {
        checkConfig(name, known.settings, config);
        return known.tests(config, idPrefix);
      }
      const { tests } = created(name).record;
      checkConfig(name, {}, config);
      return testsOfCases(name, tests, compile);
    },
    standIns: (name) => (builtIn.has(name) ? {} : created(name).record),
  };
}

export function suiteNotFound(name: string): HeliosError {
  return HeliosError.of("SUITE_NOT_FOUND", { name });
}

export function describeCreated(resource: SuiteResource): Suite {
  const { description, tests } = resource.record;
  return { name: resource.name, description, tests, resource };
}

function describeBuiltIn(suite: BuiltInSuite): Suite {
  const { name, description, settings } = suite;
  return { name, description, defaultConfig: valuesOf(settings, {}), tests: suite.tests({}, "") };
}
