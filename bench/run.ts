// Measures Helios against its peers, in turns: `npm run bench`. docs/performance.md explains what is measured.
//
// npm run bench -- [--quick] [--only SUITE] [--rounds N] [--json FILE] [--write] [--record [--loosen]]
//
// --quick: a few minutes, without the suites that take long · --write: writes bench/RESULTS.md, bench/results.json
// and what docs/performance.md shows of them, as a full run does ·
// --record: the quick form, whose steady ratios become those that `npm run bench:check` expects · --loosen: a recorded ratio
// that is worse stays, so that the record fits several machines.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { publish } from "./compare/publish.ts";
import { type BenchRecord, recordOf, suiteOf, worseOf } from "./compare/record.ts";
import { textOf } from "./compare/report.ts";
import type { Results } from "./compare/results.ts";
import { GUARDED, roundsOf, runSuites, SUITES } from "./suites/all.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    json: { type: "string" },
    write: { type: "boolean" },
    record: { type: "boolean", default: false },
    loosen: { type: "boolean", default: false },
  },
});
const isQuick = values.quick || values.record;
const rounds = Number(values.rounds ?? roundsOf(isQuick));
const suites = (values.record ? GUARDED : SUITES).filter(
  ({ name }) => values.only === undefined || name === values.only,
);
if (suites.length === 0 || !Number.isInteger(rounds) || rounds < 1) {
  const names = (values.record ? GUARDED : SUITES).map(({ name }) => name).join(", ");
  process.stderr.write(`--only must be one of ${names}, and --rounds a whole number from 1\n`);
  process.exit(2);
}
const here = (name: string): URL => new URL(name, import.meta.url);
/** Numbers have five digits that matter. */
const jsonOf = (value: unknown): string => {
  const shorten = (_: string, each: unknown): unknown =>
    typeof each === "number" ? Number(each.toPrecision(5)) : each;
  return `${JSON.stringify(value, shorten, 2)}\n`;
};

const results = await runSuites({ suites, rounds, isQuick });
process.stdout.write(textOf(results));
if (values.json !== undefined) writeFileSync(values.json, jsonOf(results));
if (values.write ?? !(isQuick || values.only !== undefined)) {
  const text = jsonOf(results);
  writeFileSync(here("results.json"), text);
  // What is published is what the file says.
  publish(JSON.parse(text) as Results);
}
if (values.record) {
  const before = JSON.parse(readFileSync(here("record.json"), "utf8")) as BenchRecord;
  // The suites that did not run keep their rows.
  const others = Object.entries(before).filter(([id]) => !suites.some(({ name }) => name === suiteOf(id)));
  const measured = recordOf(results.results);
  const rows = values.loosen ? worseOf(before, measured) : measured;
  writeFileSync(here("record.json"), jsonOf({ ...Object.fromEntries(others), ...rows }));
}
