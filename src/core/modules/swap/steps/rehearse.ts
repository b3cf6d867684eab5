import { joined } from "../../../../kernel/async/signal.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import { onEnd } from "../../host/types/ended.ts";
import type { StepName } from "../../record/report.ts";
import { enter, forEach, type SwapContext } from "../state/context.ts";
import { registrationOf } from "../state/plan.ts";
import { withPresent } from "../state/serving.ts";
import type { GivenUp, Started, StartedMember, Tested } from "../state/state.ts";
import { canary } from "./canary.ts";
import type { Gate } from "./gate.ts";
import { shadow } from "./shadow.ts";
import { subjectOf } from "./subject.ts";
import type { WarmUp } from "./warm-up.ts";

/** Tests of a candidate that other parts provide. */
export interface SwapTools {
  readonly warmUp: WarmUp;
  /** Returns the function that runs suites. Undefined if no suites can be run. */
  gate(): Gate | undefined;
}

/** Runs the tests that the candidates must pass while the old versions serve, in order. */
export async function rehearse(
  context: SwapContext,
  tools: SwapTools,
  { members, endRestarts }: Started,
): Promise<Tested | GivenUp> {
  const { shadow: mirrored, canary: shared } = context.plan.terms;
  const pass = async (step: StepName, test: (member: StartedMember) => Promise<void>): Promise<void> => {
    await enter(context, step, members);
    await forEach(members, test);
  };
  const present = async (): Promise<readonly StartedMember[]> => {
    await endRestarts();
    return withPresent(context, members);
  };
  try {
    await pass("health", (member) => checkHealth(context, member));
    await pass("gate", (member) => passGate(context, tools, members, member));
    await pass("warm_up", (member) => warmUp(context, tools, member));
    if (mirrored !== undefined) await pass("shadow", (member) => shadow(context, mirrored, member));
    if (shared !== undefined) await pass("canary", (member) => canary(context, shared, member));
  } catch (error) {
    return { state: "GIVEN_UP", members: await present(), error };
  }
  return { state: "TESTED", members: await present() };
}

async function checkHealth(
  { cancelled: signal }: SwapContext,
  { steps, candidate, from }: StartedMember,
): Promise<void> {
  if (!candidate.instance.shape.hasHealth) return steps.skip("health", "the module has no health method");
  const { startTimeoutMs } = from.registration;
  const options = { deadlineMs: startTimeoutMs, keepsDeadline: true, signal };
  await steps.take("health", options, () => living(candidate, () => candidate.health.check(startTimeoutMs)));
}

async function passGate(
  context: SwapContext,
  tools: SwapTools,
  members: readonly StartedMember[],
  member: StartedMember,
): Promise<void> {
  const gate = tools.gate();
  const { plan, steps, candidate } = member;
  const { suite, testRun: run } = plan;
  if (suite === "" && run === "") return steps.skip("gate", "no test suite");
  if (gate === undefined) return steps.skip("gate", "tests cannot be run here");
  const { cancelled, plan: swap } = context;
  const over = joined([cancelled]);
  const { signal } = over;
  const format = (detail: string): string => (run === "" ? `suite ${suite}: ${detail}` : detail);
  const options = { deadlineMs: swap.terms.gateTimeoutMs, signal: cancelled, detail: (text: string) => text };
  const subject = subjectOf(context, members, member, signal);
  // If the candidate has ended, the result of its tests does not matter.
  const stopListening = onEnd(candidate.instance, () => over.abort());
  await steps
    .take("gate", options, async () => {
      const { passed, detail } = await living(candidate, () => gate({ suite, run }, subject, signal));
      if (!passed) throw new Error(format(detail));
      return format(detail);
    })
    .finally(() => {
      stopListening();
      over.abort();
      subject.end();
    });
}

async function warmUp(context: SwapContext, tools: SwapTools, member: StartedMember): Promise<void> {
  const { name, plan, steps, candidate } = member;
  const registration = registrationOf(plan, candidate.running.version);
  const hooks = tools.warmUp.count(name, registration);
  if (hooks === 0) return steps.skip("warm_up", "no reload hooks");
  const deadlineMs = registration.callTimeoutMs * hooks;
  const detail = (): string => `${hooks} ${hooks === 1 ? "hook" : "hooks"}`;
  await steps.take("warm_up", { deadlineMs, keepsDeadline: true, signal: context.cancelled, detail }, () =>
    living(candidate, () => tools.warmUp.run(context, name, registration, candidate)),
  );
}

/** Does the work of a step. Fails if the candidate has ended or become unhealthy meanwhile. */
async function living<T>(candidate: Generation, work: () => Promise<T>): Promise<T> {
  const result = await work();
  if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
  if (candidate.health.verdict !== undefined) throw new Error(candidate.health.verdict);
  return result;
}
