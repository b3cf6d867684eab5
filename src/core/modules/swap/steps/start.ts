import { faultIn, isReason, type Reason } from "../../../errors/error.ts";
import type { Generation, Peers } from "../../calls/generation/generation.ts";
import { swapTrial, type Trial } from "../../calls/generation/trial.ts";
import type { StartRequest } from "../../calls/generations.ts";
import type { ResolvedModule } from "../../host/types/host.ts";
import { verified } from "../../operations/context.ts";
import { differences } from "../../record/registration.ts";
import { enter, forEach, type SwapContext } from "../state/context.ts";
import { calledFirst } from "../state/pause.ts";
import { registrationOf, type Source } from "../state/plan.ts";
import { withPresent } from "../state/serving.ts";
import type {
  Ended,
  GivenUp,
  Planned,
  PlannedMember,
  Started,
  StartedMember,
  Verified,
  VerifiedMember,
} from "../state/state.ts";

/** Time that a swap may take to read the new code; then the swap fails. @limit ms */
const VERIFY_LIMIT_MS = 15_000;
/** Time that a swap may take to read new code with assets; then the swap fails. @limit ms */
const VERIFY_ASSETS_LIMIT_MS = 75_000;
/** Mistakes of the caller. They reject the swap. Other failures end it with a report. */
const MISTAKES: readonly Reason[] = [
  "MODULE_PATH_OUTSIDE_ROOT",
  "MODULE_FILE_NOT_FOUND",
  "MODULE_INVALID",
  "MODULE_ASSET_INVALID",
];

/**
 * Reads the code of every candidate, and leaves out the modules that would not change. Rejects if a path is wrong, or after a
 * fault of the machine.
 */
export async function verify(context: SwapContext, { members }: Planned): Promise<Verified | Ended> {
  try {
    const verified = await forEach(members, async (member) => ({ ...member, code: await readCode(context, member) }));
    const changing = verified.filter((member) => !isUnchanged(member));
    if (changing.length === 0) return { state: "ENDED", outcome: "UNCHANGED", members: [] };
    return { state: "VERIFIED", members: changing };
  } catch (error) {
    if (faultIn(error) !== undefined || MISTAKES.some((reason) => isReason(error, reason))) throw error;
    return { state: "ENDED", outcome: "GIVEN_UP", members, fault: undefined };
  }
}

function readCode(context: SwapContext, { steps, plan: { source } }: PlannedMember): Promise<ResolvedModule> {
  const deadlineMs = hasAssets(source) ? VERIFY_ASSETS_LIMIT_MS : VERIFY_LIMIT_MS;
  return steps.take("verify", { deadlineMs, signal: context.cancelled }, async () =>
    context.pins.hold(source.type === "KEPT" ? source.code : await verified(context, source.files)),
  );
}

/** Whether the code has assets, which may be large. */
function hasAssets(source: Source): boolean {
  return source.type === "FILES" && (source.files.assets ?? []).length > 0;
}

/** Whether a swap would change nothing for a module. */
function isUnchanged({ plan, code, from, old }: VerifiedMember): boolean {
  const serves = old !== undefined && old.ending === undefined && plan.before.record.lifecycle.state === "ACTIVE";
  if (plan.force || !serves || code.artifact !== from.code.artifact) return false;
  const { registration, running } = from;
  const { asked } = plan.version;
  const sameLabel = asked === "" || asked === running.version;
  return sameLabel && differences(registrationOf(plan, registration.version), registration).length === 0;
}

/** Starts the candidates, each one after those that it calls. Candidates call each other, not the old versions. */
export async function start(context: SwapContext, { members }: Verified): Promise<Started | GivenUp> {
  // Starts and tests may take long. The supervisor may restart an old version that ends meanwhile.
  const endRestarts = context.operations.letGuestsIn(members.map(({ name }) => name));
  await enter(context, "start", members);
  const peers: Peers = new Map();
  const started = new Map<string, StartedMember>();
  try {
    for (const member of calledFirst(context, members, context.plan.modules)) {
      const candidate = await startOne(context, member, peers);
      started.set(member.name, { ...member, candidate });
      if (members.length > 1) peers.set(member.name, candidate);
    }
  } catch (error) {
    await endRestarts();
    const uncommitted = members.map((member) => started.get(member.name) ?? member);
    return { state: "GIVEN_UP", members: withPresent(context, uncommitted), error };
  }
  return { state: "STARTED", members: members.flatMap(({ name }) => started.get(name) ?? []), endRestarts };
}

function startOne(context: SwapContext, member: VerifiedMember, peers: Peers): Promise<Generation> {
  const { name, plan, steps } = member;
  const { cancelled: signal, generations } = context;
  const deadlineMs = plan.registration.startTimeoutMs;
  const detail = ({ number, running }: Generation) => `generation ${number}, version ${running.version}`;
  const late = (candidate: Generation): void => generations.discard(name, candidate);
  return steps.take("start", { deadlineMs, keepsDeadline: true, signal, detail, late }, () =>
    generations.start(
      name,
      plan.before.record.starts,
      startRequest(member, { peers, trial: swapTrial(plan.registration), signal }),
    ),
  );
}

/** Returns how to start a candidate, or an instance of its code for tests. */
export function startRequest(
  { plan, code }: VerifiedMember,
  others: { readonly peers: Peers; readonly trial: Trial; readonly signal: AbortSignal },
): StartRequest {
  return { registration: plan.registration, module: code, version: plan.version, acts: false, ...others };
}
