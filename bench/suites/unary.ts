import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { createHeliosClient } from "../../clients/typescript/src/index.ts";
import { Strategy } from "../../gen/helios/v1/flag_pb.ts";
import { EvaluateFlagRequestSchema, EvaluateFlagResponseSchema } from "../../gen/helios/v1/flag_service_pb.ts";
import { alternate } from "../compare/alternate.ts";
import type { Cores } from "../compare/cores.ts";
import { type Figure, type Result, summarize } from "../compare/results.ts";
import type { Figures } from "../load/meter.ts";
import { verify } from "../load/verify.ts";
import { enveloped } from "../sides/envelope.ts";
import { EVALUATE_PATH, REQUESTS, RULE } from "../sides/flag.ts";
import { flagdSide, RESOLVE_PATH, RESOLVE_REQUESTS } from "../sides/flagd.ts";
import { heliosSide, peerSide, type Running, type Side } from "../sides/side.ts";
import type { Bench, Suite } from "./suite.ts";

/** Connections, and calls in flight on each. The first is the one that matters; the others show the limits. */
const LOADS = [
  [8, 16],
  [1, 1],
  [1, 16],
  [8, 64],
] as const;

export const CALL_FIGURES: readonly Figure[] = [
  { name: "calls per second", unit: "1/s", better: "more" },
  { name: "calls per CPU second", unit: "1/s", better: "more" },
  { name: "p50", unit: "ms", better: "less" },
  { name: "p99", unit: "ms", better: "less" },
  { name: "CPU of the server", unit: "core" },
  { name: "CPU of the load", unit: "core" },
];

/** A server that has answered all requests correctly, and what it is to be asked. */
export interface Ready {
  readonly side: Side;
  readonly running: Running;
  readonly path: string;
  readonly requests: readonly Uint8Array[];
  readonly answers: readonly Uint8Array[];
}

const OUR_REQUESTS = REQUESTS.map((request) => toBinary(EvaluateFlagRequestSchema, request));

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
      for (const side of sides) ready.push(await prepare(side, bench.cores));
      checkSame(ready);
      const results: Result[] = [];
      const loads = bench.isQuick ? LOADS.slice(0, 1) : LOADS;
      for (const [connections, streams] of loads) {
        const name = `${connections} × ${streams}`;
        bench.say(`unary ${name}`);
        await alternate(ready, 1, (one) => measure(one, connections, streams, bench));
        const samples = await alternate(ready, bench.rounds, (one) => measure(one, connections, streams, bench));
        results.push(summarize({ suite: "unary", name }, CALL_FIGURES, namesOf(ready), samples));
      }
      return results;
    } finally {
      for (const { running } of ready) await running.stop();
    }
  },
};

const namesOf = (ready: readonly Ready[]): string[] => ready.map(({ side }) => side.name);

/** Starts a side, and has it answer each request once. */
export async function prepare(side: Side, cores: Cores | undefined): Promise<Ready> {
  const running = await side.start(cores?.server);
  try {
    if (side === heliosSide) await createFlag(running.port);
    const [path, messages] = side.name === "flagd" ? [RESOLVE_PATH, RESOLVE_REQUESTS] : [EVALUATE_PATH, OUR_REQUESTS];
    const answers = await verify(running.port, path, messages);
    return { side, running, path, requests: messages.map(enveloped), answers: answers.map(enveloped) };
  } catch (error) {
    await running.stop();
    throw new Error(`${side.name} does not answer as expected`, { cause: error });
  }
}

/** Creates the flag that the peers have from the start. */
export async function createFlag(port: number): Promise<void> {
  const client = createHeliosClient({ baseUrl: `http://127.0.0.1:${port}` });
  const { name, percentage, salt, enabled } = RULE;
  await client.flags.createFlag({ flag: { name, percentage, salt, enabled, strategy: Strategy.PERCENTAGE } });
  client.close();
}

/** All sides that serve our contract must decide alike. flagd has buckets of its own. */
function checkSame(ready: readonly Ready[]): void {
  const decisions = ready
    .filter(({ path }) => path === EVALUATE_PATH)
    .map(({ answers }) =>
      answers.map((answer) => {
        const { evaluation } = fromBinary(EvaluateFlagResponseSchema, answer.subarray(5));
        if (evaluation === undefined) throw new Error("an answer has no evaluation");
        const { name, enabled, variant, value, reason, errorCode, bucket } = evaluation;
        return JSON.stringify([name, enabled, variant, value?.kind.value, reason, errorCode, bucket]);
      }),
    );
  for (const [index, decided] of decisions.entries())
    if (decided.join() !== decisions[0]?.join())
      throw new Error(`${ready[index]?.side.name} decides otherwise than ${ready[0]?.side.name}`);
}

async function measure(ready: Ready, connections: number, streams: number, bench: Bench) {
  const { side, running, path, requests, answers } = ready;
  const figures = await bench.load.run({
    kind: "unary",
    port: running.port,
    path,
    requests,
    answers,
    connections,
    streams,
    serverPid: running.program.pid,
    warmUpMs: bench.isQuick ? 300 : 500,
    durationMs: bench.isQuick ? 700 : 2000,
  });
  return sampleOf(side.name, figures);
}

/** Throws if a call failed: what is fast and wrong is no figure. */
export function sampleOf(side: string, figures: Figures) {
  const { perSecond, perCpuSecond, p50Ms, p99Ms, errors, problem, serverCpu, loadCpu } = figures;
  if (errors > 0) throw new Error(`${errors} calls of ${side} failed: ${problem}`);
  return {
    "calls per second": perSecond,
    "calls per CPU second": perCpuSecond,
    p50: p50Ms,
    p99: p99Ms,
    "CPU of the server": serverCpu,
    "CPU of the load": loadCpu,
  };
}
