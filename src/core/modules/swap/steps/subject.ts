import type { Generation, Peers } from "../../calls/generation.ts";
import { STOP_TIMEOUT_MS } from "../../calls/generations.ts";
import type { Trial } from "../../calls/trial.ts";
import { dependenciesOf, type OperationContext } from "../../operations/context.ts";
import { loadOrder } from "../../record/dependencies.ts";
import type { Member, Swap } from "../state/member.ts";
import { candidateOf, type GateSubject } from "./gate.ts";

/**
 * What the gate of a swap's member tests: the code of its candidate, in instances that no caller will reach. Aborting the
 * signal ends those that are being started; `end` stops those that have started.
 */
export function subjectOf(
  context: OperationContext,
  { members }: Pick<Swap, "members">,
  { name }: Member,
  { running: { modulePath, version, sha256, artifact } }: Generation,
  signal: AbortSignal,
): GateSubject & { end(): void } {
  const order = loadOrder([name], dependenciesOf(context));
  const tested = order.map((one) => members.find((member) => member.name === one)).filter((one) => one !== undefined);
  const peers: Peers = new Map();
  const started: Generation[] = [];
  const end = (): void => {
    for (const { instance } of started) void instance.stop(STOP_TIMEOUT_MS);
  };
  const startOne = async ({ name: one, plan, code }: Member, trial: Trial): Promise<Generation> => {
    if (code === undefined) throw new Error("the code was found");
    const registration = plan.registration(code, "");
    const request = { registration, module: code, version: plan.version, peers, acts: false, trial, signal };
    const generation = await context.generations.startApart(one, request);
    started.push(generation);
    // It was there just as it was given up: what was to stop it may have come first.
    if (signal.aborted) end();
    signal.throwIfAborted();
    return generation;
  };
  return {
    name,
    modulePath,
    version,
    sha256,
    artifact,
    peers: tested.map((member) => member.name).filter((one) => one !== name),
    async start(trialOf) {
      let last: Generation | undefined;
      for (const member of tested) {
        if (last !== undefined) peers.set(last.name, last);
        last = await startOne(member, trialOf(member.name));
      }
      if (last === undefined) throw new Error("a module is the last in its own order");
      return candidateOf(name, last);
    },
    end,
  };
}
