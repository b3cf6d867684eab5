// Measures the cost of conditions: a simple one, compared with @bufbuild/cel, and each kind of work at the limit of
// steps and memory.
//
// node bench/conditions.ts [--rounds 15] [--processes 3] [--only TEXT] [--quick] [--json]
//
// simple: ns per evaluation, in rounds that alternate · worst: ms per evaluation. Cold is the first evaluation of a
// process: the fastest and the median over the given number of processes, in CPU time of the thread. Warm is the
// fastest round. The exit code is 1 if a cold evaluation takes more than 5 ms.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { celEnv, parse, plan } from "@bufbuild/cel";
import { checkContext } from "../src/core/flags/rules/context.ts";
import { conditionOf, type EvaluationContext, interpreterOf, OPS } from "../src/core/index.ts";
import { CONTEXT_VARIABLES } from "../src/kernel/flags/condition/flag.ts";
import { programOf } from "../src/server/cel/condition.ts";
import { programText } from "./conditions/transfer.ts";
import { WORST } from "./conditions/worst.ts";
import { percentiles, round, table } from "./swap/figures.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    processes: { type: "string" },
    only: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 5 : 15));
const processes = Number(values.processes ?? (values.quick ? 1 : 3));
const LIMIT_MS = 5;

const SIMPLE = [
  'context.symbol in ["BTCZAR"] && context.attributes.latency_ms < 50.0',
  'context.user_id == "ana"',
  "has(context.attributes.desk) && context.attributes.desk == 'alpha'",
  'context.symbol.startsWith("BTC") || context.system == "engine"',
  "context.symbol.matches('^BTC...$')",
  "context.attributes.tags.exists(tag, tag == 'b')",
];
const asked: EvaluationContext = {
  sessionId: "s-1",
  userId: "ana",
  symbol: "BTCZAR",
  system: "engine",
  attributes: { latency_ms: 12.5, desk: "alpha", tags: ["a", "b"] },
};
const BATCH = 20_000;

/** ns per evaluation, in the fastest round. */
function measured(sides: readonly (() => unknown)[]): number[] {
  const best = sides.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round += 1) {
    for (const [side, run] of sides.entries()) {
      const start = process.hrtime.bigint();
      for (let index = 0; index < BATCH; index += 1) run();
      best[side] = Math.min(best[side] as number, Number(process.hrtime.bigint() - start) / BATCH);
    }
  }
  return best;
}

const simple = SIMPLE.filter((source) => source.includes(values.only)).map((source) => {
  const own = conditionOf(programOf(source));
  const library = plan(celEnv(), parse(source)) as (variables: Record<string, unknown>) => unknown;
  const other = (): unknown => {
    const { sessionId = "", userId = "", symbol = "", system = "", attributes = {} } = asked;
    return library({ context: { session_id: sessionId, user_id: userId, symbol, system, attributes } });
  };
  if (own(asked) !== true || other() !== true) throw new Error(`${source} does not hold`);
  const [ownNs = 0, otherNs = 0] = measured([() => own(asked), other]);
  return {
    source,
    ns: Math.round(ownNs),
    cel_ns: Math.round(otherNs),
    times_as_fast: round(otherNs / ownNs, 1),
  };
});

const COLD = fileURLToPath(new URL("conditions/cold.ts", import.meta.url));

/** Measures the first evaluation of a new process. */
async function cold(kind: number, program: string): Promise<{ readonly ms: number; readonly outcome: string }> {
  const child = spawn(process.execPath, [COLD, `${kind}`], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(program);
  const [told, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  if (code !== 0) throw new Error(`${WORST[kind]?.name} ended with ${code}`);
  return JSON.parse(told) as Awaited<ReturnType<typeof cold>>;
}

const programs = WORST.map(({ condition }) => programOf(condition));
const ops = new Set(programs.flatMap(({ nodes }) => nodes.map(({ op }) => op)));
const untried = OPS.filter((op) => !ops.has(op));
if (untried.length > 0) throw new Error(`no kind has ${untried.join(", ")}`);

const worst = [];
for (const [kind, { name, context: make }] of WORST.entries()) {
  if (!name.includes(values.only)) continue;
  const program = programs[kind] as (typeof programs)[number];
  const firsts = [];
  for (let each = 0; each < processes; each += 1) firsts.push(await cold(kind, programText(program)));
  const evaluate = interpreterOf(program, CONTEXT_VARIABLES);
  const context = make();
  checkContext(context);
  const times = Array.from({ length: rounds }, () => {
    const start = performance.now();
    evaluate(context);
    return performance.now() - start;
  });
  const ms = firsts.map((first) => first.ms);
  worst.push({
    name,
    cold_ms: round(Math.min(...ms)),
    cold_p50_ms: percentiles(ms).p50,
    warm_ms: round(Math.min(...times)),
    outcome: firsts[0]?.outcome ?? "",
  });
}
const slowest = Math.max(...worst.map(({ cold_ms }) => cold_ms));

if (values.json) process.stdout.write(`${JSON.stringify({ simple, worst, slowest_ms: slowest }, undefined, 2)}\n`);
else {
  const rows = simple.map(({ source, ns, cel_ns, times_as_fast }) => [
    source,
    `${ns}`,
    `${cel_ns}`,
    `${times_as_fast}`,
  ]);
  process.stdout.write(`${table([["condition", "ns", "cel ns", "times as fast"], ...rows])}\n\n`);
  const kinds = worst.map((each) => [
    each.name,
    `${each.cold_ms}`,
    `${each.cold_p50_ms}`,
    `${each.warm_ms}`,
    each.outcome,
  ]);
  const head = ["at its worst", "cold ms", "cold p50", "warm ms", "outcome"];
  process.stdout.write(`${table([head, ...kinds])}\n`);
  process.stdout.write(`\nslowest: ${slowest} ms cold, at most ${LIMIT_MS}\n`);
}
process.exitCode = slowest <= LIMIT_MS ? 0 : 1;
