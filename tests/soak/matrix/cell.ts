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

/** By it the workers of modules are told from those of the host. */
const HEAP_MB = 77;
const START_MS = 20_000;
/** How long calls take at most, but for those of the callers in the background. */
export const CALL_MS = 80_000;
/** How long the callers in the background wait; what is left of it after a start's deadline tells them from all others too. */
const PATIENCE_MS = 45_000;

/** Between the calls of one of the callers in the background, which would use up all processors otherwise. */
const PAUSE_MS = 1;

/** What a module logs before it comes to no end. */
const STUCK = "stuck";
const SAY = `console.log("${STUCK}");`;

/** Code that misbehaves. */
export const MISBEHAVIOURS = {
  throws: "throw new Error('boom');",
  hangs: `${SAY} await new Promise(() => {});`,
  exits: "process.exit(7);",
  "eats memory": "const kept = []; for (;;) kept.push(new Array(100_000).fill(kept.length + 0.5));",
  "loops for ever": `${SAY} for (;;);`,
  "waits for ever": `${SAY} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
  // A thread cannot be ended in such a call: there it must end by itself.
  "computes for ever": (isolation: Isolation) =>
    `${SAY} (await import("node:crypto")).pbkdf2Sync("", "", ${isolation === "THREAD" ? 500_000 : 2_000_000_000}, 64, "sha512");
     await new Promise(() => {});`,
} as const;

export type Misbehaviour = keyof typeof MISBEHAVIOURS;

/** What is told of each. */
export const REASONS: Readonly<Record<Misbehaviour, RegExp>> = {
  throws: /boom/,
  hangs: /took longer|did not answer/,
  exits: /exit code 7/,
  "eats memory": /out of memory/,
  "loops for ever": /took longer|did not answer/,
  "waits for ever": /took longer|did not answer/,
  "computes for ever": /took longer|did not answer/,
};

/** What V8 does with a thread that is out of memory is not sure: it may end the whole process. */
export function possibleIn(isolation: Isolation): readonly Misbehaviour[] {
  const all = Object.keys(MISBEHAVIOURS) as Misbehaviour[];
  return all.filter((what) => isolation === "PROCESS" || what !== "eats memory");
}

export function bodyOf(what: Misbehaviour, isolation: Isolation): string {
  const body = MISBEHAVIOURS[what];
  return typeof body === "string" ? body : body(isolation);
}

/** A counter with state; `parts` puts code into its methods, and before the class. */
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

/** A clock of the host on which those who wait for a module that is stuck can lose patience at once. */
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
      // What a timer of an instance does at an early deadline is to wait for the next.
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
  /** Counts, from several callers at once, since the cell began. */
  readonly traffic: Traffic;
  /** Whoever waits for a module gives it up, but for the callers in the background; or whoever wanted to wait so long. */
  losePatience(ofMs?: number): void;
  /** Calls `counter` as the callers in the background do: nothing makes it lose patience. */
  patiently(method: string, input?: unknown): Promise<unknown>;
  /** Resolves when a module says that it is about to misbehave. */
  stuck(): Promise<void>;
  /** Swaps `counter`; whoever waits for a module that says that it is stuck gives it up at once. */
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
  /** Done before `counter` is loaded. */
  readonly before?: (engine: Rig) => Promise<void>;
  readonly onLog?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Version 1 of `counter` under load; `v2.js` is what is to replace it, `v3.js` a version with which nothing is wrong. */
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
      const tell = (event: { readonly type: string }): void => {
        if (event.type !== "begun") listener?.(event as StepEvent);
      };
      return engine.modules.swap("counter", { newVersionPath: "v2", ...swapOptions }, {}, tell);
    },
  };
}

/**
 * What must be true after each cell, whatever it was: `version` serves, and everything goes on. Where it is `exact`, no
 * call failed and no count was lost or came twice. Resolves to the reasons of the calls that failed.
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

/** Unloads the module: no instance of it is left then, nor anything that it runs in. */
export async function leavesNothing(one: Cell): Promise<void> {
  await one.modules.unload("counter");
  await until(() => livingGenerations(one).length === 0);
  await until(() => moduleProcesses().length === 0 && moduleThreads() === 0);
}

/** Those that are not over, of a module that is unloaded. */
function livingGenerations({ modules }: Rig): readonly string[] {
  return modules
    .generations("counter")
    .map(({ state }) => state)
    .filter((state) => state !== "RETIRED" && state !== "FAILED");
}

/** The processes of modules that this process has started. */
export function moduleProcesses(): readonly string[] {
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

/** How many threads of modules live. */
export function moduleThreads(): number {
  return [...workers].filter(({ resourceLimits }) => resourceLimits?.maxOldGenerationSizeMb === heapCeilingMb(HEAP_MB))
    .length;
}
