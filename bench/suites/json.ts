import { alternate } from "../compare/alternate.ts";
import { type Result, type Sample, summarize } from "../compare/results.ts";
import { heliosSide, peerSide } from "../sides/side.ts";
import { CALL_FIGURES, checkSame, prepareJson, type Ready, sampleOf, turnOf } from "./ready.ts";
import type { Bench, Suite } from "./suite.ts";

/** Connections, each with one call in flight. The first is the one that matters: with 8, the server often waits for the load. */
const LOADS = [64, 8] as const;

const SIDES = [
  heliosSide,
  peerSide("bare node:http", "bare-http1.ts"),
  peerSide("connect-node", "connect-node.ts", ["h1"]),
];

export const json: Suite = {
  name: "json",
  async run(bench) {
    const ready: Ready[] = [];
    try {
      for (const side of SIDES) ready.push(await prepareJson(side, bench.cores));
      checkSame(ready);
      const results: Result[] = [];
      for (const connections of bench.isQuick ? LOADS.slice(0, 1) : LOADS) {
        const name = `${connections} connections`;
        bench.say(`json ${name}`);
        await alternate(ready, 1, (one) => measure(one, connections, bench));
        const samples = await alternate(ready, bench.rounds, (one) => measure(one, connections, bench));
        const names = ready.map(({ side }) => side.name);
        results.push(summarize({ suite: "json", name }, CALL_FIGURES, names, samples));
      }
      return results;
    } finally {
      for (const { running } of ready) await running.stop();
    }
  },
};

async function measure(ready: Ready, connections: number, { load, isQuick }: Bench): Promise<Sample> {
  const { path, requests, answers } = ready;
  const job = { path, requests, answers, connections, ...turnOf(ready, isQuick) };
  return sampleOf(ready, await load.run("json", job));
}
