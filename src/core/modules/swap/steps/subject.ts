import type { Generation, Peers } from "../../calls/generation/generation.ts";
import type { Trial } from "../../calls/generation/trial.ts";
import { STOP_TIMEOUT_MS } from "../../calls/generations.ts";
import type { OperationContext } from "../../operations/context.ts";
import { calledFirst } from "../state/pause.ts";
import type { StartedMember } from "../state/state.ts";
import { type GateSubject, testedInstance } from "./gate.ts";
import { startRequest } from "./start.ts";

/**
 * Returns what the gate of a member tests: the code of its candidate, in instances of their own, which no caller reaches.
 * Aborting the signal ends the instances that are starting. `end` stops those that have started.
 */
export function subjectOf(
  context: OperationContext,
  members: readonly StartedMember[],
  tested: StartedMember,
  signal: AbortSignal,
): GateSubject & { end(): void } {
  const { name, candidate } = tested;
  const { modulePath, version, sha256, artifact } = candidate.running;
  const others = calledFirst(context, members, [name]).filter((member) => member.name !== name);
  const peers: Peers = new Map();
  const started: Generation[] = [];
  const end = (): void => {
    for (const { instance } of started) void instance.stop(STOP_TIMEOUT_MS);
  };
  const startOne = async (member: StartedMember, trial: Trial): Promise<Generation> => {
    const generation = await context.generations.startApart(
      member.name,
      startRequest(member, { peers, trial, signal }),
    );
    started.push(generation);
    // If the tests ended meanwhile, `end` ran before this instance was in the list.
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
    peers: others.map((member) => member.name),
    async start(trialOf) {
      for (const member of others) peers.set(member.name, await startOne(member, trialOf(member.name)));
      return testedInstance(name, await startOne(tested, trialOf(name)));
    },
    end,
  };
}
