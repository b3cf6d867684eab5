import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createHeliosClient } from "../../clients/typescript/src/index.ts";
import { Strategy } from "../../gen/helios/v1/flag_pb.ts";
import {
  EvaluateFlagRequestSchema,
  type EvaluateFlagResponse,
  EvaluateFlagResponseSchema,
} from "../../gen/helios/v1/flag_service_pb.ts";
import type { Cores } from "../compare/cores.ts";
import type { Figure, Sample } from "../compare/results.ts";
import type { Figures } from "../load/meter.ts";
import { verify } from "../load/verify.ts";
import { enveloped } from "../sides/envelope.ts";
import { EVALUATE_PATH, REQUESTS, RULE } from "../sides/flag.ts";
import { RESOLVE_PATH, RESOLVE_REQUESTS } from "../sides/flagd.ts";
import { heliosSide, type Running, type Side } from "../sides/side.ts";

/** A server that has answered all requests correctly, and what it is to be asked. */
export interface Ready {
  readonly side: Side;
  readonly running: Running;
  readonly path: string;
  /** Bodies of the requests. */
  readonly requests: readonly Uint8Array[];
  /** Bodies of the answers, at the places of their requests. */
  readonly answers: readonly Uint8Array[];
  readonly decided: readonly EvaluateFlagResponse[];
}

/** Starts a server, and has Node's own client make each call over gRPC once. */
export function prepareGrpc(side: Side, cores: Cores | undefined): Promise<Ready> {
  return prepare(side, cores, async (running) => {
    const isOurs = side.name !== "flagd";
    const messages = isOurs
      ? REQUESTS.map((request) => toBinary(EvaluateFlagRequestSchema, request))
      : RESOLVE_REQUESTS;
    const path = isOurs ? EVALUATE_PATH : RESOLVE_PATH;
    const answers = await verify(running.port, path, messages);
    const decided = isOurs ? answers.map((answer) => fromBinary(EvaluateFlagResponseSchema, answer)) : [];
    return { path, requests: messages.map(enveloped), answers: answers.map(enveloped), decided };
  });
}

/** Starts a server, and has `fetch` make each call with JSON once. */
export function prepareJson(side: Side, cores: Cores | undefined): Promise<Ready> {
  return prepare(side, cores, async ({ port }) => {
    const requests: Uint8Array[] = REQUESTS.map((one) => Buffer.from(toJsonString(EvaluateFlagRequestSchema, one)));
    const answers: Uint8Array[] = [];
    for (const body of requests) {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`http://127.0.0.1:${port}${EVALUATE_PATH}`, { method: "POST", headers, body });
      if (!answer.ok) throw new Error(`the answer has the status ${answer.status}: ${await answer.text()}`);
      answers.push(Buffer.from(await answer.arrayBuffer()));
    }
    const decided = answers.map((body) => fromJsonString(EvaluateFlagResponseSchema, Buffer.from(body).toString()));
    return { path: EVALUATE_PATH, requests, answers, decided };
  });
}

async function prepare(
  side: Side,
  cores: Cores | undefined,
  ask: (running: Running) => Promise<Omit<Ready, "side" | "running">>,
): Promise<Ready> {
  const running = await side.start(cores?.server);
  try {
    if (side === heliosSide) await createFlag(running.port);
    return { side, running, ...(await ask(running)) };
  } catch (error) {
    await running.stop();
    throw new Error(`${side.name} does not answer as expected`, { cause: error });
  }
}

/** Creates in Helios the flag that the peers have from the start. */
export async function createFlag(port: number): Promise<void> {
  const client = createHeliosClient({ baseUrl: `http://127.0.0.1:${port}` });
  const { name, percentage, salt, enabled } = RULE;
  await client.flags.createFlag({ flag: { name, percentage, salt, enabled, strategy: Strategy.PERCENTAGE } });
  client.close();
}

/** Throws unless all servers decide alike. */
export function checkSame(ready: readonly Ready[]): void {
  const decisions = ready.map(({ decided }) =>
    decided.map(({ evaluation }) => {
      if (evaluation === undefined) throw new Error("an answer has no evaluation");
      const { name, enabled, variant, value, reason, errorCode, bucket } = evaluation;
      return JSON.stringify([name, enabled, variant, value?.kind.value, reason, errorCode, bucket]);
    }),
  );
  for (const [index, all] of decisions.entries())
    if (all.join() !== decisions[0]?.join())
      throw new Error(`${ready[index]?.side.name} decides otherwise than ${ready[0]?.side.name}`);
}

export const CALL_FIGURES: readonly Figure[] = [
  { name: "calls per second", unit: "1/s", better: "more" },
  { name: "calls per CPU second", unit: "1/s", better: "more" },
  { name: "p50", unit: "ms", better: "less" },
  { name: "p99", unit: "ms", better: "less" },
  { name: "CPU of the server", unit: "core" },
  { name: "CPU of the load", unit: "core" },
];

/** Throws if a call failed: a wrong answer is no figure, however fast it is. */
export function sampleOf({ side }: Ready, figures: Figures): Sample {
  const { perSecond, perCpuSecond, p50Ms, p99Ms, errors, problem, serverCpu, loadCpu } = figures;
  if (errors > 0) throw new Error(`${errors} calls of ${side.name} failed: ${problem}`);
  return {
    "calls per second": perSecond,
    "calls per CPU second": perCpuSecond,
    p50: p50Ms,
    p99: p99Ms,
    "CPU of the server": serverCpu,
    "CPU of the load": loadCpu,
  };
}

/** The span of one turn. */
export function turnOf({ running }: Ready, isQuick: boolean) {
  const { port, program } = running;
  const [warmUpMs, durationMs] = isQuick ? [300, 700] : [300, 1200];
  return { port, serverPid: program.pid, warmUpMs, durationMs };
}
