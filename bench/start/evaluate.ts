// Evaluates the flags of a data directory, in random order. Prints the nanoseconds of CPU time per evaluation as JSON.
//
// node bench/start/evaluate.ts DIRECTORY FLAGS
import { createEngine } from "../../src/core/index.ts";
import { seeded } from "../canary/seeded.ts";
import { flagName } from "./names.ts";

const [directory = "", flags = ""] = process.argv.slice(2);
const [COUNT, SESSIONS] = [200_000, 64];

const engine = await createEngine({ modulesRoot: import.meta.dirname, dataDir: directory });
const random = seeded(1);
const asked = Array.from({ length: COUNT }, (_, index) => ({
  name: flagName(Math.floor(random() * Number(flags))),
  context: { sessionId: `session-${index % SESSIONS}` },
}));
const evaluateAll = (): void => {
  for (const { name, context } of asked) engine.flags.evaluate(name, context);
};
// The first evaluation of a flag compiles it.
evaluateAll();
const used = process.cpuUsage();
evaluateAll();
const { user, system } = process.cpuUsage(used);
process.stdout.write(`${JSON.stringify(((user + system) * 1000) / COUNT)}\n`);
await engine.close();
