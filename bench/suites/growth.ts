import { runJsonProgram } from "../compare/json-program.ts";
import { one } from "../compare/statistics.ts";
import type { Suite } from "./suite.ts";

interface Printed {
  readonly sizes: readonly number[];
  readonly rows: readonly {
    readonly what: string;
    readonly unit: string;
    readonly values: readonly (number | null)[];
    /** To the first size. */
    readonly ratios: readonly (number | null)[];
  }[];
}

/** What the number of flags costs: `bench/growth.ts`. */
export const growth: Suite = {
  name: "growth",
  isLong: true,
  async run({ isQuick, say }) {
    say("the number of flags");
    const args = ["--json", ...(isQuick ? ["--quick"] : ["--rounds", "5"])];
    const { sizes, rows } = await runJsonProgram<Printed>("growth.ts", args, undefined);
    const nameOf = (index: number): string => `${(sizes[index] ?? 0).toLocaleString("en")} flags`;
    return [
      {
        suite: "growth",
        name: "the number of flags",
        rows: rows.flatMap(({ what, unit, values }) =>
          values.map((value, index) => ({
            side: `${what} (${unit})`,
            figure: nameOf(index),
            unit: "",
            spread: one(value ?? Number.NaN),
          })),
        ),
        ratios: rows.flatMap(({ what, ratios }) =>
          ratios.slice(1).map((ratio, index) => ({
            ours: what,
            peer: nameOf(0),
            figure: nameOf(index + 1),
            better: "less" as const,
            spread: one(ratio ?? Number.NaN),
          })),
        ),
      },
    ];
  },
};
