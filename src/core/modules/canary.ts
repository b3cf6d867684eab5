import { bucketing } from "../flags/bucket.ts";
import { seconds } from "./deadline.ts";
import { onEnd } from "./ended.ts";
import { judgeCanary } from "./judge.ts";
import type { Member, Swap } from "./member.ts";
import { observe } from "./observe.ts";
import type { Room } from "./room.ts";
import { bucketsOf } from "./share.ts";

/**
 * Lets the candidate answer a share of the callers, by their `routing_key` with the bucketing of flags, and compares how
 * it does with how the current version does meanwhile. These are real calls.
 */
export async function canary(room: Room, swap: Swap, member: Member): Promise<void> {
  const { terms, cancelled: signal, id } = swap;
  const { candidate, old, steps, name } = member;
  if (terms.canary === undefined || candidate === undefined) return;
  const { share, durationMs } = terms.canary;
  const limits = terms.canary;
  const lane = room.router.lane(name);
  const from = { candidate: candidate.gauge.read(), current: old?.gauge.read() };
  const report = () => ({
    candidate: candidate.gauge.since(from.candidate),
    current: (from.current && old?.gauge.since(from.current)) ?? { calls: 0, failures: 0, p99Ms: 0 },
  });
  const look = (over: boolean): boolean => {
    if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
    if (old === undefined || old.ending !== undefined) throw new Error("what it is compared with has ended");
    const unhealthy = candidate.health.verdict;
    if (unhealthy !== undefined) throw new Error(unhealthy);
    const { candidate: seen, current } = report();
    const verdict = judgeCanary(seen, current, limits);
    if (typeof verdict === "object") throw new Error(verdict.because);
    if (over && verdict === "wait") {
      throw new Error(`it answered ${seen.calls} of ${limits.minCalls} calls within ${seconds(durationMs)}`);
    }
    return verdict === "pass";
  };
  const detail = (): string => `${report().candidate.calls} calls`;
  const bucketOf = bucketing(id);
  const stopListening: (() => void)[] = [];
  try {
    await steps.take("canary", { deadlineMs: durationMs, keepsDeadline: true, signal, detail }, async () => {
      if (old?.instance.shape.hasState && candidate.instance.shape.hasState) {
        throw new Error("the module has state, which two versions cannot both answer from");
      }
      const { again, done } = observe(room.clock, durationMs, signal, look);
      // Only then can the verdict be another one.
      candidate.gauge.listener = (failed) => {
        if (failed || candidate.gauge.callsSince(from.candidate) >= limits.minCalls) again();
      };
      candidate.health.listener = again;
      for (const one of [candidate, old]) if (one !== undefined) stopListening.push(onEnd(one.instance, again));
      const buckets = bucketsOf(share);
      lane.divert({ generation: candidate, takes: (key) => bucketOf(key) < buckets });
      await done;
    });
  } finally {
    lane.divert(undefined);
    for (const stop of stopListening) stop();
    candidate.gauge.listener = undefined;
    candidate.health.listener = undefined;
    member.canary = report();
  }
}
