// Measures the store: `npm run bench:store -- answers | start | writes [--json]`.
//
// answers: 9,000 requests with an id and answers of 40 KB; memory and disk while they are remembered, and afterwards.
// start: how long an engine takes to start over a journal of many changes of 10 KB (default 100,000: 1 GB). writes:
// latency of single writes one after the other, and writes per second of 64 concurrent writers.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEngine, openSqliteStore, type Store, systemClock } from "../src/core/index.ts";

const MIB = 1024 * 1024;
const cause = { action: "Bench" };
const newId = (): string => crypto.randomUUID();
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;

function diskOf(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

/** Runs `write` for each number below `count`, `lanes` at a time. */
async function inLanes(lanes: number, count: number, write: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await write(n);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function answers(directory: string): Promise<void> {
  const engine = await createEngine({ modulesRoot: directory, dataDir: directory });
  const before = process.memoryUsage().rss;
  const revision = engine.revision();
  await inLanes(16, 9_000, (n) =>
    engine.requests.remember(newId(), { digest: `${n}`, answer: new Uint8Array(40_000) }),
  );
  globalThis.gc?.();
  const grown = process.memoryUsage().rss - before;
  print(`9,000 answers of 40 KB: memory +${mib(grown)}, disk ${mib(diskOf(directory))}`);
  print(`revisions that they took: ${engine.revision() - revision}`);
  await engine.close();
}

async function start(directory: string, changes: number): Promise<void> {
  // Everything is kept, so that the start has to read all of it.
  const limits = { keptBytes: 4096 * MIB, keptChanges: 1_000_000, historyBytes: 4096 * MIB };
  const store = await openSqliteStore({ directory, clock: systemClock, newId, ...limits });
  const value = JSON.stringify({ state: "x".repeat(10_000) });
  await inLanes(256, changes, (n) => store.put(`bench/${n % 1000}`, value, { cause }));
  await store.close();
  print(`a database of ${changes} changes: ${mib(diskOf(directory))}`);
  for (let run = 0; run < 3; run += 1) {
    const begun = performance.now();
    const engine = await createEngine({ modulesRoot: directory, dataDir: directory, keptBytes: 4096 * MIB });
    const ms = performance.now() - begun;
    print(`an engine over it starts in ${ms.toFixed(0)} ms, memory ${mib(process.memoryUsage().rss)}`);
    await engine.close();
  }
}

async function writes(directory: string, isJson: boolean): Promise<void> {
  const store: Store = await openSqliteStore({ directory, clock: systemClock, newId });
  const value = JSON.stringify({ text: "x".repeat(500) });
  const put = (n: number) => store.put(`k${n % 100}`, value, { cause });
  await inLanes(1, 200, put);
  const latencies: number[] = [];
  await inLanes(1, 2_000, async (n) => {
    const begun = performance.now();
    await put(n);
    latencies.push(performance.now() - begun);
  });
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(share * latencies.length)] ?? 0;
  const begun = performance.now();
  await inLanes(64, 20_000, put);
  const perSecond = Math.round(20_000 / ((performance.now() - begun) / 1000));
  await store.close();
  const figures = { p50Ms: at(0.5), p99Ms: at(0.99), perSecond };
  if (isJson) print(JSON.stringify(figures));
  else {
    print(`single writes: p50 ${figures.p50Ms.toFixed(2)} ms, p99 ${figures.p99Ms.toFixed(2)} ms`);
    print(`64 lanes: ${perSecond} writes a second`);
  }
}

const [mode = "", count = "100000"] = process.argv.slice(2);
const directory = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "helios-bench-"));
try {
  if (mode === "answers") await answers(directory);
  else if (mode === "start") await start(directory, Number(count));
  else if (mode === "writes") await writes(directory, count === "--json");
  else print("npm run bench:store -- answers | start [changes] | writes [--json]");
} finally {
  rmSync(directory, { recursive: true, force: true });
}
