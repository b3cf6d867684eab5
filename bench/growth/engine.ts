// One engine over a data directory, in a process of its own. It answers each message with a measurement.
import { getHeapStatistics } from "node:v8";
import type { Engine } from "../../src/core/index.ts";
import { systemClock } from "../../src/core/index.ts";
import { nameOf, openEngine } from "./flags.ts";

/** A measurement that the process is asked for. */
export type Order =
  | { readonly do: "memory" }
  | { readonly do: "evaluate" | "look up"; readonly over: "ten" | "all"; readonly times: number }
  | { readonly do: "change"; readonly watchers: number; readonly listed: boolean; readonly times: number };

/** The answer: bytes of the heap, ns of CPU time for one evaluation, or the cost of one change. */
export interface Cost {
  readonly heapBytes?: number;
  readonly ns?: number;
  /** CPU time of one change in µs, and the bytes that it allocates. */
  readonly micros?: number;
  readonly allocated?: number;
}

const CONTEXT = {
  sessionId: "session-1",
  userId: "user_id_7",
  symbol: "BTC-USD",
  system: "desk_8",
  attributes: { account: "acc_16" },
};
/** Flags that are changed in turn. */
const CHANGED = 100;

const [dataDir = "", count = "10"] = process.argv.slice(2);
const size = Number(count);
const engine: Engine = await openEngine(dataDir);
const all = shuffled(Array.from({ length: size }, (_, index) => nameOf(index)));
let edits = 0;

function shuffled(names: string[]): readonly string[] {
  // The order is the same in each run: a step that has no factor in common with the number of names.
  return names.map((_, at) => names[(at * 7919 + 3) % names.length] ?? "");
}

function memory(): Cost {
  globalThis.gc?.();
  globalThis.gc?.();
  return { heapBytes: process.memoryUsage().heapUsed };
}

function evaluate(names: readonly string[], times: number): Cost {
  const begun = process.threadCpuUsage();
  for (let done = 0; done < times; done += 1) engine.flags.evaluate(names[done % names.length] ?? "", CONTEXT);
  const { user, system } = process.threadCpuUsage(begun);
  return { ns: ((user + system) * 1000) / times };
}

/** Finds the flags without evaluating them: what the memory of the machine takes. */
function lookUp(names: readonly string[], times: number): Cost {
  let sum = 0;
  const begun = process.threadCpuUsage();
  for (let done = 0; done < times; done += 1) sum += engine.flags.get(names[done % names.length] ?? "").revision;
  const { user, system } = process.threadCpuUsage(begun);
  return { ns: sum > 0 ? ((user + system) * 1000) / times : Number.NaN };
}

async function change(times: number, watchers: number, listed: boolean): Promise<Cost> {
  const names = all.slice(0, CHANGED);
  const others = Array.from({ length: watchers }, (_, index) => {
    const options = {
      clock: systemClock,
      names: [`other_${index}`],
      resumeToken: "",
      onCompacted: "snapshot" as const,
    };
    return engine.flags.hub.watch({ ...options, heartbeatMs: 3_600_000 });
  });
  for (const watcher of others) await watcher.next();
  const pending = others.map((watcher) => watcher.next());
  const begun = process.threadCpuUsage();
  const allocated = getHeapStatistics().total_allocated_bytes;
  for (let done = 0; done < times; done += 1) {
    edits += 1;
    await engine.flags.update(names[edits % names.length] ?? "", { description: `edit ${edits}` });
    if (listed) engine.flags.list();
  }
  const { user, system } = process.threadCpuUsage(begun);
  const bytes = getHeapStatistics().total_allocated_bytes - allocated;
  for (const watcher of others) watcher.close();
  await Promise.all(pending);
  return { micros: (user + system) / times, allocated: bytes / times };
}

process.on("message", (order: Order) => {
  void (async () => {
    if (order.do === "memory") return memory();
    if (order.do === "change") return change(order.times, order.watchers, order.listed);
    const names = order.over === "ten" ? all.slice(0, 10) : all;
    return order.do === "evaluate" ? evaluate(names, order.times) : lookUp(names, order.times);
  })().then((cost) => process.send?.(cost));
});
process.send?.({});
