import type { Clock } from "../../../kernel/clock.ts";
import { refuse } from "../../errors/violation.ts";
import { encodedSize } from "../../json/size.ts";
import { MAX_CONFIG_BYTES } from "../../modules/record/size.ts";
import { type StandIns, standInsViolation, strangerViolation } from "../../modules/record/stand-ins.ts";
import type { Modules } from "../../modules/types.ts";
import { refuseTooLarge } from "../../size.ts";
import {
  createTestTrial,
  type Layer,
  layerOf,
  type Says,
  type StartStandIn,
  standInIn,
  type TestTrial,
} from "./trial.ts";

/** Stand-ins as a `Tester` takes them: an answer may also be a function of the input, which runs in this process. */
export interface TesterStandIns {
  readonly stubs?: Readonly<Record<string, string | Readonly<Record<string, unknown>>>> | undefined;
  readonly allowDependencies?: readonly string[] | undefined;
}

/** The layers of a run's stand-ins besides the registration's. For each dependency the first layer that names it applies. */
export interface RunLayers {
  /** From the caller of the run. */
  readonly asked?: Layer | undefined;
  /** From the suite. */
  readonly suite?: Layer | undefined;
  /** Other modules of the same swap, which are started beside the tested one. */
  readonly peers?: readonly string[];
}

export interface StartOptions extends RunLayers {
  /** Aborting it ends the modules that start as stand-ins, and rejects. */
  readonly signal?: AbortSignal | undefined;
}

/** Makes the trials of runs. A trial decides what answers the tested instance's calls to its dependencies. */
export interface TestTrials {
  /** ARGUMENT_INVALID for stand-ins of a module that `module` does not depend on; RESOURCE_TOO_LARGE. */
  check(module: string, standIns: StandIns): void;
  start(module: string, options: StartOptions): Promise<TestTrial>;
  /** The same for code that is not registered. It depends on the modules that its stand-ins name. */
  checkUnregistered(standIns: StandIns): void;
  startUnregistered(standIns: StandIns, signal: AbortSignal): Promise<TestTrial>;
  /** The layer of a tester's stand-ins. */
  ofTester(standIns: TesterStandIns): Layer;
}

const FIELDS = { stubs: ["stubs"], allow: ["allow_dependencies"] } as const;

export function createTestTrials(modules: Pick<Modules, "get" | "startStandIn">, clock: Clock): TestTrials {
  const startOne: StartStandIn = (name, path, signal) => modules.startStandIn(name, path, signal);
  return {
    check(module, standIns) {
      const { dependencies } = modules.get(module).record.registration;
      refuse(standInsViolation(standIns, FIELDS) ?? strangerViolation(standIns, dependencies, FIELDS));
      checkSize("a test of module", module, standIns);
    },

    start(module, { asked, suite, peers: others = [], signal }) {
      const says = (name: string): Says => {
        const { dependencies, testStubs, testAllowDependencies } = modules.get(name).record.registration;
        const registered = layerOf({ stubs: testStubs, allowDependencies: testAllowDependencies });
        return { dependencies, layers: [asked, suite, registered].filter((layer) => layer !== undefined) };
      };
      const peers = new Map(others.map((peer) => [peer, says(peer)]));
      return createTestTrial(says(module), startOne, { peers, signal });
    },

    checkUnregistered(standIns) {
      refuse(standInsViolation(standIns, FIELDS));
      checkSize("a test of", "code that is not registered", standIns);
    },

    startUnregistered(standIns, signal) {
      const says = { dependencies: namedBy(standIns), layers: [layerOf(standIns)] };
      return createTestTrial(says, startOne, { signal });
    },

    ofTester: ({ stubs, allowDependencies }) =>
      layerOf({ stubs, allowDependencies }, (dependency, _, answer) => standInIn(clock, dependency, answer)),
  };
}

/** The dependencies that stand-ins name. */
export function namedBy({ stubs = {}, allowDependencies = [] }: StandIns): readonly string[] {
  return [...new Set([...Object.keys(stubs), ...allowDependencies])];
}

function checkSize(what: string, name: string, { stubs = {} }: StandIns): void {
  refuseTooLarge(`the stubs of ${what}`, name, encodedSize(stubs), MAX_CONFIG_BYTES);
}

/** The stubs of a tester with null in place of functions: what can be validated as data. */
export function withoutFunctions(stubs: NonNullable<TesterStandIns["stubs"]>): NonNullable<TesterStandIns["stubs"]> {
  const data = (value: unknown): unknown => (typeof value === "function" ? null : value);
  const read = Object.entries(stubs).map(([name, stub]) => {
    if (typeof stub !== "object" || stub === null) return [name, stub] as const;
    return [name, Object.fromEntries(Object.entries(stub).map(([method, value]) => [method, data(value)]))] as const;
  });
  return Object.fromEntries(read);
}
