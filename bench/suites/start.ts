import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuSeconds } from "../compare/cpu.ts";
import { runJsonProgram } from "../compare/json-program.ts";
import { residentMib } from "../compare/program.ts";
import { type Figure, type Result, type Sample, summarize } from "../compare/results.ts";
import { startHelios } from "../sides/side.ts";
import { fill } from "../start/fill.ts";
import type { Bench, Suite } from "./suite.ts";

const FLAGS = [10, 1000, 100_000] as const;
const QUICK_FLAGS = 2;
const FIGURES: readonly Figure[] = [
  { name: "start", unit: "ms" },
  { name: "CPU time of the start", unit: "ms" },
  { name: "memory", unit: "MiB" },
  { name: "time per evaluation", unit: "ns" },
];

/** What a server costs that has many flags: its start until it is ready, its memory then, and an evaluation. */
export const start: Suite = {
  name: "start",
  async run(bench) {
    const results: Result[] = [];
    for (const flags of bench.isQuick ? FLAGS.slice(0, QUICK_FLAGS) : FLAGS) {
      const name = `${flags.toLocaleString("en")} flags`;
      bench.say(`start with ${name}`);
      const directory = await mkdtemp(join(tmpdir(), "helios-bench-"));
      try {
        await fill(directory, flags);
        const samples: Sample[] = [];
        for (let round = 0; round < bench.rounds; round += 1) samples.push(await measure(directory, flags, bench));
        results.push(summarize({ suite: "start", name }, FIGURES, ["Helios"], [samples]));
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    }
    return results;
  },
};

async function measure(directory: string, flags: number, { cores }: Bench): Promise<Sample> {
  const begun = performance.now();
  const running = await startHelios(cores?.server, { dataDir: directory });
  const ms = performance.now() - begun;
  const cpuMs = 1000 * cpuSeconds(running.program.pid);
  const mib = residentMib(running.program.pid);
  await running.stop();
  const args = [directory, String(flags)];
  const ns = await runJsonProgram<number>("start/evaluate.ts", args, cores?.server);
  return { start: ms, "CPU time of the start": cpuMs, memory: mib, "time per evaluation": ns };
}
