import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { chartsOf } from "../plots/charts.ts";
import { DARK, draw, LIGHT } from "../plots/svg.ts";
import { goalsOf, reportOf } from "./report.ts";
import type { Results } from "./results.ts";

const ROOT = new URL("../../", import.meta.url);
const PAGE = "docs/performance.md";
const BLOCK = /(?<=<!-- goals -->\n).*(?=\n<!-- \/goals -->)/s;

/** The files that show results, from the repository's root, with their texts. */
export function pagesOf(results: Results): ReadonlyMap<string, string> {
  const charts = chartsOf(results).flatMap((chart): [string, string][] => [
    [`docs/plots/${chart.file}-light.svg`, draw(chart, LIGHT)],
    [`docs/plots/${chart.file}-dark.svg`, draw(chart, DARK)],
  ]);
  const page = readFileSync(new URL(PAGE, ROOT), "utf8").replace(BLOCK, () => `\n${goalsOf(results)}\n`);
  return new Map([["bench/RESULTS.md", reportOf(results)], [PAGE, page], ...charts]);
}

/** Writes them. */
export function publish(results: Results): void {
  mkdirSync(new URL("docs/plots/", ROOT), { recursive: true });
  for (const [path, text] of pagesOf(results)) writeFileSync(new URL(path, ROOT), text);
}
