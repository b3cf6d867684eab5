// Measures round trips of the inner path of InvokeModule, compared with bare messages to a forked process or a worker.
//
// node bench/invoke.ts [--rounds 25] [--slice-ms 200] [--quick] [--only PROCESS] [--json]
// node bench/invoke.ts --parts
//
// bare: the simplest possible program · host: an instance alone · engine: router, breaker and lane, and then the
// instance.
// --parts: what the sending and receiving of one message costs, in CPU time, and of what that consists; and how long a call
// is in the service itself.
import { parseArgs } from "node:util";
import type { Isolation, Payload } from "../src/core/index.ts";
import { compare, type Measured } from "./invoke/measure.ts";
import { measureParts } from "./invoke/parts.ts";
import { measurePath } from "./invoke/path.ts";
import { bareSide, engineSide, hostSide, ROOT } from "./invoke/sides.ts";
import { table } from "./swap/figures.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    "slice-ms": { type: "string" },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "boolean", default: false },
    parts: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 5 : 25));
const sliceMs = Number(values["slice-ms"] ?? (values.quick ? 40 : 200));

const prices = (count: number): Payload => ({
  json: Object.fromEntries(Array.from({ length: count }, (_, index) => [`field_${index}`, index * 1.5])),
});
const orders = (count: number): Payload => ({
  json: Array.from({ length: count }, (_, id) => ({
    id,
    symbol: "BTC-USD",
    side: "buy",
    price: id * 1.25,
    tags: ["a"],
  })),
});
const PAYLOADS: readonly (readonly [name: string, Payload])[] = [
  ["100 B json", prices(6)],
  ["2 kB json, an object of 128", prices(128)],
  ["10 kB json, an object of 600", prices(600)],
  ["17 kB json, an object of 1,000", prices(1000)],
  ["10 kB json, a list", orders(150)],
  ["10 kB bytes", { binary: new Uint8Array(10_000).fill(7) }],
];

if (values.parts) {
  for (const [name, payload] of PAYLOADS) {
    if ("binary" in payload) continue;
    const lines = measureParts(payload).map(({ part, cpu }) => [part, cpu.toFixed(2)]);
    process.stdout.write(`${name}\n${table([["part", "cpu us"], ...lines])}\n\n`);
  }
  process.stdout.write(`the service's own path of a call: ${(await measurePath(ROOT)).toFixed(2)} us\n`);
  process.exit(0);
}

interface Row extends Measured {
  readonly isolation: Isolation;
  readonly payload: string;
  readonly inFlight: number;
  readonly side: string;
}

async function run(isolation: Isolation): Promise<Row[]> {
  const sides = [bareSide(isolation), await hostSide(isolation), await engineSide(isolation)];
  const rows: Row[] = [];
  for (const [name, payload] of PAYLOADS) {
    for (const inFlight of [1, 64]) {
      const all = await compare(sides, { payload, inFlight, rounds, sliceMs });
      for (const [index, measured] of all.entries()) {
        rows.push({ isolation, payload: name, inFlight, side: sides[index]?.name ?? "", ...measured });
      }
    }
  }
  for (const side of sides) await side.close();
  return rows;
}

const rows: Row[] = [];
for (const isolation of ["PROCESS", "THREAD"] as const) {
  if (values.only === undefined || values.only === isolation) rows.push(...(await run(isolation)));
}
if (values.json) process.stdout.write(`${JSON.stringify({ rounds, sliceMs, rows }, null, 2)}\n`);
else {
  const micros = (ms: number): string => String(Math.round(ms * 1000));
  const head = ["isolation", "payload", "in flight", "side", "round trips/s", "p50 us", "p99 us"];
  const lines = rows.map(({ isolation, payload, inFlight, side, figures, ratios }) => [
    ...[isolation, payload, String(inFlight), side, String(Math.round(figures.perSecond))],
    ...[micros(figures.p50), micros(figures.p99), ratios.perSecond.toFixed(2), ratios.p99.toFixed(2)],
    ...[figures.cpu.toFixed(1), ratios.cpu.toFixed(2)],
  ]);
  process.stdout.write(`${table([[...head, "x bare", "p99 x bare", "cpu us", "cpu x bare"], ...lines])}\n`);
}
process.exit(0);
