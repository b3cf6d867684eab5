import { seconds } from "../../async/deadline.ts";
import { HeliosError, isReason, messageOf } from "../../errors/error.ts";
import { pathText } from "../../json/path.ts";
import { isPlainObject } from "../../json/value.ts";
import type { Log } from "../../log.ts";
import type { StandIn } from "../../modules/calls/generation/trial.ts";
import type { Instance, InstanceServices, ModuleHost, ResolvedModule } from "../../modules/host/types/host.ts";
import type { StandIns } from "../../modules/record/stand-ins.ts";
import { standInsViolation } from "../../modules/record/stand-ins.ts";
import type { StubCall } from "../stand-ins/calls.ts";
import { type Layer, layerOf, STAND_IN_TIMEOUT_MS } from "../stand-ins/trial.ts";
import type { OpenSuite } from "./source.ts";
import { DEFAULT_TIMEOUT_MS, MAX_TEST_TIMEOUT_MS, type Test, TestFailure, type TestInstance } from "./suite.ts";

/** Suites that are files below the modules root. Each runs in a process of its own, never in the service. */
export interface FileSuites {
  /** Checks that the file exists, without running it. SUITE_NOT_FOUND; SUITE_INVALID if it is outside the root. */
  check(file: string): Promise<void>;
  /** Starts the file and lists its tests. SUITE_NOT_FOUND; SUITE_INVALID says what is wrong, and nothing is left running. */
  open(file: string): Promise<OpenSuite>;
}

/** Time that loading a suite's file may take; then the run fails. @limit ms */
const START_TIMEOUT_MS = 10_000;
/**
 * Time that a test of a suite's file may block its process; then the process is ended, because the other tests could
 * not run. @limit ms
 */
const BLOCK_TIMEOUT_MS = 5000;
/** Time that listing the tests of a suite's file may take; then the run fails. @limit ms */
const LIST_TIMEOUT_MS = 2000;
/** Heap of the process that runs a suite's file; beyond it the process is ended, and the run fails. @limit MB */
const MAX_HEAP_MB = 256;

export function createFileSuites(host: Pick<ModuleHost, "resolve" | "start">, log: Log): FileSuites {
  const resolve = (file: string): Promise<ResolvedModule> =>
    host.resolve(file).catch((error: unknown) => {
      if (isReason(error, "MODULE_FILE_NOT_FOUND")) throw HeliosError.of("SUITE_NOT_FOUND", { name: file });
      throw invalid(file, error);
    });

  return {
    async check(file) {
      await resolve(file);
    },
    async open(file) {
      const spec = {
        name: file,
        version: "",
        defaultVersion: "",
        generation: 0,
        module: await resolve(file),
        kind: "suite",
        isolation: "PROCESS",
        config: {},
        env: {},
        grants: { fsRead: [], fsWrite: [], net: false, childProcess: false },
        maxHeapMb: MAX_HEAP_MB,
        startTimeoutMs: START_TIMEOUT_MS,
        blockTimeoutMs: BLOCK_TIMEOUT_MS,
      } as const;
      const instance = await host.start(spec, servicesOf(file, log)).catch((error: unknown) => {
        throw invalid(file, error);
      });
      try {
        const answer = await instance.invoke("list", { json: null }, { timeoutMs: LIST_TIMEOUT_MS });
        const listed = ("json" in answer ? answer.json : {}) as { tests?: unknown; stubs?: unknown; allow?: unknown };
        const tests = toTests(file, listed.tests, instance);
        return { tests, standIns: toLayer(listed, instance), close: () => instance.kill() };
      } catch (error) {
        instance.kill();
        throw invalid(file, error);
      }
    },
  };
}

/** The services of a suite's process: its calls go to the instance that the current test tests. */
function servicesOf(file: string, log: Log): InstanceServices {
  return {
    log: (level, message, fields) => log("testing", level, message, { ...fields, suite: file }),
    isFlagEnabled: () => {
      throw new TypeError("a suite has no flags");
    },
    async call(what, method, input, { origin }) {
      const under = origin as TestInstance | undefined;
      if (under === undefined) throw new Error("the test has ended");
      if (what === "health") {
        await under.checkHealth();
        return { json: null };
      }
      if (what === "calls") return { json: under.calls(method).map(withoutBytes) };
      const output = await under.call(method, "json" in input ? input.json : input.binary);
      return output instanceof Uint8Array ? { binary: output } : { json: output };
    },
  };
}

/** Replaces bytes, which JSON cannot carry, by their number. */
function withoutBytes({ method, input }: StubCall): StubCall {
  return { method, input: input instanceof Uint8Array ? { bytes: input.length } : input };
}

/** The stand-ins that the file defines. Throws a TypeError that says what is wrong. */
function toLayer(
  { stubs = {}, allow = [] }: { readonly stubs?: unknown; readonly allow?: unknown },
  suite: Instance,
): Layer {
  const answers = isPlainObject(stubs) ? mapObject(stubs, answersOf) : stubs;
  const wrong = standInsViolation({ stubs: answers, allowDependencies: allow } as StandIns, FIELDS);
  if (wrong !== undefined) throw new TypeError(`${pathText(wrong.path)}: ${wrong.problem}; expected ${wrong.expected}`);
  return layerOf({ stubs, allowDependencies: allow } as StandIns, (dependency, method, listed) => {
    const { runs, answer: json = null } = listed as { readonly runs?: unknown; readonly answer?: unknown };
    return runs === true ? standInBy(suite, dependency, method) : async () => ({ json });
  });
}

const FIELDS = { stubs: ["stubs"], allow: ["allow"] } as const;

/** The answers of a stub, with null in place of functions. */
function answersOf(stub: unknown): unknown {
  return isPlainObject(stub) ? mapObject(stub, (one) => (one as { answer?: unknown }).answer ?? null) : stub;
}

function mapObject(
  object: Readonly<Record<string, unknown>>,
  map: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
}

/** A stand-in that calls a function of the file. */
function standInBy(suite: Instance, dependency: string, method: string): StandIn {
  return async (input, { method: called, timeoutMs = STAND_IN_TIMEOUT_MS, signal }) => {
    const content = "binary" in input ? { bytes: Buffer.from(input.binary).toString("base64") } : { json: input.json };
    const asked = suite.invoke("stub", { json: { dependency, method, ...content } }, { timeoutMs, signal });
    return asked.catch((error: unknown) => {
      // The module sees it as an error of the dependency.
      const place = { name: dependency, method: called };
      if (isReason(error, "MODULE_METHOD_FAILED")) {
        throw HeliosError.of("MODULE_METHOD_FAILED", { error: "", ...error.metadata, ...place }, { cause: error });
      }
      if (isReason(error, "MODULE_DEADLINE_EXCEEDED")) {
        throw HeliosError.of("MODULE_DEADLINE_EXCEEDED", { timeout: seconds(timeoutMs), ...place });
      }
      throw error;
    });
  };
}

/** A test of the file, without its code. */
type Listed = Pick<Test, "name" | "description" | "required" | "timeoutMs">;

function toTests(file: string, list: unknown, suite: Instance): readonly Test[] {
  const tests = Array.isArray(list) ? list.map(readTest) : [];
  const names = tests.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (tests.length === 0) throw new TypeError("it has no tests");
  if (tests.length > MAX_TESTS) throw new TypeError(`it has ${tests.length} tests, more than ${MAX_TESTS}`);
  if (twice !== undefined) throw new TypeError(`two tests have the name ${twice}`);
  return tests.map((test) => ({ ...test, run: (instance, signal) => runTest(file, suite, test, instance, signal) }));
}

/** Tests of a suite's file; with more, the run fails. @limit tests */
const MAX_TESTS = 1000;
/** Length of the name of a test in a suite's file; with a longer one, the run fails. @limit characters */
const TEST_NAME_LIMIT = 128;
/** Length of the description of a test in a suite's file; with a longer one, the run fails. @limit characters */
const TEST_DESCRIPTION_LIMIT = 1024;

function readTest(entry: unknown, index: number): Listed {
  const fields = typeof entry === "object" && entry !== null ? (entry as Readonly<Record<string, unknown>>) : {};
  const { name, description = "", required = true, timeoutMs = DEFAULT_TIMEOUT_MS, runs } = fields;
  const wrong = (problem: string): TypeError => new TypeError(`test ${index + 1}: ${problem}`);
  if (typeof name !== "string" || name === "" || name.length > TEST_NAME_LIMIT) {
    throw wrong("name must be a text of 1 to 128 characters");
  }
  if (typeof description !== "string" || description.length > TEST_DESCRIPTION_LIMIT) {
    throw wrong("description must be a text of at most 1024 characters");
  }
  if (typeof required !== "boolean") throw wrong("required must be true or false");
  if (typeof timeoutMs !== "number" || !(timeoutMs >= 1 && timeoutMs <= MAX_TEST_TIMEOUT_MS)) {
    throw wrong("timeoutMs must be from 1 to 600000");
  }
  if (runs !== true) throw wrong("run must be a function");
  return { name, description, required, timeoutMs };
}

async function runTest(
  file: string,
  suite: Instance,
  { name, timeoutMs }: Listed,
  instance: TestInstance,
  signal: AbortSignal,
): Promise<unknown> {
  /** An error that is not the test's fault: the module crashed, or did not answer in time. */
  let broken: unknown;
  const under: TestInstance = {
    ...instance,
    call: (method, input) =>
      instance.call(method, input).catch((error: unknown) => {
        if (isReason(error, "MODULE_CRASHED") || isReason(error, "MODULE_DEADLINE_EXCEEDED")) broken ??= error;
        throw error;
      }),
  };
  const input = { json: { name, methods: instance.methods } };
  const answer = await suite.invoke("run", input, { timeoutMs, signal, origin: under }).catch((error: unknown) => {
    if (isReason(error, "MODULE_CRASHED")) throw new Error(`suite ${file} ended: ${error.metadata.error}`);
    if (isReason(error, "MODULE_METHOD_FAILED")) throw new Error(`suite ${file}: ${error.metadata.error}`);
    throw error;
  });
  const { thrown, output } = ("json" in answer ? answer.json : {}) as { thrown?: unknown; output?: unknown };
  if (thrown === undefined) return output;
  throw broken ?? new TestFailure(String(thrown));
}

/** SUITE_INVALID for an error of the host. */
function invalid(file: string, error: unknown): HeliosError {
  const { error: thrown, problem, stack } = error instanceof HeliosError ? error.metadata : {};
  const step = isReason(error, "MODULE_LOAD_FAILED") ? "it cannot be imported: " : "";
  const more = stack === undefined ? {} : { stack };
  return HeliosError.of(
    "SUITE_INVALID",
    { name: file, problem: `${step}${thrown ?? problem ?? messageOf(error)}`, file, ...more },
    { cause: error },
  );
}
