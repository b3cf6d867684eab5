import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Worker } from "node:worker_threads";
import { expect, onTestFinished } from "vitest";
import { createEngine, type Engine } from "../../../src/core/index.ts";
import { heapCeilingMb } from "../../../src/core/modules/host/bounds/memory.ts";
import type { Isolation } from "../../../src/core/modules/host/types/host.ts";
import type { RegistrationFields } from "../../../src/core/modules/record/record.ts";
import { childrenOf, marked } from "../../core/modules/processes.ts";
import { startTraffic } from "../../core/modules/traffic.ts";
import { until } from "../../support/until.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/modules/realistic");
const CALLERS = 64;
/** The pause between the calls of a caller, which would otherwise use all processors. */
const PAUSE_MS = 5;

/** Distinguishes the processes and threads of a module from others. */
const HEAP_MB = 211;

const threads = new Set<Worker>();
process.on("worker", (worker: Worker) => {
  threads.add(worker);
  worker.once("exit", () => threads.delete(worker));
});

export type Call = (method: string, input?: unknown) => Promise<unknown>;

/** A module with its scenario. */
export interface Journey {
  readonly name: string;
  readonly next: string;
  readonly suite: string;
  readonly fields?: Partial<RegistrationFields>;
  /** Adds files to the modules root that the fixtures lack. */
  prepare?(root: string): Promise<void>;
  /** Runs before it is registered. */
  before?(engine: Engine, isolation: Isolation): Promise<void>;
  /** Runs before it is swapped. */
  beforeSwap?(): Promise<void>;
  /** Does piece `number` of its work, with each number once. */
  work(call: Call, number: number): Promise<unknown>;
  /** The number of pieces in its state. Throws if the state is inconsistent. */
  done(call: Call): Promise<number>;
  /** The result of the new version's feature. Undefined on the old version. */
  isNext?(call: Call): Promise<boolean>;
  /** Runs at the end. */
  after?(engine: Engine): Promise<void>;
}

/** A new modules root with the fixtures and some of the installed packages below it. */
export async function rootWith(...packages: readonly string[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "helios-realistic-"));
  onTestFinished(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  await cp(FIXTURES, root, { recursive: true });
  for (const name of packages) {
    const from = join(import.meta.dirname, "../../../node_modules", name);
    await cp(from, join(root, "node_modules", name), { recursive: true });
  }
  return root;
}

/** Writes files with their directories. */
export async function write(root: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

export function callOf({ modules }: Engine, name: string): Call {
  return async (method, input = null) => {
    const { output } = await modules.invoke(name, method, { json: input });
    return "json" in output ? output.json : output.binary;
  };
}

/**
 * Registers, tests, swaps under load, rolls back and kills the module. No call fails, is lost or is done twice until the
 * kill, after which the module returns.
 */
export async function travel(journey: Journey, isolation: Isolation, root: string): Promise<void> {
  const { name, suite, fields } = journey;
  await journey.prepare?.(root);
  const engine = await createEngine({ modulesRoot: root });
  onTestFinished(() => engine.close());
  await journey.before?.(engine, isolation);
  const { modules, testing } = engine;
  const registered = { modulePath: name, isolation, maxHeapMb: HEAP_MB, startTimeoutMs: 20_000, concurrency: 256 };
  await modules.register(name, { ...registered, ...fields });
  await modules.load(name);
  const call = callOf(engine, name);

  const { record } = await testing.run(name, suite);
  expect(record.tests.map(({ name, outcome, message }) => [name, outcome, message])).toEqual(
    record.tests.map(({ name }) => [name, "PASSED", ""]),
  );
  expect(await journey.done(call)).toBe(0);

  let number = 0;
  const traffic = startTraffic(() => journey.work(call, ++number), CALLERS, PAUSE_MS);
  onTestFinished(async () => void (await traffic.stop()));
  await traffic.more(2 * CALLERS);
  await journey.beforeSwap?.();
  const swap = await modules.swap(name, { newVersionPath: journey.next, testSuite: suite });
  expect([swap.swapped, swap.failure]).toEqual([true, undefined]);
  await traffic.more(2 * CALLERS);
  expect((await journey.isNext?.(call)) ?? true).toBe(true);
  const back = await modules.rollBack(name);
  expect([back.swapped, back.failure]).toEqual([true, undefined]);
  await traffic.more(2 * CALLERS);
  expect((await journey.isNext?.(call)) ?? false).toBe(false);
  const { answers, failed } = await traffic.stop();
  expect(failed).toEqual([]);
  expect(answers).toHaveLength(number);
  expect(await journey.done(call)).toBe(number);

  const before = modules.get(name).record.restarts;
  const generation = modules.get(name).record.lifecycle;
  const isUp = (): boolean => {
    const { lifecycle, restarts } = modules.get(name).record;
    return restarts > before && lifecycle.state === "ACTIVE" && lifecycle !== generation;
  };
  await kill(isolation);
  await until(isUp);
  await journey.work(call, ++number);
  expect(await journey.done(call)).toBe(1);
  await journey.after?.(engine);
}

/** Kills the module's process or thread, once earlier versions have ended. */
async function kill(isolation: Isolation): Promise<void> {
  if (isolation === "PROCESS") {
    await until(() => processes().length === 1);
    for (const pid of processes()) process.kill(pid, "SIGKILL");
    return;
  }
  await until(() => ofModule().length === 1);
  for (const thread of ofModule()) await thread.terminate();
}

function processes(): readonly number[] {
  const own = new Set(childrenOf(process.pid));
  return marked(`--max-old-space-size=${HEAP_MB}`).filter((pid) => own.has(pid));
}

function ofModule(): readonly Worker[] {
  return [...threads].filter(({ resourceLimits }) => resourceLimits?.maxOldGenerationSizeMb === heapCeilingMb(HEAP_MB));
}
