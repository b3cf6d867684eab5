import { runJsonProgram } from "../compare/json-program.ts";
import { type Sample, summarize } from "../compare/results.ts";
import type { Suite } from "./suite.ts";

interface Printed {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

const FIGURES = [
  { name: "single write, p50", unit: "ms" },
  { name: "single write, p99", unit: "ms" },
  { name: "writes per second of 64 writers", unit: "1/s" },
];

/** Writes that are on the disk when they are answered: `bench/store.ts writes`. */
export const store: Suite = {
  name: "store",
  isLong: true,
  async run({ isQuick, rounds, cores, say }) {
    say("durable writes");
    const samples: Sample[] = [];
    for (let round = 0; round < (isQuick ? 1 : Math.min(rounds, 3)); round += 1) {
      const printed = await runJsonProgram<Printed>("store.ts", ["writes", "--json"], cores?.server);
      samples.push({
        "single write, p50": printed.p50Ms,
        "single write, p99": printed.p99Ms,
        "writes per second of 64 writers": printed.perSecond,
      });
    }
    return [summarize({ suite: "store", name: "durable writes of 500 bytes" }, FIGURES, ["Helios"], [samples])];
  },
};
