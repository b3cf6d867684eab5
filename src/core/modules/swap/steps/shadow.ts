import { exceeds } from "../../../../kernel/breakers/policy/rate.ts";
import { seconds } from "../../../async/deadline.ts";
import { messageOf } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import type { Payload } from "../../host/types/host.ts";
import type { ShadowReport } from "../../record/report.ts";
import { firstDifference } from "../judging/compare.ts";
import { observe } from "../judging/observe.ts";
import { picking } from "../judging/share.ts";
import type { SwapContext } from "../state/context.ts";
import type { StartedMember } from "../state/state.ts";
import type { ShadowTerms } from "../state/swap-options.ts";

/**
 * Mirrored calls of a shadow in progress at once. Further ones are not mirrored, and counted as dropped. @limit calls
 */
const MAX_UNDER_WAY = 16;
/** Differences that a shadow's report shows; the others are counted. @limit differences */
const MAX_DIFFERENCES = 10;
/** Length of each value in a difference that a shadow's report shows; the rest is cut. @limit characters */
const MAX_SHOWN = 200;

/**
 * Sends the candidate a copy of some calls of pure methods that the current version answers, and compares the answers.
 * The candidate's answers reach no caller, and no caller waits for them.
 */
export async function shadow(
  { clock, router, cancelled: signal }: SwapContext,
  terms: ShadowTerms,
  { name, candidate, steps, from }: StartedMember,
): Promise<void> {
  const { durationMs } = terms;
  const watched = watchAnswers({ clock, router }, candidate, from.registration.callTimeoutMs, terms);
  const detail = (): string => `${watched.report.equal} answers equal, ${watched.report.different} different`;
  try {
    await steps.take("shadow", { deadlineMs: durationMs, keepsDeadline: true, signal, detail }, async () => {
      const { again, done } = observe(clock, durationMs, signal, (over) => {
        const { verdict } = candidate.health;
        if (verdict !== undefined) throw new Error(verdict);
        return judge(watched.report, terms, over);
      });
      watched.listener = again;
      candidate.health.listener = again;
      router.mirror(name, watched.mirror);
      await done;
    });
  } finally {
    router.mirror(name, undefined);
    candidate.health.listener = undefined;
    steps.found({ shadow: watched.report });
  }
}

/** Returns whether enough answers are compared. Throws an error that says why the candidate fails. */
function judge(report: ShadowReport, { minCalls, maxDifferenceRate, durationMs }: ShadowTerms, over: boolean): boolean {
  const { equal, different, failed } = report;
  const [bad, compared] = [different + failed, equal + different + failed];
  if (exceeds(bad, Math.max(minCalls, compared), maxDifferenceRate)) {
    const [first] = report.differences;
    const where =
      first === undefined ? "" : `; ${first.method} ${first.path}: ${first.current}, now ${first.candidate}`;
    throw new Error(`${bad} of ${compared} answers differ${where}`);
  }
  if (over && compared < minCalls) {
    throw new Error(`${compared} of ${minCalls} calls of pure methods were compared within ${seconds(durationMs)}`);
  }
  return compared >= minCalls;
}

interface Watched {
  readonly report: ShadowReport;
  listener: () => void;
  mirror(method: string, input: Payload, output: Payload): void;
}

function watchAnswers(
  { clock, router }: Pick<SwapContext, "clock" | "router">,
  candidate: Generation,
  timeoutMs: number,
  terms: ShadowTerms,
): Watched {
  const counts = { mirrored: 0, equal: 0, different: 0, failed: 0, dropped: 0 };
  const differences: ShadowReport["differences"][number][] = [];
  const isMirrored = picking(terms.percentage / 100);
  const tolerance = { relative: terms.relativeTolerance, absolute: terms.absoluteTolerance };
  let underWay = 0;
  const differ = (
    kind: "different" | "failed",
    method: string,
    path: string,
    current: unknown,
    other: unknown,
  ): void => {
    counts[kind] += 1;
    if (differences.length >= MAX_DIFFERENCES) return;
    differences.push({ method, path: short(path), current: short(current), candidate: short(other) });
  };
  const compare = async (method: string, input: Payload, output: Payload): Promise<void> => {
    try {
      const answer = await router.invokeIn(candidate, method, input, { timeoutMs, trial: candidate.trial });
      const found = firstDifference(contentOf(output), contentOf(answer), tolerance);
      if (found === undefined) counts.equal += 1;
      else differ("different", method, found.path, found.current, found.candidate);
    } catch (error) {
      differ("failed", method, "", contentOf(output), messageOf(error));
    }
  };
  const watched: Watched = {
    get report() {
      return { ...counts, differences: [...differences] };
    },
    listener: () => {},
    mirror(method, input, output) {
      if (!isMirrored()) return;
      if (underWay >= MAX_UNDER_WAY) {
        counts.dropped += 1;
        return;
      }
      counts.mirrored += 1;
      underWay += 1;
      // The caller gets its answer first.
      clock.setTimer(0, () => {
        void compare(method, input, output).then(() => {
          underWay -= 1;
          watched.listener();
        });
      });
    },
  };
  return watched;
}

function contentOf(payload: Payload): unknown {
  return "binary" in payload ? payload.binary : payload.json;
}

function short(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
