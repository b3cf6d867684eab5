// Measures Helios against its peers, in turns: `npm run bench`. docs/performance.md explains what is measured.
//
// npm run bench -- [--quick] [--only SUITE] [--rounds N] [--json FILE] [--write]
//
// --quick: a minute or two instead of many · --write: writes bench/RESULTS.md and bench/results.json, as a full run does.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { findCores } from "./compare/cores.ts";
import { describeMachine, loadNow, readVersions } from "./compare/machine.ts";
import { reportOf, textOf } from "./compare/report.ts";
import type { Result, Results } from "./compare/results.ts";
import { startLoad } from "./load/load.ts";
import { fanOut } from "./suites/fan-out.ts";
import { json } from "./suites/json.ts";
import type { Suite } from "./suites/suite.ts";
import { unary } from "./suites/unary.ts";

const SUITES: readonly Suite[] = [unary, json, fanOut];

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    json: { type: "string" },
    write: { type: "boolean" },
  },
});
const isQuick = values.quick;
const rounds = Number(values.rounds ?? (isQuick ? 5 : 7));
const suites = SUITES.filter(({ name }) => values.only === undefined || name === values.only);
if (suites.length === 0 || !Number.isInteger(rounds) || rounds < 1) {
  const names = SUITES.map(({ name }) => name).join(", ");
  process.stderr.write(`--only must be one of ${names}, and --rounds a whole number from 1\n`);
  process.exit(2);
}
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const cores = findCores();
if (cores === undefined) say("taskset or a second core is missing: servers and load share the cores");
const [begun, start, loadBefore] = [new Date().toISOString(), performance.now(), loadNow()];
const load = startLoad(cores);
const results: Result[] = [];
try {
  for (const suite of suites) results.push(...(await suite.run({ rounds, isQuick, cores, load, say })));
} finally {
  await load.stop();
}
const all: Results = {
  machine: { ...describeMachine(cores), loadBefore, loadAfter: loadNow() },
  versions: readVersions(),
  rounds,
  isQuick,
  begun,
  seconds: Math.round((performance.now() - start) / 1000),
  results,
};
process.stdout.write(textOf(all));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`);
if (values.write ?? !(isQuick || values.only !== undefined)) {
  writeFileSync(new URL("results.json", import.meta.url), `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(new URL("RESULTS.md", import.meta.url), reportOf(all));
}
