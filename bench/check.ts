// Fails if a ratio of the record has fallen by more than a third: `npm run bench:check`. A suite with such a ratio is measured
// up to three times, because a disturbance of the machine is no fall.
import { readFileSync } from "node:fs";
import { type BenchRecord, type Fall, fallsOf, fallText, suiteOf } from "./compare/record.ts";
import { GUARDED, roundsOf, runSuites, say } from "./suites/all.ts";

const TIMES = 3;

const record = JSON.parse(readFileSync(new URL("record.json", import.meta.url), "utf8")) as BenchRecord;
const start = performance.now();
let remaining: BenchRecord = record;
let falls: readonly Fall[] = [];
for (let time = 1; time <= TIMES && Object.keys(remaining).length > 0; time += 1) {
  const names = new Set(Object.keys(remaining).map(suiteOf));
  const suites = GUARDED.filter(({ name }) => names.has(name));
  const { results } = await runSuites({ suites, rounds: roundsOf(true), isQuick: true });
  falls = fallsOf(remaining, results);
  for (const fall of falls) say(`measured ${time} of ${TIMES} times: ${fallText(fall)}`);
  remaining = Object.fromEntries(Object.entries(remaining).filter(([id]) => falls.some((fall) => fall.id === id)));
}
const [all, seconds] = [Object.keys(record).length, Math.round((performance.now() - start) / 1000)];
process.stdout.write(
  `${all - falls.length} of ${all} recorded ratios hold, ${falls.length} have fallen (${seconds} s)\n`,
);
process.exitCode = falls.length === 0 ? 0 : 1;
