// Measures what a breaker adds to a successful call, and how fast an open one rejects a call. Compares it with opossum and
// cockatiel, all in one run and one process.
//
// node bench/breakers.ts [--rounds 25] [--slice-ms 100] [--quick] [--json] [--only "Helios engine"]
//
// call: an async function that returns at once, through the breaker · decide: only the permit and its outcome, without
// a call · reject: a call through an open breaker.
//
// ns: CPU time of this process, because other programs on the machine disturb it less than the time by the clock.
// × cockatiel: this time in relation to cockatiel's breaker with the same policy, in the same round. For `call` and `decide`
// it is the time that the breaker adds to a call, for `reject` the whole time.
//
// --json prints one list of rows: name, kind, ns, xCockatiel (null without a breaker).
import { parseArgs } from "node:util";
import { createSides, type Side } from "./breakers/sides.ts";
import { table } from "./swap/figures.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    "slice-ms": { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 5 : 25));
const sliceMs = Number(values["slice-ms"] ?? (values.quick ? 30 : 100));
const BATCH = 1000;

const made = await createSides();
const isChosen = ({ name }: Side): boolean =>
  values.only === undefined || [values.only, "no breaker", "cockatiel"].includes(name);
const sides = made.all.filter(isChosen);

/** Nanoseconds of CPU time per call. The slice is CPU time too. */
async function measure(side: Side): Promise<number> {
  const start = process.cpuUsage();
  let [done, usedUs] = [0, 0];
  while (usedUs < sliceMs * 1000) {
    await side.run(BATCH);
    done += BATCH;
    const { user, system } = process.cpuUsage(start);
    usedUs = user + system;
  }
  return (usedUs * 1000) / done;
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;

const figures = new Map(sides.map((side) => [side, [] as number[]]));
for (const side of sides) await measure(side);
for (let round = 0; round < rounds; round += 1) {
  // The order differs in each round.
  for (let turn = 0; turn < sides.length; turn += 1) {
    const side = sides[(turn + round) % sides.length];
    if (side !== undefined) figures.get(side)?.push(await measure(side));
  }
}
await made.close();

const figuresOf = (name: Side["name"], kind: Side["kind"], policy: Side["policy"]): readonly number[] => {
  const side = sides.find((one) => one.name === name && one.kind === kind && one.policy === policy);
  return (side && figures.get(side)) ?? [];
};
const bare = figuresOf("no breaker", "call", undefined);

/** The median ratio to cockatiel's breaker. Null for calls without a breaker. */
function ratioOf({ kind, policy }: Side, own: readonly number[]): number | null {
  if (policy === undefined) return null;
  const peer = figuresOf("cockatiel", kind === "reject" ? kind : "call", policy);
  const ratios = own.map((ns, round) => {
    const [without = 0, theirs = Number.NaN] = [bare[round], peer[round]];
    if (kind === "reject") return ns / theirs;
    return (kind === "call" ? ns - without : ns) / (theirs - without);
  });
  return Number(median(ratios).toFixed(2));
}

const KINDS: readonly Side["kind"][] = ["call", "decide", "reject"];
const rows = sides
  .map((side) => {
    const own = figures.get(side) ?? [];
    const name = side.policy === undefined ? side.name : `${side.name}, ${side.policy}`;
    return { name, kind: side.kind, ns: Math.round(median(own)), xCockatiel: ratioOf(side, own) };
  })
  .toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));

if (values.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
else {
  const lines = rows.map(({ name, kind, ns, xCockatiel }) => [
    name,
    kind,
    String(ns),
    xCockatiel === null ? "" : xCockatiel.toFixed(2),
  ]);
  process.stdout.write(`${table([["", "", "ns", "× cockatiel"], ...lines])}\n`);
}
