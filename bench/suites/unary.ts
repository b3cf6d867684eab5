import { alternate } from "../compare/alternate.ts";
import { type Result, type Sample, summarize } from "../compare/results.ts";
import { EVALUATE_PATH } from "../sides/flag.ts";
import { flagdSide } from "../sides/flagd.ts";
import { heliosSide, peerSide } from "../sides/side.ts";
import { CALL_FIGURES, checkSame, prepareGrpc, type Ready, sampleOf, turnOf } from "./ready.ts";
import type { Bench, Suite } from "./suite.ts";

/** Connections, and calls in flight on each. The first is the one that matters; the others show the limits. */
const LOADS = [
  [8, 16],
  [1, 1],
  [1, 16],
  [8, 64],
] as const;

export const unary: Suite = {
  name: "unary",
  async run(bench) {
    const flagd = flagdSide();
    if (flagd === undefined) bench.say("FLAGD does not name flagd's program: it is left out");
    const sides = [
      heliosSide,
      peerSide("bare node:http2", "bare-http2.ts"),
      peerSide("grpc-js", "grpc-js.ts"),
      peerSide("connect-node", "connect-node.ts", ["h2"]),
      ...(flagd === undefined ? [] : [flagd]),
    ];
    const ready: Ready[] = [];
    try {
      for (const side of sides) ready.push(await prepareGrpc(side, bench.cores));
      // flagd has buckets of its own.
      checkSame(ready.filter(({ path }) => path === EVALUATE_PATH));
      const results: Result[] = [];
      const loads = bench.isQuick ? LOADS.slice(0, 1) : LOADS;
      for (const [connections, streams] of loads) {
        const name = `${connections} × ${streams}`;
        bench.say(`unary ${name}`);
        await alternate(ready, 1, (one) => measure(one, connections, streams, bench));
        const samples = await alternate(ready, bench.rounds, (one) => measure(one, connections, streams, bench));
        const names = ready.map(({ side }) => side.name);
        results.push(summarize({ suite: "unary", name }, CALL_FIGURES, names, samples));
      }
      return results;
    } finally {
      for (const { running } of ready) await running.stop();
    }
  },
};

async function measure(ready: Ready, connections: number, streams: number, bench: Bench): Promise<Sample> {
  const { path, requests, answers } = ready;
  const job = { path, requests, answers, connections, streams, ...turnOf(ready, bench.isQuick) };
  return sampleOf(ready, await bench.load.run("unary", job));
}
