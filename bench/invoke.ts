// Round trips of InvokeModule's inner way (router, breaker, lane, host, module) beside bare messages to a process or thread.
//
//   node bench/invoke.ts [--seconds 2] [--rounds 5] [--json]
//
// Both sides take turns in one run, so that noise meets both; the figures are medians of the rounds.
import { parseArgs } from "node:util";
import type { Isolation, Payload } from "../src/core/index.ts";
import { bareSide, engineSide, type Side } from "./invoke/sides.ts";
import { percentiles, round, table } from "./swap/figures.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const roundMs = Number(values.seconds) * 1000;
const rounds = Number(values.rounds);

const object = (fields: number): Payload => ({
  json: Object.fromEntries(Array.from({ length: fields }, (_, index) => [`field_${index}`, index * 1.5])),
});
const PAYLOADS: readonly (readonly [string, Payload])[] = [
  ["100 B json", object(6)],
  ["10 kB json", object(600)],
  ["10 kB bytes", { binary: new Uint8Array(10_000).fill(7) }],
];

interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

async function measure(side: Side, payload: Payload, inFlight: number, ms: number): Promise<Figures> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + ms;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      const sent = performance.now();
      await side.call(payload);
      latencies.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const { p50, p99 } = percentiles(latencies, 4);
  return { perSecond: (latencies.length / (performance.now() - start)) * 1000, p50, p99 };
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;

function medianOf(all: readonly Figures[]): Figures {
  return {
    perSecond: median(all.map(({ perSecond }) => perSecond)),
    p50: median(all.map(({ p50 }) => p50)),
    p99: median(all.map(({ p99 }) => p99)),
  };
}

interface Row {
  readonly isolation: Isolation;
  readonly payload: string;
  readonly inFlight: number;
  readonly bare: Figures;
  readonly helios: Figures;
  /** How many times as long Helios needs for a round trip, by rate. */
  readonly ratio: number;
  readonly p99Ratio: number;
}

async function compare(isolation: Isolation): Promise<Row[]> {
  const sides = { bare: bareSide(isolation), helios: await engineSide(isolation) };
  const rows: Row[] = [];
  for (const [name, payload] of PAYLOADS) {
    for (const inFlight of [1, 64]) {
      const seen = { bare: [] as Figures[], helios: [] as Figures[] };
      for (const side of [sides.bare, sides.helios]) await measure(side, payload, inFlight, roundMs / 2);
      for (let count = 0; count < rounds; count += 1) {
        seen.bare.push(await measure(sides.bare, payload, inFlight, roundMs));
        seen.helios.push(await measure(sides.helios, payload, inFlight, roundMs));
      }
      const [bare, helios] = [medianOf(seen.bare), medianOf(seen.helios)];
      const ratio = round(bare.perSecond / helios.perSecond);
      rows.push({ isolation, payload: name, inFlight, bare, helios, ratio, p99Ratio: round(helios.p99 / bare.p99) });
    }
  }
  await sides.bare.close();
  await sides.helios.close();
  return rows;
}

const rows: Row[] = [];
for (const isolation of ["PROCESS", "THREAD"] as const) {
  if (values.only === undefined || values.only === isolation) rows.push(...(await compare(isolation)));
}
if (values.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
else {
  const tell = ({ perSecond, p50, p99 }: Figures): string =>
    `${Math.round(perSecond)}/s  ${Math.round(p50 * 1000)} / ${Math.round(p99 * 1000)} us`;
  const head = ["isolation", "payload", "in flight", "bare p50 / p99", "helios p50 / p99", "ratio", "p99 ratio"];
  const lines = rows.map((row) => [
    ...[row.isolation, row.payload, String(row.inFlight), tell(row.bare), tell(row.helios)],
    ...[String(row.ratio), String(row.p99Ratio)],
  ]);
  process.stdout.write(`${table([head, ...lines])}\n`);
}
process.exit(0);
