import { bucketing } from "../../../../kernel/flags/bucket.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import { onEnd } from "../../host/types/ended.ts";
import { CanaryJudge, type Finding } from "../judging/canary-judge.ts";
import { observe } from "../judging/observe.ts";
import { bucketsOf } from "../judging/share.ts";
import type { SwapContext } from "../state/context.ts";
import type { StartedMember } from "../state/state.ts";
import type { CanaryTerms } from "../state/swap-options.ts";

/**
 * Lets the candidate answer a share of the callers. The bucket of a call's `routing_key` decides, as with flags. Compares the
 * candidate with the current version, which answers the other callers that have a key. These are real calls.
 */
export async function canary(
  { plan, router, clock, cancelled: signal }: SwapContext,
  terms: CanaryTerms,
  { name, candidate, old, steps }: StartedMember,
): Promise<void> {
  const { percentage, durationMs } = terms;
  const lane = router.lane(name);
  const judge = new CanaryJudge(terms, old?.gauge.sample());
  let verdict: Finding["verdict"] = "INCONCLUSIVE";
  const refuse = (because: string): never => {
    verdict = "REFUSED";
    throw new Error(because);
  };
  const look = (over: boolean): boolean => {
    if (candidate.ending !== undefined) refuse(`it ended: ${candidate.ending.description}`);
    if (candidate.health.verdict !== undefined) refuse(candidate.health.verdict);
    if (old === undefined || old.ending !== undefined)
      throw new Error("the current version, which it is compared with, has ended");
    const finding = over ? judge.atEnd(durationMs) : judge.finding;
    if (finding === undefined) return false;
    verdict = finding.verdict;
    if (finding.verdict === "REFUSED") throw new Error(finding.because);
    if (finding.verdict === "INCONCLUSIVE") throw new Error(`INCONCLUSIVE: ${finding.because}`);
    return true;
  };
  const detail = (): string => {
    const { current } = judge.report;
    return `${judge.calls} calls, beside ${current.calls} of the current version`;
  };
  const bucketOf = bucketing(plan.swapId);
  const stopListening: (() => void)[] = [];
  try {
    await steps.take("canary", { deadlineMs: durationMs, keepsDeadline: true, signal, detail }, async () => {
      if (old?.instance.shape.hasState && candidate.instance.shape.hasState) {
        throw new Error("the module has state, which two versions cannot both answer from");
      }
      const { again, done } = observe(clock, durationMs, signal, look);
      candidate.health.listener = again;
      for (const one of [candidate, old]) if (one !== undefined) stopListening.push(onEnd(one.instance, again));
      const buckets = bucketsOf(percentage / 100);
      const saw = (generation: Generation, failed: boolean, tookMs: number): void => {
        judge.add(generation === candidate, failed, tookMs);
        again();
      };
      lane.divert({ generation: candidate, takes: (key) => bucketOf(key) < buckets, saw });
      await done;
    });
  } finally {
    lane.divert(undefined);
    for (const stop of stopListening) stop();
    candidate.health.listener = undefined;
    steps.found({ canary: { ...judge.report, verdict } });
  }
}
