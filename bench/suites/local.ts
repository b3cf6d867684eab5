import { runJsonProgram } from "../compare/json-program.ts";
import { summarize } from "../compare/results.ts";
import type { Suite } from "./suite.ts";

const FIGURE = { name: "time per evaluation", unit: "ns", better: "less" } as const;

interface Printed {
  readonly sides: readonly string[];
  readonly samples: readonly (readonly number[])[];
}

/** The library of Helios against those of others, in one process. */
export const local: Suite = {
  name: "local",
  async run({ rounds, isQuick, cores, say }) {
    say("local evaluation");
    const args = ["--rounds", String(rounds), "--slice-ms", isQuick ? "100" : "300"];
    const { sides, samples } = await runJsonProgram<Printed>("local/main.ts", args, cores?.server);
    const named = samples.map((all) => all.map((ns) => ({ [FIGURE.name]: ns })));
    return [summarize({ suite: "local", name: "a percentage flag" }, [FIGURE], sides, named)];
  },
};
