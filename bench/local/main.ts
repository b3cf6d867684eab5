// Evaluates a percentage flag in this process, with the library of Helios and with those of others, in turns. Prints JSON.
//
// node bench/local/main.ts [--rounds 7] [--slice-ms 100]
import { parseArgs } from "node:util";
import { alternate } from "../compare/alternate.ts";
import { SIDES } from "./sides.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, "slice-ms": { type: "string", default: "100" } },
});
const [rounds, sliceMs] = [Number(values.rounds), Number(values["slice-ms"])];
const BATCH = 1000;
const sessions = Array.from({ length: 64 }, (_, index) => `session-${1000 + index}`);

const sides = [];
for (const { name, open } of SIDES) sides.push({ name, ...(await open()) });
for (const { name, isOn } of sides) {
  const on = sessions.filter((session) => isOn(session)).length;
  if (on === 0 || on === sessions.length) throw new Error(`${name} answers all sessions alike, but the share is 50 %`);
}

/** Nanoseconds of CPU time per evaluation. The slice is CPU time too, so that a busy machine does not shorten it. */
async function measure({ isOn }: { readonly isOn: (session: string) => boolean }): Promise<number> {
  const start = process.cpuUsage();
  let [done, usedUs] = [0, 0];
  while (usedUs < sliceMs * 1000) {
    for (let index = 0; index < BATCH; index += 1) isOn(sessions[index % sessions.length] ?? "");
    done += BATCH;
    const { user, system } = process.cpuUsage(start);
    usedUs = user + system;
  }
  return (usedUs * 1000) / done;
}

await alternate(sides, 1, measure);
const samples = await alternate(sides, rounds, measure);
process.stdout.write(`${JSON.stringify({ sides: sides.map(({ name }) => name), samples })}\n`);
for (const { close } of sides) await close();
