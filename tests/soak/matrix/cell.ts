import { readdirSync, readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { expect } from "vitest";
import { HeliosError } from "../../../src/core/errors/error.ts";
import { heapCeilingMb } from "../../../src/core/modules/host/bounds/memory.ts";
import type { Isolation } from "../../../src/core/modules/host/types/host.ts";
import type { RegistrationFields } from "../../../src/core/modules/record/record.ts";
import type { SwapResult } from "../../../src/core/modules/swap/report.ts";
import type { StepEvent } from "../../../src/core/modules/swap/state/events.ts";
import type { SwapOptions } from "../../../src/core/modules/swap/state/swap-options.ts";
import { type Clock, systemClock, type Timer } from "../../../src/kernel/clock.ts";
import { type OwnRoot, ownRoot, type Rig, type RigOptions, rig } from "../../core/modules/rig.ts";
import { startTraffic, type Traffic } from "../../core/modules/traffic.ts";
import { until } from "../../support/until.ts";

/** Distinguishes the workers of modules from those of the host. */
const HEAP_MB = 77;
const START_MS = 20_000;
/** The timeout of calls, except for those of the callers in the background. */
export const CALL_MS = 80_000;
/** The timeout of the callers in the background. The rest of it after a start's deadline is different from all others. */
const PATIENCE_MS = 45_000;

/** The pause between the calls of a caller in the background, which would otherwise use all processors. */
const PAUSE_MS = 1;

/** The log message of a module before it hangs. */
const STUCK = "stuck";
const SAY = `console.log("${STUCK}");`;

/** The code of each misbehaviour. */
export const MISBEHAVIOURS = {
  throws: "throw new Error('boom');",
  hangs: `${SAY} await new Promise(() => {});`,
  exits: "process.exit(7);",
  "eats memory": "const kept = []; for (;;) kept.push(new Array(100_000).fill(kept.length + 0.5));",
  "loops for ever": `${SAY} for (;;);`,
  "waits for ever": `${SAY} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
  // A thread cannot be ended in such a call. There the call must end by itself.
  "computes for ever": (isolation: Isolation) =>
    `${SAY} (await import("node:crypto")).pbkdf2Sync("", "", ${isolation === "THREAD" ? 500_000 : 2_000_000_000}, 64, "sha512");
     await new Promise(() => {});`,
} as const;

export type Misbehaviour = keyof typeof MISBEHAVIOURS;

/** The reported reason of each. */
export const REASONS: Readonly<Record<Misbehaviour, RegExp>> = {
  throws: /boom/,
  hangs: /took longer|did not answer/,
  exits: /exit code 7/,
  "eats memory": /out of memory/,
  "loops for ever": /took longer|did not answer/,
  "waits for ever": /took longer|did not answer/,
  "computes for ever": /took longer|did not answer/,
};

/** V8 may end the whole process if a thread is out of memory. */
export function possibleIn(isolation: Isolation): readonly Misbehaviour[] {
  const all = Object.keys(MISBEHAVIOURS) as Misbehaviour[];
  return all.filter((what) => isolation === "PROCESS" || what !== "eats memory");
}

export function bodyOf(what: Misbehaviour, isolation: Isolation): string {
  const body = MISBEHAVIOURS[what];
  return typeof body === "string" ? body : body(isolation);
}

/** A counter with state. `parts` adds code to its methods, and before the class. */
export function counter(version: number, parts: Readonly<Record<string, string>> = {}, more = ""): string {
  const part = (name: string): string => parts[name] ?? "";
  return `${part("import")}
  export default class Counter {
    static version = "${version}";
    #count = 0;
    constructor() { ${part("construct")} }
    async start(ctx) { ${part("start")} }
    async health() { ${part("health")} }
    async increment() { return ++this.#count; }
    async which() { return "${version}"; }
    async proof() { ${part("proof")} return "fine"; }
    async same(input) { ${part("same")} return input; }
    async call(input) { ${part("call")} return input; }
    async exportState() { ${part("exportState")} return this.#count; }
    async importState(count) { ${part("importState")} this.#count = count; }
    async stop() { ${part("stop")} }
    ${more}
  }`;
}

/** A clock of the host with which the test can end all waits for a stuck module at once. */
function impatient(): Clock & Pick<Cell, "losePatience"> {
  const pending = new Map<Timer, { readonly delayMs: number; readonly run: () => void }>();
  const isNotOfCallers = (delayMs: number): boolean => delayMs <= START_MS || delayMs > PATIENCE_MS;
  return {
    ...systemClock,
    setTimer(delayMs, run) {
      const timer = systemClock.setTimer(delayMs, () => {
        pending.delete(timer);
        run();
      });
      pending.set(timer, { delayMs, run });
      return {
        cancel() {
          pending.delete(timer);
          timer.cancel();
        },
      };
    },
    losePatience(of) {
      const impatient = ({ delayMs }: { readonly delayMs: number }): boolean =>
        of === undefined ? isNotOfCallers(delayMs) : delayMs === of;
      // At an early deadline, a timer of an instance only waits for the next one.
      for (;;) {
        const due = [...pending].filter(([, waiting]) => impatient(waiting));
        if (due.length === 0) return;
        for (const [timer, { run }] of due) {
          pending.delete(timer);
          timer.cancel();
          run();
        }
      }
    },
  };
}

export interface Cell extends Rig {
  readonly root: OwnRoot;
  /** Calls from several callers since the cell began. */
  readonly traffic: Traffic;
  /** Ends all waits for a module, except for those of the callers in the background; or only waits of this length. */
  losePatience(ofMs?: number): void;
  /** Calls `counter` like the callers in the background, whose waits the test does not end. */
  patiently(method: string, input?: unknown): Promise<unknown>;
  /** Resolves when a module logs that it is about to misbehave. */
  stuck(): Promise<void>;
  /** Swaps `counter`. All waits for a module end as soon as it logs that it is stuck. */
  swap(options?: SwapOptions, listener?: (event: StepEvent) => void): Promise<SwapResult>;
}

export interface CellOptions extends Pick<RigOptions, "store" | "clock"> {
  readonly isolation?: Isolation;
  readonly fields?: Partial<RegistrationFields>;
  readonly v1?: string;
  readonly v2?: string;
  readonly callers?: number;
  /** Further files of the modules root. */
  readonly files?: Readonly<Record<string, string>>;
  /** Runs before `counter` is loaded. */
  readonly before?: (engine: Rig) => Promise<void>;
  readonly onLog?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Version 1 of `counter` under load. `v2.js` is the version that should replace it, and `v3.js` a correct version. */
export async function cell(options: CellOptions = {}): Promise<Cell> {
  const { isolation = "PROCESS", fields, v1 = counter(1), v2 = counter(2), callers = 4, ...others } = options;
  const { files, before, onLog, ...rest } = others;
  const root = await ownRoot({ "v1.js": v1, "v2.js": v2, "v3.js": counter(3), ...files });
  const hostClock = impatient();
  const waiting: (() => void)[] = [];
  const engine = await rig({
    ...rest,
    root: root.path,
    hostClock,
    log: (_area, _level, message, more = {}) => {
      if (message === STUCK) for (const resolve of waiting.splice(0)) resolve();
      onLog?.(message, more);
    },
  });
  await before?.(engine);
  const registered = {
    isolation,
    maxHeapMb: HEAP_MB,
    startTimeoutMs: START_MS,
    callTimeoutMs: CALL_MS,
    blockTimeoutMs: 0,
    ...fields,
  };
  await engine.load("v1", registered, "counter");
  const stuck = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
  const patiently = async (method: string, input: unknown = null): Promise<unknown> => {
    const { output } = await engine.modules.invoke("counter", method, { json: input }, { timeoutMs: PATIENCE_MS });
    return "json" in output ? output.json : output.binary;
  };
  const traffic = startTraffic(() => patiently("increment"), callers, PAUSE_MS);
  if (callers > 0) await traffic.more(callers * 2);
  return {
    ...engine,
    root,
    traffic,
    patiently,
    stuck,
    losePatience: hostClock.losePatience,
    async swap(swapOptions = {}, listener) {
      void stuck().then(() => hostClock.losePatience());
      const onEvent = (event: { readonly type: string }): void => {
        if (event.type !== "begun") listener?.(event as StepEvent);
      };
      return engine.modules.swap("counter", { newVersionPath: "v2", ...swapOptions }, {}, onEvent);
    },
  };
}

/**
 * Must hold after each cell: `version` serves, and everything works. If `exact`, no call failed, and no count was lost or
 * duplicated. Resolves to the reasons of the failed calls.
 */
export async function goesOn(one: Cell, version: string, exact = true, also?: Traffic): Promise<readonly string[]> {
  const { modules, call, traffic } = one;
  const { lifecycle } = modules.get("counter").record;
  expect(lifecycle).toMatchObject({ state: "ACTIVE", running: { version } });
  expect(await call("counter", "which")).toBe(version);
  await traffic.more(10);
  const before = traffic.failed.length;
  const next = await modules.swap("counter", { newVersionPath: "v3", force: true });
  expect(next).toMatchObject({ swapped: true, fromVersion: version, toVersion: "3" });
  await traffic.more(10);
  const { answers, failed } = await traffic.stop();
  expect(failed.slice(exact ? 0 : before)).toEqual([]);
  if (also !== undefined) expect((await also.stop()).failed).toEqual([]);
  expect(await call("counter", "which")).toBe("3");
  if (exact) {
    const counts = (answers as number[]).sort((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => index + 1));
    expect(await call("counter", "increment")).toBe(counts.length + 1);
  }
  await leavesNothing(one);
  return failed.map((error) => (error instanceof HeliosError ? error.reason : String(error)));
}

/** Unloads the module, and checks that no instance, process or thread of it remains. */
export async function leavesNothing(one: Cell): Promise<void> {
  await one.modules.unload("counter");
  await until(() => livingGenerations(one).length === 0);
  await until(() => moduleProcesses().length === 0 && moduleThreads() === 0);
}

/** The instances of an unloaded module that have not ended. */
function livingGenerations({ modules }: Rig): readonly string[] {
  return modules
    .generations("counter")
    .map(({ state }) => state)
    .filter((state) => state !== "RETIRED" && state !== "FAILED");
}

/** The processes of modules that are children of this process. */
function moduleProcesses(): readonly string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) !== process.pid || state === "Z") return false;
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes("host/inside/main.js");
    } catch {
      return false;
    }
  });
}

const workers = new Set<Worker>();
process.on("worker", (worker: Worker) => {
  workers.add(worker);
  worker.once("exit", () => workers.delete(worker));
});

/** The number of running threads of modules. */
function moduleThreads(): number {
  return [...workers].filter(({ resourceLimits }) => resourceLimits?.maxOldGenerationSizeMb === heapCeilingMb(HEAP_MB))
    .length;
}
