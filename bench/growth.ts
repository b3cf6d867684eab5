// Measures what the number of flags costs: `npm run bench:growth`.
//
// node bench/growth.ts [--sizes 10,1000,100000] [--rounds 7] [--quick] [--json]
//
// Each size has a data directory of its own, which is filled through the engine. Its engine is in a process of its own, and
// all of them are measured in turns. Ratios are to the first size. Times are CPU times of one thread, except those of the
// start. docs/performance.md explains the rows.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { longestBlocks } from "./growth/answers.ts";
import type { Cost, Order } from "./growth/engine.ts";
import { createFlagsIn, nameOf, openEngine } from "./growth/flags.ts";
import { startServer } from "./growth/server.ts";
import { inTurns, median, openSize, type Sized } from "./growth/sizes.ts";
import { table } from "./swap/figures.ts";

const { values } = parseArgs({
  options: {
    sizes: { type: "string" },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const sizes = (values.sizes ?? (values.quick ? "10,1000,10000" : "10,1000,100000")).split(",").map(Number);
const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
const evaluations = values.quick ? 100_000 : 400_000;
const changes = values.quick ? 100 : 300;

interface Row {
  readonly what: string;
  readonly unit: string;
  /** One value for each size, and its ratio to that of the first size. */
  readonly values: readonly number[];
  readonly ratios: readonly number[];
}

const scratch = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "helios-growth-"));
const directories = sizes.map((size) => join(scratch, String(size)));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const rows: Row[] = [];

/** Measures the same in the engine of each size, in turns. */
async function compare(
  engines: readonly Sized[],
  what: string,
  unit: string,
  order: Order,
  of: keyof Cost,
): Promise<void> {
  say(what);
  const found = await inTurns(engines, rounds, async (one) => (await one.ask(order))[of] ?? Number.NaN);
  rows.push({ what, unit, values: found.map((each) => each.median), ratios: found.map((each) => each.ratio) });
}

async function fill(): Promise<void> {
  for (const [index, size] of sizes.entries()) {
    say(`creating ${size} flags`);
    const directory = directories[index] ?? "";
    mkdirSync(directory);
    const engine = await openEngine(directory);
    await createFlagsIn(engine, size);
    await engine.close();
  }
}

function perFlag(what: string, bytes: readonly number[]): Row {
  const [least = 0] = bytes;
  const each = bytes.map((those, index) => (those - least) / ((sizes[index] ?? 0) - (sizes[0] ?? 0)));
  return { what, unit: "bytes a flag, beyond the first size", values: each, ratios: [] };
}

async function inEngines(): Promise<void> {
  const engines = await Promise.all(sizes.map((size, index) => openSize(size, directories[index] ?? "")));
  const memory = (): Promise<readonly number[]> =>
    Promise.all(engines.map(async (one) => (await one.ask({ do: "memory" })).heapBytes ?? Number.NaN));
  const stored = await memory();
  await Promise.all(engines.map((one) => one.ask({ do: "evaluate", over: "all", times: one.size })));
  const compiled = await memory();
  rows.push(perFlag("heap of stored flags", stored), perFlag("heap of flags that were evaluated", compiled));
  const evaluate = { do: "evaluate", times: evaluations } as const;
  await compare(engines, "evaluation of ten of the flags, in turn", "ns", { ...evaluate, over: "ten" }, "ns");
  await compare(engines, "evaluation of all flags, in turn", "ns", { ...evaluate, over: "all" }, "ns");
  await compare(engines, "finding all flags, in turn", "ns", { ...evaluate, do: "look up", over: "all" }, "ns");
  const change = { do: "change", times: changes, watchers: 0, listed: false } as const;
  await compare(engines, "a change", "µs", change, "micros");
  await compare(engines, "a change, allocated", "bytes", change, "allocated");
  await compare(engines, "a change, with 100 watchers of other names", "µs", { ...change, watchers: 100 }, "micros");
  await compare(engines, "a change, and then the list of all", "µs", { ...change, listed: true }, "micros");
  for (const one of engines) one.close();
}

async function starts(): Promise<void> {
  const seen = sizes.map(() => ({ ready: [] as number[], cpu: [] as number[], rss: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    say(`start, round ${round + 1} of ${rounds}`);
    for (const [index, directory] of directories.entries()) {
      const server = await startServer(directory, true);
      const { rssBytes } = await server.held("memory");
      await server.stop();
      seen[index]?.ready.push(server.readyMs);
      seen[index]?.cpu.push(server.cpuMs);
      seen[index]?.rss.push(rssBytes);
    }
  }
  const row = (what: string, of: "ready" | "cpu"): Row => {
    const medians = seen.map((each) => median(each[of]));
    return { what, unit: "ms", values: medians, ratios: medians.map((ms) => ms / (medians[0] ?? Number.NaN)) };
  };
  rows.push(row("start, until /readyz answers 200", "ready"), row("start, CPU time", "cpu"));
  rows.push(
    perFlag(
      "memory of the server (RSS)",
      seen.map(({ rss }) => median(rss)),
    ),
  );
}

async function blocks(): Promise<void> {
  const found = [];
  for (const [index, directory] of directories.entries()) {
    say(`longest blocks with ${sizes[index]} flags`);
    const server = await startServer(directory, true);
    found.push(await longestBlocks(server, nameOf(0)));
    await server.stop();
  }
  for (const [at, { what }] of (found[0] ?? []).entries()) {
    const those = found.map((each) => each[at]?.blockMs ?? Number.NaN);
    rows.push({ what: `longest block: ${what}`, unit: "ms", values: those, ratios: [] });
  }
}

try {
  await fill();
  await inEngines();
  await starts();
  await blocks();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (values.json) process.stdout.write(`${JSON.stringify({ sizes, rounds, rows }, null, 2)}\n`);
else {
  const shown = (value: number): string => (Number.isFinite(value) ? value.toPrecision(value < 1000 ? 3 : 4) : "-");
  const lines = rows.map(({ what, unit, values: each, ratios }) => [
    what,
    unit,
    ...each.map((value, index) => {
      const ratio = index === 0 ? undefined : ratios[index];
      return `${Number(shown(value)) || "-"}${ratio === undefined ? "" : ` (${ratio.toFixed(2)} x)`}`;
    }),
  ]);
  process.stdout.write(`${table([["", "", ...sizes.map((size) => `${size} flags`)], ...lines])}\n`);
}
