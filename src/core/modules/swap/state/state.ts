import type { HeliosError } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import type { ResolvedModule } from "../../host/types/host.ts";
import type { Served } from "../../record/record.ts";
import type { Switch } from "./journal.ts";
import { type ModulePlan, registrationOf } from "./plan.ts";
import type { Serving } from "./serving.ts";
import type { Steps } from "./steps.ts";

/**
 * A swap in progress. Each step takes one of these states and returns the next. A state has only the data that exists by
 * then. GIVEN_UP can follow the states from VERIFIED to HANDED_OVER. ENDED is the last state.
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

/** The state with that name, and the modules that are in it. */
interface In<State extends string, Member> {
  readonly state: State;
  readonly members: readonly Member[];
}

/** No step has begun. */
export type Planned = In<"PLANNED", PlannedMember>;

/** The new code is read. From now on, the members are the modules that change. */
export type Verified = In<"VERIFIED", VerifiedMember>;

/** The candidates have started. An old version that ends while they are tested is started again. */
export interface Started extends In<"STARTED", StartedMember> {
  /** Stops these restarts. Resolves when those in progress have ended. */
  readonly endRestarts: () => Promise<void>;
}

/**
 * The candidates have passed every test. `old` is the version that serves now. It may have been restarted meanwhile.
 */
export type Tested = In<"TESTED", StartedMember>;

/**
 * The candidates have the state of the old versions, and calls wait. The commit is being written and cannot be cancelled.
 */
export type HandedOver = In<"HANDED_OVER", HandedOverMember>;

/**
 * A step before the commit failed. The started candidates must end, and the old versions continue to serve. Each member has
 * the data of the last state that it reached.
 */
export interface GivenUp extends In<"GIVEN_UP", UncommittedMember> {
  readonly error: unknown;
}

/** The journal and the records say that the new versions serve, and they do. */
export type Committed = In<"COMMITTED", CommittedMember>;

/** The new versions continue to serve. The old ones must stop when their calls have ended. */
export interface Kept extends In<"KEPT", CommittedMember> {
  readonly draining: Draining;
  /** Why the new versions continue to serve although the bake failed. Absent: it did not fail. */
  readonly stayed?: string;
}

/** The old versions serve again after a failed bake. The new ones must stop. */
export interface Returned extends In<"RETURNED", CommittedMember> {
  readonly draining: Draining;
}

/** The result of a bake. */
export type Baked = Omit<Kept, "draining"> | Omit<Returned, "draining">;

/** The result of the swap. */
export type Ended = { readonly state: "ENDED" } & (
  | { readonly outcome: "UNCHANGED"; readonly members: readonly never[] }
  /** `fault`: the error of the store or the machine, if that ended the swap. The same swap can then be requested again. */
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
  /** Whether the new version lacks the state of the old one, although nobody asked for that. */
  readonly stateLost: boolean;
}

/** A member whose new version serves. `old` stands by. */
export interface CommittedMember extends HandedOverMember {
  /** The change as it is stored in the journal. */
  readonly switched: Switch;
  /** The epoch of the breaker before the new version served. 0 if the module had no breaker. */
  readonly breakerEpoch: number;
}

export type UncommittedMember = PlannedMember | VerifiedMember | StartedMember | HandedOverMember;

/** The wait for the calls that the old versions have begun. */
export interface Draining {
  /** Never rejects. */
  readonly ended: Promise<void>;
  /** Ends the wait, because the old versions serve again and get new calls. */
  stop(): void;
}

/** Whether the commit has begun. From then on, the swap cannot be cancelled. */
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

/** Returns the members whose candidate has started. */
export function startedOf(members: readonly UncommittedMember[]): readonly StartedMember[] {
  return members.filter((member) => "candidate" in member);
}

/** Returns what is recorded of a candidate when it serves. */
export function servedBy({ plan, code, candidate: { running } }: StartedMember): Served {
  return { registration: registrationOf(plan, running.version), code, configVersion: plan.configVersion, running };
}
