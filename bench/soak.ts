// Puts a server under load for minutes. Each second begins 50 flag edits, 10 module calls and 8 watches. Every 2 s it
// swaps modules that send orders of their own accord. Some clients disappear in the middle of calls and watches. It
// reports what went wrong, and whether memory, descriptors, threads and the data directory are stable.
//
// node bench/soak.ts [--minutes 10 | --seconds N] [--json]
//
// The exit code is 1 if an order was placed twice, lost, or placed by a version that did not serve, if an operation
// failed, or if a resource grew. Retention is short here: 1,000 changes, and one minute of flag history.
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { createHeliosClient, type HeliosClient, invoke } from "../clients/typescript/src/index.ts";
import { Isolation } from "../gen/helios/v1/module_pb.ts";
import { startOwnServer } from "../scripts/demo/server.ts";
import { createErrors } from "./soak/errors.ts";
import { type Trend, trendsOf } from "./soak/flat.ts";
import { judge, type Verdict } from "./soak/ledger.ts";
import { type Places, type Sample, takeSample } from "./soak/sample.ts";
import { configOf, startSwaps } from "./soak/swaps.ts";
import { startTraffic } from "./soak/traffic.ts";
import { table } from "./swap/figures.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seconds: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const durationS = values.seconds === undefined ? Number(values.minutes) * 60 : Number(values.seconds);
if (!(durationS > 0)) throw new RangeError("--minutes and --seconds are numbers above 0");
/**
 * The warm-up, in which heaps, pools and compiled code reach their size, and so does data that is kept for a minute.
 */
const warmUpS = Math.min(180, durationS * 0.4);
/** Size in the database of the outcome of a call with a key. Outcomes are kept for ten minutes. */
const KEPT_MB_PER_ORDER = 1 / 1024;

const FEEDS = { feed_process: Isolation.PROCESS, feed_thread: Isolation.THREAD } as const;
const feeds = Object.keys(FEEDS) as (keyof typeof FEEDS)[];
const files = ["feed_0", "feed_1", "feed_2"];

const directory = await mkdtemp(join(tmpdir(), "helios-soak-"));
const [modulesRoot, dataDir] = [join(directory, "modules"), join(directory, "data")];
const [ledger, heapReport] = [join(directory, "ledger"), join(directory, "heap")];
await prepare();
process.env.HEAP_REPORT = heapReport;
process.env.NODE_OPTIONS = `--import ${pathToFileURL(join(import.meta.dirname, "soak/report-heap.ts"))}`;
const server = await startOwnServer([
  ...["--data-dir", dataDir, "--modules-root", modulesRoot, "--log-level", "warn"],
  ...["--journal-max-changes", "1000", "--flag-history-max-age", "1m"],
]);
delete process.env.NODE_OPTIONS;
const client = createHeliosClient({ baseUrl: server.baseUrl });
let isRight = false;
try {
  isRight = await soak();
} finally {
  client.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
process.exit(isRight ? 0 : 1);

/** Prepares the modules root. The feed exists in several files that differ, so that each swap changes code. */
async function prepare(): Promise<void> {
  await mkdir(modulesRoot, { recursive: true });
  await writeFile(ledger, "");
  const from = (name: string): string => join(import.meta.dirname, "modules", name);
  await copyFile(from("exchange.ts"), join(modulesRoot, "exchange.ts"));
  const feed = await readFile(from("feed.ts"), "utf8");
  for (const file of files) await writeFile(join(modulesRoot, `${file}.ts`), `${feed}\n// ${file}\n`);
}

async function load(own: HeliosClient): Promise<void> {
  const { modules } = own;
  await modules.registerModule({
    name: "exchange",
    modulePath: "exchange",
    config: { ledger },
    grants: { fsWrite: [ledger] },
    concurrency: 256,
  });
  await modules.loadModule({ name: "exchange" });
  for (const name of feeds) {
    const fields = { modulePath: files[0] ?? "", version: "v1", isolation: FEEDS[name], dependencies: ["exchange"] };
    await modules.registerModule({ name, ...fields, config: configOf({ eager: false }) });
    await modules.loadModule({ name });
  }
}

async function soak(): Promise<boolean> {
  await load(client);
  const errors = createErrors();
  const traffic = startTraffic(server.baseUrl, feeds, errors);
  const swaps = startSwaps(client, feeds, files, errors);
  const samples: Sample[] = [];
  let latestMs = 0;
  const start = performance.now();
  const places = { pid: server.process.pid ?? 0, heapReport, dataDir };
  process.stdout.write(`${durationS} s, of which ${Math.round(warmUpS)} s are the warm-up\n`);
  for (let second = 1; second <= durationS; second += 1) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, start + second * 1000 - performance.now())));
    latestMs = Math.max(latestMs, performance.now() - start - second * 1000);
    const usage = await modulesHeap().catch((error: unknown) => {
      errors.count("look", error);
      return 0;
    });
    samples.push(takeSample((performance.now() - start) / 1000, { ...places, modulesHeap: usage } satisfies Places));
    if (second % 60 === 0 || second === durationS)
      tellMinute(samples, { ...traffic.counts(), swaps: swaps.begun }, errors.total);
  }
  await Promise.all([traffic.stop(), swaps.stop()]);
  const states = await Promise.all(feeds.map(async (name) => [name, await halt(name)] as const));
  for (const [name, { failures }] of states) {
    for (const [code, count] of Object.entries(failures)) {
      for (let one = 0; one < count; one += 1) errors.count(`order of ${name}`, code);
    }
  }
  const verdict = judge(ledger, new Map(states.map(([name, { next }]) => [name, next])), traffic.answered);
  const keyed = (traffic.answered.size * (durationS - warmUpS)) / durationS;
  const trends = trendsOf(samples, warmUpS, { "data directory MB": keyed * KEPT_MB_PER_ORDER });
  tell(verdict, trends, errors, latestMs);
  const { outOfTurn, twice, lost } = verdict;
  return errors.total + outOfTurn.length + twice.length + lost.length === 0 && trends.every(({ isFlat }) => isFlat);
}

async function modulesHeap(): Promise<number> {
  const { modules } = await client.modules.listModules({});
  return modules.reduce((sum, { usage }) => sum + Number(usage?.heapUsedBytes ?? 0n), 0);
}

interface FeedState {
  readonly next: number;
  readonly failures: Readonly<Record<string, number>>;
}

async function halt(name: string): Promise<FeedState> {
  return (await invoke(client, name, "halt")).output as unknown as FeedState;
}

function tellMinute(samples: readonly Sample[], counts: Readonly<Record<string, number>>, errors: number): void {
  const last = samples.at(-1);
  if (last === undefined || values.json) return;
  const done = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  const held = Object.entries(last.values).map(([measure, value]) => `${measure} ${shown(value)}`);
  process.stdout.write(`${Math.round(last.time)} s: ${done.join(", ")}, ${errors} errors; ${held.join(", ")}\n`);
}

function tell(
  verdict: Verdict,
  trends: readonly Trend[],
  errors: ReturnType<typeof createErrors>,
  latestMs: number,
): void {
  const { orders, outOfTurn, twice, lost } = verdict;
  const [unexpected, expected] = [errors.unexpected, errors.expected].map((map) => Object.fromEntries(map));
  if (values.json) {
    const figures = { durationS, warmUpS, latestMs, verdict, unexpected, expected, trends };
    process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
    return;
  }
  const rows = trends.map(({ measure, first, last, most, slope, growth, allowed, isFlat }) => [
    ...[measure, shown(first), shown(last), shown(most), shown(slope), shown(growth), shown(allowed)],
    isFlat ? "flat" : "GROWS",
  ]);
  const head = ["after the warm-up", "first", "last", "most", "slope/min", "growth", "allowed", ""];
  const placed = [
    `${orders} orders: ${twice.length} placed twice, ${lost.length} lost, ${outOfTurn.length} by a version that did not serve`,
    ...[...outOfTurn, ...twice, ...lost].slice(0, 10).map((line) => `  ${line}`),
  ];
  const listed = (title: string, all: Readonly<Record<string, number>> = {}): readonly string[] => [
    `${title}: ${Object.values(all).reduce((sum, count) => sum + count, 0)}`,
    ...Object.entries(all).map(([what, count]) => `  ${count} × ${what}`),
  ];
  const late = `the second that came latest: by ${Math.round(latestMs)} ms; beyond 1000 the machine is too busy to judge by`;
  const lines = [late, ...listed("errors", unexpected), ...listed("ends that are part of it", expected)];
  process.stdout.write(`\n${table([head, ...rows])}\n\n${[...placed, ...lines].join("\n")}\n`);
}

function shown(value: number): string {
  return Number.isNaN(value) ? "unknown" : value.toFixed(1);
}
