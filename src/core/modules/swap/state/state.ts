import type { HeliosError } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import type { ResolvedModule } from "../../host/types/host.ts";
import type { Served } from "../../record/record.ts";
import type { Switch } from "./journal.ts";
import { type ModulePlan, registrationOf } from "./plan.ts";
import type { Serving } from "./serving.ts";
import type { Steps } from "./steps.ts";

/**
 * A swap under way. Each step takes one of these states and returns the next; a state holds what exists by then and
 * nothing else. GIVEN_UP can follow the states from VERIFIED to HANDED_OVER. ENDED ends them all.
 */
export type SwapState =
  | Planned
  | Verified
  | Started
  | Tested
  | HandedOver
  | GivenUp
  | Committed
  | Kept
  | Returned
  | Ended;

/** A state of that name, with the modules that are in it. */
interface In<State extends string, Member> {
  readonly state: State;
  readonly members: readonly Member[];
}

/** Nothing is done yet. */
export type Planned = In<"PLANNED", PlannedMember>;

/** The new code is read. From here on the members are the modules that change. */
export type Verified = In<"VERIFIED", VerifiedMember>;

/** The candidates have started. An old version that ends while they are tested is started again. */
export interface Started extends In<"STARTED", StartedMember> {
  /** Ends that: no restart begins any more. Resolves when the ones under way have given way. */
  readonly endRestarts: () => Promise<void>;
}

/**
 * The candidates have passed every test. `old` is the version that serves after the tests: it may have been restarted.
 */
export type Tested = In<"TESTED", StartedMember>;

/**
 * The candidates have the state of the old versions, and calls wait. The commit is being written: nothing cancels it.
 */
export type HandedOver = In<"HANDED_OVER", HandedOverMember>;

/**
 * A step before the commit failed: the candidates that have started are to end, and the old versions serve on. Each
 * member is in the state that it had come to.
 */
export interface GivenUp extends In<"GIVEN_UP", UncommittedMember> {
  readonly error: unknown;
}

/** The journal and the records say that the new versions serve, and they do. */
export type Committed = In<"COMMITTED", CommittedMember>;

/** The new versions serve for good. The old ones are to stop once they are drained. */
export interface Kept extends In<"KEPT", CommittedMember> {
  readonly draining: Draining;
  /** Why the new versions serve on although their trial failed. Absent: it did not fail. */
  readonly stayed?: string;
}

/** The old versions serve again after a trial. The new ones are to stop. */
export interface Returned extends In<"RETURNED", CommittedMember> {
  readonly draining: Draining;
}

/** How a trial ends. */
export type Tried = Omit<Kept, "draining"> | Omit<Returned, "draining">;

/** What came of the swap. */
export type Ended = { readonly state: "ENDED" } & (
  | { readonly outcome: "UNCHANGED"; readonly members: readonly never[] }
  /** `fault`: of the store or the machine, where that is why; the same swap can be asked for again then. */
  | { readonly outcome: "GIVEN_UP"; readonly members: GivenUp["members"]; readonly fault: HeliosError | undefined }
  | ({ readonly outcome: "KEPT" } & Pick<Kept, "members" | "stayed">)
  | ({ readonly outcome: "RETURNED" } & Pick<Returned, "members">)
);

/** One module of a swap. */
export interface PlannedMember extends Serving {
  readonly name: string;
  readonly plan: ModulePlan;
  readonly steps: Steps;
}

export interface VerifiedMember extends PlannedMember {
  readonly code: ResolvedModule;
}

export interface StartedMember extends VerifiedMember {
  readonly candidate: Generation;
}

export interface HandedOverMember extends StartedMember {
  /** Whether the version that is to serve lacks the state of the other, although nobody asked for that. */
  readonly stateLost: boolean;
}

/** `old` stands by now. */
export interface CommittedMember extends HandedOverMember {
  /** As the journal has it. */
  readonly switched: Switch;
  /** The epoch of its breaker before the new version served; 0 where it had no breaker. */
  readonly breakerEpoch: number;
}

export type UncommittedMember = PlannedMember | VerifiedMember | StartedMember | HandedOverMember;

/** The calls that the old versions have begun, and complete. */
export interface Draining {
  /** Never rejects. */
  readonly ended: Promise<void>;
  /** Ends the wait: the old versions serve again, and get new calls. */
  stop(): void;
}

/** Whether the new versions serve, or will as soon as the journal has it: the swap cannot be cancelled any more. */
export function isDecided(state: SwapState): boolean {
  switch (state.state) {
    case "HANDED_OVER":
    case "COMMITTED":
    case "KEPT":
    case "RETURNED":
      return true;
    case "ENDED":
      return state.outcome === "KEPT" || state.outcome === "RETURNED";
    default:
      return false;
  }
}

/** The members whose candidate has started. */
export function startedOf(members: readonly UncommittedMember[]): readonly StartedMember[] {
  return members.filter((member) => "candidate" in member);
}

/** What a candidate is when it serves. */
export function servedBy({ plan, code, candidate: { running } }: StartedMember): Served {
  return { registration: registrationOf(plan, running.version), code, configVersion: plan.configVersion, running };
}
