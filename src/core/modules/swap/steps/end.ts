import { raceOr, signalLimit } from "../../../../kernel/async/race.ts";
import { faultIn, messageOf } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import { STOP_TIMEOUT_MS } from "../../calls/generations.ts";
import { DRAIN_GRACE_MS, drained } from "../../operations/unload.ts";
import { forEach, type SwapContext } from "../state/context.ts";
import { release, unguard, unguardOld } from "../state/pause.ts";
import {
  type CommittedMember,
  type Draining,
  type Ended,
  type GivenUp,
  type Kept,
  type Returned,
  startedOf,
} from "../state/state.ts";

/** Ends the candidates. The old versions continue as if no swap had been requested. */
export function giveUp(context: SwapContext, { members, error }: GivenUp): Ended {
  const modules = context.plan.modules.join(", ");
  context.log("modules", "warn", "a swap was given up", { modules, error: messageOf(error) });
  const started = startedOf(members);
  unguard(started);
  for (const { old } of members) old?.resume();
  for (const { name, candidate, from } of started) {
    candidate.fence.shut("its swap was given up");
    // Calls that a canary sent to it get their answers.
    void drained(context, candidate, from.registration.callTimeoutMs).then(() =>
      context.generations.discard(name, candidate),
    );
  }
  release(context, members);
  unguardOld(context, members);
  return { state: "ENDED", outcome: "GIVEN_UP", members, fault: faultIn(error) };
}

/** Waits for the calls that the old versions have begun. */
export function drainOld(context: SwapContext, members: readonly CommittedMember[]): Draining {
  const back = new AbortController();
  const ended = forEach(members, async ({ old, steps, from }) => {
    if (old === undefined) return steps.skip("drain", "the old version had ended");
    const calls = old.inFlight;
    const { callTimeoutMs } = from.registration;
    const detail = (how: "ended" | "late" | "back"): string => {
      if (how === "back") return "it serves again";
      return how === "ended" ? `${calls} calls` : `${old.inFlight} calls were still under way`;
    };
    const options = { deadlineMs: callTimeoutMs + DRAIN_GRACE_MS, keepsDeadline: true, detail };
    await steps.take("drain", options, () =>
      raceOr(
        drained(context, old, callTimeoutMs).then((isDrained) => (isDrained ? "ended" : "late")),
        [signalLimit(back.signal)],
        () => "back",
      ),
    );
  }).then(() => {});
  return { ended, stop: () => back.abort() };
}

/** Stops the old versions when their calls have ended. */
export async function stopOld(context: SwapContext, { members, draining, stayed }: Kept): Promise<Ended> {
  await draining.ended;
  await stop(context, members, ({ old }) => old);
  return { state: "ENDED", outcome: "KEPT", members, ...(stayed !== undefined && { stayed }) };
}

/** Stops the new versions when their calls have ended. */
export async function stopCandidates(context: SwapContext, { members, draining }: Returned): Promise<Ended> {
  await stop(context, members, ({ candidate }) => candidate).finally(() => draining.stop());
  await draining.ended;
  return { state: "ENDED", outcome: "RETURNED", members };
}

/** Stops one side of each member. A failure here does not change what serves. */
async function stop(
  context: SwapContext,
  members: readonly CommittedMember[],
  sideOf: (member: CommittedMember) => Generation | undefined,
): Promise<void> {
  await forEach(members, async (member) => {
    const { name, steps, from } = member;
    const generation = sideOf(member);
    if (generation === undefined) return;
    await drained(context, generation, from.registration.callTimeoutMs);
    await steps.take("stop", { deadlineMs: STOP_TIMEOUT_MS, keepsDeadline: true }, () =>
      context.generations.stop(name, generation),
    );
  });
}
