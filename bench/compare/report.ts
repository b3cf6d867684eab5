import { table } from "../swap/figures.ts";
import { reachedIn } from "./goals.ts";
import type { Ratio, Result, Results } from "./results.ts";
import type { Spread } from "./statistics.ts";

type Cells = readonly (readonly string[])[];

/** The results as text for a terminal. */
export function textOf(results: Results): string {
  const parts = results.results.map((result) => [headingOf(result), ...tablesOf(result).map(table)].join("\n\n"));
  return `${parts.join("\n\n")}\n\n${conditionsOf(results)}\n`;
}

/** The goals, and how far they are reached, as a table of a page. */
export function goalsOf({ results }: Results): string {
  const rows = reachedIn(results).map(({ goal, measured }) => {
    const { suite, name, figure, peer, limit, better } = goal;
    const what = `${suite}, ${name}: ${figure}`;
    const than = peer === undefined ? `${limit} KB` : `${limit} × ${peer}`;
    return [what, `${better === "more" ? "at least" : "at most"} ${than}`, shown(measured) || "not measured"];
  });
  return markdown([["What", "Goal", "Measured (smallest to largest)"], ...rows]);
}

/** The results as a page. */
export function reportOf(results: Results): string {
  const parts = results.results.map((result) =>
    [`## ${headingOf(result)}`, ...tablesOf(result).map(markdown)].join("\n\n"),
  );
  const head =
    "# Results\n\n`npm run bench` writes this page. [performance.md](../docs/performance.md) explains it.\n\n";
  return `${head}${conditionsOf(results)}\n\n## Goals\n\n${goalsOf(results)}\n\n${parts.join("\n\n")}\n`;
}

const tablesOf = (result: Result): Cells[] => [rowsOf(result), ...(result.ratios.length > 0 ? [ratiosOf(result)] : [])];
const headingOf = ({ suite, name }: Result): string => `${suite}: ${name}`;

function conditionsOf({ machine, versions, rounds, isQuick, begun, seconds }: Results): string {
  const { cpu, cores, memoryGib, system, isPinned, loadBefore, loadAfter } = machine;
  const places = isPinned ? "Servers had one core and the load another." : "Servers and load shared all cores.";
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${begun}, ${seconds} s, ${rounds} rounds${isQuick ? ", the quick form" : ""}. ${places}`,
    `${cpu}, ${cores} cores, ${memoryGib} GiB, ${system}. Load average ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after.`,
    `${named.join(", ")}.`,
    "Figures are medians of the rounds, with the smallest and the largest.",
    "A ratio is Helios divided by the peer, the median of the ratios of the rounds.",
  ].join("\n");
}

/** One row for each side, one column for each figure. */
function rowsOf({ rows }: Result): Cells {
  const figures = [...new Map(rows.map(({ figure, unit }) => [figure, unit]))];
  const sides = [...new Set(rows.map(({ side }) => side))];
  return [
    ["", ...figures.map(([figure, unit]) => (unit === "" ? figure : `${figure} (${unit})`))],
    ...sides.map((side) => [
      side,
      ...figures.map(([figure]) => shown(rows.find((row) => row.side === side && row.figure === figure)?.spread)),
    ]),
  ];
}

/** One row for each pair of sides, one column for each figure. */
function ratiosOf({ ratios }: Result): Cells {
  const labelOf = ({ ours = "Helios", peer }: Ratio): string => `${ours} ÷ ${peer}`;
  const figures = [...new Map(ratios.map(({ figure, better }) => [figure, better]))];
  const labels = [...new Set(ratios.map(labelOf))];
  return [
    ["ratio", ...figures.map(([figure, better]) => `${figure}, ${better} is better`)],
    ...labels.map((label) => [
      label,
      ...figures.map(([figure]) =>
        shown(ratios.find((one) => labelOf(one) === label && one.figure === figure)?.spread),
      ),
    ]),
  ];
}

function shown(spread: Spread | undefined): string {
  if (spread === undefined) return "";
  const { median, min, max, count } = spread;
  return count === 1 ? digits(median) : `${digits(median)} (${digits(min)} to ${digits(max)})`;
}

/** Three digits that matter, and no fraction beyond 100. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "unknown";
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function markdown([head = [], ...rows]: Cells): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
