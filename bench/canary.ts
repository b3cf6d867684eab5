// Simulates canaries. It prints how often equal versions are refused, by the service's rule and by the former one, and
// after how many calls worse versions are refused. CANARIES (default 10000) sets the number of each kind. SEED (default
// 1) seeds the random numbers; the same seed gives the same figures. The exit code is 1 if more than 1 % of equal
// versions are refused.

import { seeded } from "../scripts/seeded.ts";
import { type CanaryLimits, FALSE_REFUSALS } from "../src/core/modules/swap/judging/canary-judge.ts";
import { oldRule, type Rule, sequentialRule, type Verdict } from "./canary/rules.ts";
import { type Outcome, P99_MS, simulate, type Versions } from "./canary/simulate.ts";

const canaries = Number(process.env.CANARIES ?? 10_000);
const seed = Number(process.env.SEED ?? 1);
/** Enough canaries to measure how soon a rule refuses worse versions. */
const canariesOfPower = Math.ceil(canaries / 10);

const LIMITS = { minCalls: 100, maxErrorRateIncrease: 0.01, maxLatencyRatio: 1.5 };
const SHARES = [0.05, 0.2, 0.5];
const RATES = [0.001, 0.01, 0.02, 0.05, 0.2];
const EQUAL: Omit<Versions, "share" | "current" | "candidate"> = { slower: 1, mostCalls: 400 };

const WORSE: readonly (Omit<Versions, "share" | "mostCalls"> & { readonly name: string })[] = [
  { name: "all calls fail", current: 0, candidate: 1, slower: 1 },
  { name: "0.1 % -> 1 %", current: 0.001, candidate: 0.01, slower: 1 },
  { name: "0.1 % -> 5 %", current: 0.001, candidate: 0.05, slower: 1 },
  { name: "1 % -> 6 %", current: 0.01, candidate: 0.06, slower: 1 },
  { name: "1 % -> 10 %", current: 0.01, candidate: 0.1, slower: 1 },
  { name: "5 % -> 10 %", current: 0.05, candidate: 0.1, slower: 1 },
  { name: "20 % -> 40 %", current: 0.2, candidate: 0.4, slower: 1 },
  { name: "twice as slow", current: 0.01, candidate: 0.01, slower: 2 },
  { name: "3 times as slow", current: 0.01, candidate: 0.01, slower: 3 },
];

const print = (cells: readonly unknown[]): void => {
  process.stdout.write(`${cells.map((cell, index) => String(cell).padStart(index === 0 ? 18 : 14)).join("")}\n`);
};
const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
const countOf = (outcomes: readonly Outcome[], verdict: Verdict): number =>
  outcomes.filter((outcome) => outcome.verdict === verdict).length;
const shareOf = (outcomes: readonly Outcome[], verdict: Verdict): string =>
  percent(countOf(outcomes, verdict) / outcomes.length);

const sequential = (): Rule => sequentialRule(LIMITS, P99_MS);
const strict = { ...LIMITS, maxErrorRateIncrease: 0 };
let worst = 0;

compareEqual("", LIMITS);
compareEqual(", max_error_rate_increase 0", strict);

for (const mostCalls of [200, 1000]) {
  process.stdout.write(
    `\nworse versions, ${canariesOfPower} canaries each, at most ${mostCalls} calls of the new version\n`,
  );
  print(["", "share", "refused", "inconclusive", "half after", "90 % after"]);
  for (const { name, ...versions } of WORSE) {
    for (const share of SHARES) {
      const outcomes = simulate(seeded(seed), { ...versions, share, mostCalls }, canariesOfPower, sequential);
      const calls = outcomes.filter(({ verdict }) => verdict === "REFUSED").map((outcome) => outcome.calls);
      calls.sort((a, b) => a - b);
      const after = (part: number): string => {
        const at = calls[Math.ceil(outcomes.length * part) - 1];
        return at === undefined ? "-" : `${at} calls`;
      };
      print([
        name,
        percent(share),
        shareOf(outcomes, "REFUSED"),
        shareOf(outcomes, "INCONCLUSIVE"),
        after(0.5),
        after(0.9),
      ]);
    }
  }
}

process.stdout.write(`\nat worst ${percent(worst)} of equal versions are refused; ${percent(FALSE_REFUSALS)} may be\n`);
process.exitCode = worst > FALSE_REFUSALS ? 1 : 0;

function compareEqual(what: string, limits: CanaryLimits): void {
  process.stdout.write(`equal versions, ${canaries} canaries each, min_calls ${limits.minCalls}${what}\n`);
  print(["calls that fail", "share", "refused", "inconclusive", "continued", "before"]);
  for (const share of SHARES) {
    for (const rate of RATES) {
      const versions = { ...EQUAL, share, current: rate, candidate: rate };
      const now = simulate(seeded(seed), versions, canaries, () => sequentialRule(limits, P99_MS));
      const before = simulate(seeded(seed), versions, canaries, () => oldRule(limits));
      worst = Math.max(worst, countOf(now, "REFUSED") / canaries);
      const on = now.filter(({ verdict, calls }) => verdict === "PASSED" && calls > limits.minCalls).length;
      const told = [shareOf(now, "REFUSED"), shareOf(now, "INCONCLUSIVE"), percent(on / canaries)];
      print([percent(rate), percent(share), ...told, shareOf(before, "REFUSED")]);
    }
  }
  process.stdout.write("\n");
}
