import { runJsonProgram } from "../compare/json-program.ts";
import { one } from "../compare/statistics.ts";
import type { Suite } from "./suite.ts";

interface Printed {
  readonly results: readonly {
    readonly side: string;
    readonly kind: "call" | "decide";
    readonly ns: number;
    readonly addedByCockatiel: number;
  }[];
}

/** What a breaker adds to a call, beside opossum and cockatiel: `bench/breakers.ts`. */
export const breakers: Suite = {
  name: "breakers",
  async run({ isQuick, say }) {
    say("breakers");
    const { results } = await runJsonProgram<Printed>(
      "breakers.ts",
      ["--json", ...(isQuick ? ["--quick"] : [])],
      undefined,
    );
    return (["call", "decide"] as const).map((kind) => {
      const own = results.filter((each) => each.kind === kind);
      return {
        suite: "breakers",
        name: kind,
        rows: own.map(({ side, ns }) => ({ side, figure: "time", unit: "ns", spread: one(ns) })),
        ratios: own
          .filter(({ side }) => side.startsWith("Helios"))
          .map(({ side, addedByCockatiel }) => ({
            ours: side,
            figure: "added time",
            peer: "cockatiel",
            better: "less" as const,
            spread: one(addedByCockatiel),
          })),
      };
    });
  },
};
