// Draws the charts of docs/performance.md from bench/results.json: `npm run bench:plots`.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Results } from "./compare/results.ts";
import { chartsOf } from "./plots/charts.ts";
import { DARK, draw, LIGHT } from "./plots/svg.ts";

const results = JSON.parse(readFileSync(new URL("results.json", import.meta.url), "utf8")) as Results;
const directory = new URL("../docs/plots/", import.meta.url);
mkdirSync(directory, { recursive: true });
for (const chart of chartsOf(results)) {
  writeFileSync(new URL(`${chart.file}-light.svg`, directory), draw(chart, LIGHT));
  writeFileSync(new URL(`${chart.file}-dark.svg`, directory), draw(chart, DARK));
}
