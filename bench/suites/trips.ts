import { runJsonProgram } from "../compare/json-program.ts";
import { type Result, type Sample, summarize } from "../compare/results.ts";
import { heliosSide } from "../sides/side.ts";
import type { Percentiles } from "../swap/figures.ts";
import type { Suite } from "./suite.ts";

const CLIENTS = [10, 100] as const;
const FIGURES = ["p50", "p99", "max"].map((name) => ({ name, unit: "ms" }));

/** From the failure that trips a breaker until all clients reject. */
export const trips: Suite = {
  name: "trips",
  async run({ rounds, cores, say }) {
    const results: Result[] = [];
    const running = await heliosSide.start(cores?.server);
    try {
      for (const clients of CLIENTS) {
        const name = `${clients} clients`;
        say(`trips ${name}`);
        const args = ["--port", String(running.port), "--clients", String(clients), "--rounds", String(rounds)];
        const samples = await runJsonProgram<readonly Percentiles[]>("trips/main.ts", args, cores?.load);
        const named = samples.map((one): Sample => ({ ...one }));
        results.push(summarize({ suite: "trips", name }, FIGURES, ["Helios"], [named]));
      }
    } finally {
      await running.stop();
    }
    return results;
  },
};
