import { readdirSync, readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { expect } from "vitest";
import { type Clock, systemClock } from "../../../../src/core/clock.ts";
import type { Isolation } from "../../../../src/core/modules/host/host.ts";
import type { RegistrationFields } from "../../../../src/core/modules/record.ts";
import type { StepEvent } from "../../../../src/core/modules/steps.ts";
import type { SwapResult } from "../../../../src/core/modules/swap.ts";
import type { SwapOptions } from "../../../../src/core/modules/swap-options.ts";
import { type OwnRoot, ownRoot, type Rig, type RigOptions, rig, turn } from "../rig.ts";
import { startTraffic } from "../traffic.ts";

/** By it the workers of modules are told from those of the host. */
const HEAP_MB = 77;
const START_MS = 20_000;
const CALL_MS = 60_000;
/** How long the callers in the background wait: less than any other call does. */
const PATIENCE_MS = 30_000;

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

/** A clock of the host on which those who wait for a module that is stuck lose patience at once. */
function impatient(): Clock & { losePatience(): void } {
  const pending = new Set<{ delayMs: number; run: () => void }>();
  return {
    ...systemClock,
    setTimer(delayMs, run) {
      const entry = { delayMs, run };
      pending.add(entry);
      const timer = systemClock.setTimer(delayMs, () => {
        pending.delete(entry);
        run();
      });
      return {
        cancel() {
          pending.delete(entry);
          timer.cancel();
        },
      };
    },
    losePatience() {
      for (const entry of [...pending]) {
        const ofTraffic = entry.delayMs > START_MS && entry.delayMs <= PATIENCE_MS;
        if (ofTraffic || !pending.delete(entry)) continue;
        entry.run();
      }
    },
  };
}

export interface Cell extends Rig {
  readonly root: OwnRoot;
  /** Counts, from several callers at once, since the cell began. */
  readonly traffic: ReturnType<typeof startTraffic>;
  /** Who waits for the module that is stuck gives it up. */
  losePatience(): void;
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
}

/** Version 1 of `counter` under load; `v2.js` is what is to replace it, `v3.js` a version with which nothing is wrong. */
export async function cell(options: CellOptions = {}): Promise<Cell> {
  const { isolation = "PROCESS", fields, v1 = counter(1), v2 = counter(2), callers = 4, ...rest } = options;
  const root = await ownRoot({ "v1.js": v1, "v2.js": v2, "v3.js": counter(3) });
  const hostClock = impatient();
  const waiting: (() => void)[] = [];
  const engine = await rig({
    ...rest,
    root: root.path,
    hostClock,
    log: (_area, _level, message) => {
      if (message === STUCK) for (const resolve of waiting.splice(0)) resolve();
    },
  });
  const registered = { isolation, maxHeapMb: HEAP_MB, startTimeoutMs: START_MS, callTimeoutMs: CALL_MS, ...fields };
  await engine.load("v1", registered, "counter");
  const stuck = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
  const count = async (): Promise<unknown> => {
    const { output } = await engine.modules.invoke("counter", "increment", { json: null }, { timeoutMs: PATIENCE_MS });
    return "json" in output ? output.json : output.binary;
  };
  const traffic = startTraffic(count, callers);
  await traffic.more(callers * 2);
  return {
    ...engine,
    root,
    traffic,
    stuck,
    losePatience: hostClock.losePatience,
    async swap(swapOptions = {}, listener) {
      void stuck().then(hostClock.losePatience);
      const tell = (event: { readonly type: string }): void => {
        if (event.type !== "begun") listener?.(event as StepEvent);
      };
      return engine.modules.swap("counter", { newVersionPath: "v2", ...swapOptions }, {}, tell);
    },
  };
}

/** What must be true after each cell, whatever it was: `version` serves, and everything goes on. */
export async function goesOn(one: Cell, version: string, exact = true): Promise<void> {
  const { modules, call, traffic } = one;
  const { lifecycle } = modules.get("counter").record;
  expect(lifecycle).toMatchObject({ state: "ACTIVE", running: { version } });
  expect(await call("counter", "which")).toBe(version);
  await traffic.more(10);
  const next = await modules.swap("counter", { newVersionPath: "v3", force: true });
  expect(next).toMatchObject({ swapped: true, fromVersion: version, toVersion: "3" });
  await traffic.more(10);
  const { answers, failed } = await traffic.stop();
  expect(failed).toEqual([]);
  expect(await call("counter", "which")).toBe("3");
  if (exact) {
    const counts = (answers as number[]).sort((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => index + 1));
    expect(await call("counter", "increment")).toBe(counts.length + 1);
  }
  await modules.unload("counter");
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

/** Resolves when something holds; the test's own timeout ends it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** The processes of modules that this process has started. */
export function moduleProcesses(): readonly string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) !== process.pid || state === "Z") return false;
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes("host/bootstrap/main.ts");
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
  return [...workers].filter(({ resourceLimits }) => resourceLimits?.maxOldGenerationSizeMb === HEAP_MB).length;
}
