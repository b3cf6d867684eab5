import { runJsonProgram } from "../compare/json-program.ts";
import { one } from "../compare/statistics.ts";
import type { Suite } from "./suite.ts";

type Printed = readonly {
  readonly name: string;
  readonly kind: "call" | "decide" | "reject";
  readonly ns: number;
  readonly xCockatiel: number | null;
}[];

/** What a breaker adds to a call, and how fast it rejects one, beside opossum and cockatiel: `bench/breakers.ts`. */
export const breakers: Suite = {
  name: "breakers",
  async run({ isQuick, say }) {
    say("breakers");
    const printed = await runJsonProgram<Printed>(
      "breakers.ts",
      ["--json", ...(isQuick ? ["--quick"] : [])],
      undefined,
    );
    return (["call", "decide", "reject"] as const).map((kind) => {
      const own = printed.filter((each) => each.kind === kind);
      return {
        suite: "breakers",
        name: kind,
        rows: own.map(({ name, ns }) => ({ side: name, figure: "time", unit: "ns", spread: one(ns) })),
        ratios: own
          .filter(({ name }) => name.startsWith("Helios"))
          .map(({ name, xCockatiel }) => ({
            ours: name,
            figure: kind === "reject" ? "time" : "added time",
            peer: "cockatiel",
            better: "less" as const,
            spread: one(xCockatiel ?? Number.NaN),
          })),
      };
    });
  },
};
