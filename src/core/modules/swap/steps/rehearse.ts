import type { Generation } from "../../calls/generation.ts";
import { swapTrial } from "../../calls/trial.ts";
import { onEnd } from "../../host/types/ended.ts";
import { dependenciesOf, type OperationContext } from "../../operations/context.ts";
import { loadOrder } from "../../record/dependencies.ts";
import { differences } from "../../record/registration.ts";
import { forEach, type Member, type Swap } from "../state/member.ts";
import type { Gate } from "./gate.ts";
import { subjectOf } from "./subject.ts";
import type { WarmUp } from "./warm-up.ts";

/** What a swap needs besides the context. */
export interface SwapTools {
  readonly warmUp: WarmUp;
  /** Undefined: there is none. */
  gate(): Gate | undefined;
}

/** Time that a swap may take to read the new code; the swap fails beyond it. @limit ms */
const VERIFY_LIMIT_MS = 15_000;
/** Time that a swap may take to read the new code where it has assets; the swap fails beyond it. @limit ms */
const VERIFY_ASSETS_LIMIT_MS = 75_000;

/** Finds the code of every candidate. */
export async function verify(swap: Swap): Promise<void> {
  await forEach(swap.members, async (member) => {
    const deadlineMs = member.plan.hasAssets ? VERIFY_ASSETS_LIMIT_MS : VERIFY_LIMIT_MS;
    const options = { deadlineMs, signal: swap.cancelled };
    member.code = await member.steps.take("verify", options, () => member.plan.code());
  });
}

/** Whether a swap would change nothing for a module. */
export function isUnchanged({ plan, code, from, before, old }: Member): boolean {
  const serves = old !== undefined && old.ending === undefined && before.record.lifecycle.state === "ACTIVE";
  if (plan.force || !serves || code?.artifact !== from.code.artifact) return false;
  const { registration, running } = from;
  const sameLabel = plan.label === "" || plan.label === running.version;
  return sameLabel && differences(plan.registration(code, registration.version), registration).length === 0;
}

/** Starts the candidates, each after those that it calls. They call each other. */
export async function start(context: OperationContext, swap: Swap): Promise<void> {
  await swap.enter("start");
  const peers = new Map<string, Generation>();
  const order = loadOrder(swap.modules, dependenciesOf(context));
  for (const name of order) {
    const member = swap.members.find((one) => one.name === name);
    if (member === undefined) continue;
    await startOne(context, swap, member, peers);
    if (member.candidate !== undefined && swap.members.length > 1) peers.set(name, member.candidate);
  }
}

async function startOne(
  context: OperationContext,
  swap: Swap,
  member: Member,
  peers: Map<string, Generation>,
): Promise<void> {
  const { name, plan, before, code, steps } = member;
  if (code === undefined) throw new Error("the code was found");
  const registration = plan.registration(code, "");
  const deadlineMs = registration.startTimeoutMs;
  const detail = ({ number, running }: Generation) => `generation ${number}, version ${running.version}`;
  member.candidate = await steps.take(
    "start",
    { deadlineMs, keepsDeadline: true, signal: swap.cancelled, detail },
    async () => {
      const trial = swapTrial(registration);
      const standing = { peers, acts: false, trial };
      const request = { registration, module: code, version: plan.version, ...standing, signal: swap.cancelled };
      const candidate = await context.generations.start(name, before.record.starts, request);
      if (swap.abandoned) context.generations.discard(name, candidate);
      return candidate;
    },
  );
}

/** Everything that the candidates must stand while the old versions serve. */
export async function rehearse(context: OperationContext, tools: SwapTools, swap: Swap): Promise<void> {
  await swap.enter("health");
  await forEach(swap.members, (member) => checkHealth(swap, member));
  await swap.enter("gate");
  await forEach(swap.members, (member) => passGate(context, tools, swap, member));
  await swap.enter("warm_up");
  await forEach(swap.members, (member) => warmUp(context, tools, swap, member));
}

async function checkHealth(swap: Swap, { steps, candidate, from }: Member): Promise<void> {
  if (!candidate?.instance.shape.hasHealth) return steps.skip("health", "the module has no health method");
  const { startTimeoutMs } = from.registration;
  const options = { deadlineMs: startTimeoutMs, keepsDeadline: true, signal: swap.cancelled };
  await steps.take("health", options, () => living(candidate, () => candidate.health.check(startTimeoutMs)));
}

async function passGate(context: OperationContext, tools: SwapTools, swap: Swap, member: Member): Promise<void> {
  const gate = tools.gate();
  const { plan, steps, candidate } = member;
  const { suite, testRun } = plan;
  if (suite === "" && testRun === "") return steps.skip("gate", "no test suite");
  if (gate === undefined || candidate === undefined) return steps.skip("gate", "tests cannot be run here");
  const over = new AbortController();
  const signal = AbortSignal.any([swap.cancelled, over.signal]);
  const told = (detail: string): string => (testRun === "" ? `suite ${suite}: ${detail}` : detail);
  const options = { deadlineMs: swap.terms.gateTimeoutMs, signal: swap.cancelled, detail: (text: string) => text };
  const subject = subjectOf(context, swap, member, candidate, signal);
  // What its tests come to is of no use then.
  const stopListening = onEnd(candidate.instance, () => over.abort());
  await steps
    .take("gate", options, async () => {
      const { passed, detail } = await living(candidate, () => gate({ suite, run: testRun }, subject, signal));
      if (!passed) throw new Error(told(detail));
      return told(detail);
    })
    .finally(() => {
      stopListening();
      over.abort();
      subject.end();
    });
}

async function warmUp(context: OperationContext, tools: SwapTools, swap: Swap, member: Member): Promise<void> {
  const { name, plan, steps, code, candidate } = member;
  if (code === undefined || candidate === undefined) return;
  const registration = plan.registration(code, candidate.running.version);
  const hooks = tools.warmUp.count(name, registration);
  if (hooks === 0) return steps.skip("warm_up", "no reload hooks");
  const deadlineMs = registration.callTimeoutMs * hooks;
  const detail = (): string => `${hooks} ${hooks === 1 ? "hook" : "hooks"}`;
  await steps.take("warm_up", { deadlineMs, keepsDeadline: true, signal: swap.cancelled, detail }, () =>
    living(candidate, () => tools.warmUp.run(context, name, registration, candidate)),
  );
}

/** One that has ended, or has become unhealthy, fails every step, whatever the step does with it. */
async function living<T>(candidate: Generation, work: () => Promise<T>): Promise<T> {
  const result = await work();
  if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
  if (candidate.health.verdict !== undefined) throw new Error(candidate.health.verdict);
  return result;
}
