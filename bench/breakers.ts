// Measures what a breaker adds to a successful call, and compares it with opossum and cockatiel, all in one run and one
// process.
//
// node bench/breakers.ts [--rounds 25] [--slice-ms 100] [--quick] [--json]
//
// call: an async function that returns at once, through the breaker · decide: only the permit and its outcome, without
// a call.
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { ConsecutiveBreaker, circuitBreaker, handleAll, SamplingBreaker } from "cockatiel";
import { createBreakers, createHeliosClient } from "../clients/typescript/src/index.ts";
import { startOwnServer } from "../scripts/demo/server.ts";
import { createEngine } from "../src/core/index.ts";
import { table } from "./swap/figures.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    "slice-ms": { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 5 : 25));
const sliceMs = Number(values["slice-ms"] ?? (values.quick ? 30 : 100));

interface Side {
  readonly name: string;
  readonly kind: "call" | "decide";
  /** Makes this many calls, one after the other. */
  run(times: number): unknown;
}

const action = async (): Promise<number> => 1;
const BATCH = 1000;

const calls = (name: string, call: () => Promise<unknown>): Side => ({
  name,
  kind: "call",
  async run(times) {
    for (let index = 0; index < times; index += 1) await call();
  },
});
const decisions = (name: string, decide: () => void): Side => ({
  name,
  kind: "decide",
  run(times) {
    for (let index = 0; index < times; index += 1) decide();
  },
});

type Opossum = new (run: () => Promise<number>, options: object) => { fire(): Promise<number>; shutdown(): void };
const Opossum = createRequire(import.meta.url)("opossum") as Opossum;

const server = await startOwnServer();
const engine = await createEngine({ modulesRoot: "examples/modules" });
const client = createHeliosClient({ baseUrl: server.baseUrl, clientId: "bench" });
const own = createBreakers(client);

const RATE = { failureRate: 0.5, windowMs: 10_000, minimumCalls: 20 };
await engine.breakers.getOrCreate("row");
await engine.breakers.getOrCreate("rate", RATE);
const [row, rate] = [own.breaker("row"), own.breaker("rate", RATE)];
for (const breaker of [row, rate])
  if (!(await breaker.ready())) throw new Error("the breaker did not connect to the service");

const opossum = new Opossum(action, { timeout: false, errorThresholdPercentage: 50, rollingCountTimeout: 10_000 });
const inRow = circuitBreaker(handleAll, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(5) });
const sampling = circuitBreaker(handleAll, {
  halfOpenAfter: 60_000,
  breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 2 }),
});
const [handleRow, handleRate] = [engine.breakers.handle("row"), engine.breakers.handle("rate")];

const sides: readonly Side[] = [
  calls("no breaker", action),
  calls("opossum, rate over 10 s", () => opossum.fire()),
  calls("cockatiel, in a row", () => inRow.execute(action)),
  calls("cockatiel, rate over 10 s", () => sampling.execute(action)),
  calls("Helios engine, in a row", () => handleRow.call(action)),
  calls("Helios engine, rate over 10 s", () => handleRate.call(action)),
  calls("Helios client, in a row", () => row.call(action)),
  calls("Helios client, rate over 10 s", () => rate.call(action)),
  ...["row", "rate"].map((name) =>
    decisions(`Helios engine, ${name === "row" ? "in a row" : "rate over 10 s"}`, () =>
      engine.breakers.record(name, engine.breakers.acquire(name), "SUCCESS", 1),
    ),
  ),
  decisions("Helios client, in a row", () => row.tryAcquire()?.settle("SUCCESS", 1)),
  decisions("Helios client, rate over 10 s", () => rate.tryAcquire()?.settle("SUCCESS", 1)),
];

/** Nanoseconds per call. */
async function measure(side: Side): Promise<number> {
  const start = performance.now();
  let done = 0;
  let elapsed = 0;
  while (elapsed < sliceMs) {
    await side.run(BATCH);
    done += BATCH;
    elapsed = performance.now() - start;
  }
  return (elapsed * 1e6) / done;
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;

const figures = sides.map(() => [] as number[]);
for (const side of sides) await measure(side);
for (let round = 0; round < rounds; round += 1) {
  // The order differs in each round.
  for (let turn = 0; turn < sides.length; turn += 1) {
    const index = (turn + round) % sides.length;
    const side = sides[index];
    if (side !== undefined) figures[index]?.push(await measure(side));
  }
}

await own.close();
client.close();
opossum.shutdown();
await engine.close();
await server.stop();

const bare = figures[0] ?? [];
const peers = sides.flatMap(({ name }, index) => (name.startsWith("cockatiel") ? [figures[index] ?? []] : []));
const results = sides.map(({ name, kind }, index) => {
  const own = figures[index] ?? [];
  // The time that the breaker adds, relative to the faster one of cockatiel's breakers in the same round.
  const added = own.map((ns, at) => {
    const least = Math.min(...peers.map((peer) => peer[at] ?? Number.NaN));
    return (kind === "call" ? ns - (bare[at] ?? 0) : ns) / (least - (bare[at] ?? 0));
  });
  return { side: name, kind, ns: Math.round(median(own)), addedByCockatiel: Number(median(added).toFixed(2)) };
});
if (values.json) process.stdout.write(`${JSON.stringify({ rounds, sliceMs, results })}\n`);
else {
  const lines = results.map(({ side, kind, ns, addedByCockatiel }) => [
    side,
    kind,
    String(ns),
    side === "no breaker" ? "" : String(addedByCockatiel),
  ]);
  process.stdout.write(`${table([["", "", "ns", "added time, x cockatiel"], ...lines])}\n`);
}
