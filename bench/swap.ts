// Swaps modules repeatedly while callers call them over gRPC, and reports what the callers noticed.
//
// node bench/swap.ts [--swaps 200] [--interval-ms 1000] [--callers 64] [--steady-ms 20000] [--json] [--only PROCESS]
//
// The exit code is 1 if a call failed, was lost or was answered twice, or if the state is wrong.
import { parseArgs } from "node:util";
import { createHeliosClient } from "../clients/typescript/src/index.ts";
import { Isolation } from "../gen/helios/v1/module_pb.ts";
import { startOwnServer } from "../scripts/demo/server.ts";
import { type Percentiles, percentiles, round, table, tell } from "./swap/figures.ts";
import { startLoad } from "./swap/load.ts";

const { values } = parseArgs({
  options: {
    swaps: { type: "string", default: "200" },
    "interval-ms": { type: "string", default: "1000" },
    callers: { type: "string", default: "64" },
    "steady-ms": { type: "string", default: "20000" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const swaps = Number(values.swaps);
const intervalMs = Number(values["interval-ms"]);
const callers = Number(values.callers);
const steadyMs = Number(values["steady-ms"]);

interface Result {
  readonly module: string;
  readonly isolation: string;
  readonly swaps: number;
  readonly notSwapped: readonly string[];
  readonly calls: number;
  readonly failed: number;
  readonly failures: readonly string[];
  readonly lost: number;
  readonly answeredTwice: number;
  readonly stateEqual: boolean;
  readonly steadyMs: Percentiles;
  readonly swappingMs: Percentiles;
  readonly p99Ratio: number;
  readonly swapMs: Percentiles;
  readonly pauseMs: Percentiles;
  readonly stepsMs: Readonly<Record<string, Percentiles>>;
}

const CASES = [
  ["echo", "PROCESS"],
  ["echo", "THREAD"],
  ["counter", "PROCESS"],
  ["counter", "THREAD"],
] as const;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function run(file: string, isolation: "PROCESS" | "THREAD"): Promise<Result> {
  const server = await startOwnServer(["--modules-root", import.meta.dirname]);
  const client = createHeliosClient({ baseUrl: server.baseUrl });
  try {
    const name = file;
    await client.modules.registerModule({
      name,
      modulePath: `modules/${file}_v1`,
      isolation: Isolation[isolation],
      concurrency: callers,
    });
    await client.modules.loadModule({ name });
    const load = startLoad(client, name, callers);
    await sleep(3000);
    load.cut();
    await sleep(steadyMs / 2);
    const before = load.cut();
    const durations: number[] = [];
    const steps = new Map<string, number[]>();
    const notSwapped: string[] = [];
    for (let count = 0; count < swaps; count += 1) {
      const start = performance.now();
      const newVersionPath = `modules/${file}_v${count % 2 === 0 ? 2 : 1}`;
      const { swapped, failedStep, failure, steps: taken } = await client.modules.swapModule({ name, newVersionPath });
      if (!swapped) notSwapped.push(`${failedStep}: ${failure}`);
      durations.push(performance.now() - start);
      for (const { name: step, outcome, duration } of taken) {
        if (outcome === "skipped" || duration === undefined) continue;
        const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
        steps.set(step, [...(steps.get(step) ?? []), ms]);
      }
      await sleep(Math.max(0, intervalMs - (performance.now() - start)));
    }
    const during = load.cut();
    await sleep(steadyMs / 2);
    const after = load.cut();
    const last = await load.stop();
    const stretches = [before, during, after, last];
    const failures = stretches.flatMap(({ failed }) => failed);
    const unique = new Set(load.counts).size;
    const isCounter = load.counts.length > 0;
    // The module also counts the calls of the warm-up.
    const highest = load.counts.reduce((most, one) => Math.max(most, one), 0);
    const steady = percentiles([...before.latenciesMs, ...after.latenciesMs]);
    const swapping = percentiles(during.latenciesMs);
    return {
      module: file,
      isolation,
      swaps,
      notSwapped,
      calls: load.answered,
      failed: failures.length,
      failures: failures.slice(0, 5),
      lost: isCounter ? highest - unique : 0,
      answeredTwice: load.counts.length - unique + stretches.reduce((sum, { mixedUp }) => sum + mixedUp, 0),
      stateEqual: !isCounter || highest === load.answered,
      steadyMs: steady,
      swappingMs: swapping,
      p99Ratio: round(swapping.p99 / steady.p99),
      swapMs: percentiles(durations),
      pauseMs: percentiles(steps.get("hand_over") ?? [0]),
      stepsMs: Object.fromEntries([...steps].map(([step, all]) => [step, percentiles(all)])),
    };
  } finally {
    await server.stop();
  }
}

const results: Result[] = [];
for (const [file, isolation] of CASES) {
  if (values.only !== undefined && values.only !== isolation) continue;
  results.push(await run(file, isolation));
}
const wrong = results.filter(
  ({ failed, lost, answeredTwice, stateEqual, notSwapped }) =>
    failed > 0 || lost > 0 || answeredTwice > 0 || !stateEqual || notSwapped.length > 0,
);
if (values.json) process.stdout.write(`${JSON.stringify({ callers, intervalMs, results }, null, 2)}\n`);
else {
  const head = ["module", "isolation", "swaps", "calls", "failed", "lost", "twice", "state"];
  const rows = results.map((one) => [
    ...[one.module, one.isolation, String(one.swaps), String(one.calls), String(one.failed), String(one.lost)],
    ...[String(one.answeredTwice), one.stateEqual ? "equal" : "DIFFERENT"],
  ]);
  const times = ["module", "isolation", "steady p50/p99/max", "swapping p50/p99/max", "p99 ratio", "swap", "pause"];
  const timeRows = results.map((one) => [
    ...[one.module, one.isolation, tell(one.steadyMs), tell(one.swappingMs), String(one.p99Ratio)],
    ...[tell(one.swapMs), tell(one.pauseMs)],
  ]);
  const stepRows = results.flatMap((one) =>
    Object.entries(one.stepsMs).map(([step, all]) => [one.module, one.isolation, step, tell(all)]),
  );
  const tables = [
    [head, ...rows],
    [times, ...timeRows],
    [["module", "isolation", "step", "p50/p99/max"], ...stepRows],
  ];
  process.stdout.write(`${callers} callers over gRPC; all times in ms\n\n${tables.map(table).join("\n\n")}\n`);
}
for (const { failures, notSwapped } of wrong) process.stderr.write(`${[...failures, ...notSwapped].join("\n")}\n`);
process.exit(wrong.length === 0 ? 0 : 1);
