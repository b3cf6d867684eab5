import type { HeliosError } from "../../../errors/error.ts";
import type { Cause } from "../../../store/store.ts";
import type { Generation } from "../../calls/generation.ts";
import type { ResolvedModule } from "../../host/types/host.ts";
import { getModule, type OperationContext } from "../../operations/context.ts";
import { isRunning } from "../../record/lifecycle.ts";
import type { Module, Registration, Served } from "../../record/record.ts";
import type { CanaryReport, ShadowReport, StepName } from "../../record/report.ts";
import type { BakeLimits } from "../judging/bake-judge.ts";
import type { CanaryLimits } from "../judging/canary-judge.ts";
import type { Tolerance } from "../judging/compare.ts";
import type { Steps } from "./steps.ts";

/** What one module is to become by a swap. */
export interface Plan {
  /** Finds the code; what it throws is wrong with the path. */
  code(): Promise<ResolvedModule>;
  /** Whether files are read with it that may be large. */
  readonly hasAssets?: boolean;
  /** As it is from the commit on. */
  registration(code: ResolvedModule, version: string): Registration;
  readonly configVersion: number;
  /** Asked for; empty: none. */
  readonly label: string;
  /** The version of the candidate, given the class's own if it has one. */
  version(ofClass: string | undefined): string;
  /** Empty: none. */
  readonly suite: string;
  /** An earlier run that stands for the suite; empty: none. */
  readonly testRun: string;
  /** Whether it takes traffic, where what it replaces took none. */
  readonly activate: boolean;
  /** Whether it is done although nothing would change. */
  readonly force: boolean;
  /** Whether what the old version knows is let go. */
  readonly discardState: boolean;
}

export interface ShadowTerms {
  /** Of the calls of pure methods; 0 to 1. */
  readonly share: number;
  readonly durationMs: number;
  /** Answers to compare. */
  readonly minCalls: number;
  readonly tolerance: Tolerance;
  /** Share of the answers that may differ; 0 to 1. */
  readonly maxDifferenceRate: number;
}

export interface CanaryTerms extends CanaryLimits {
  /** Of the keys; 0 to 1. */
  readonly share: number;
  readonly durationMs: number;
}

/** How a swap is to go, for all of its modules. */
export interface Terms {
  readonly cause: Cause;
  /** 0: none. */
  readonly bakeMs: number;
  readonly bake: BakeLimits;
  /** How long calls may be held; absent: half of the shortest `call_timeout`, at most 5 s. */
  readonly maxPauseMs?: number | undefined;
  readonly gateTimeoutMs: number;
  readonly shadow?: ShadowTerms | undefined;
  readonly canary?: CanaryTerms | undefined;
}

/** One module of a swap. */
export interface Member {
  readonly name: string;
  readonly plan: Plan;
  /** As it was when the swap began. */
  readonly before: Module;
  /** What serves, and its instance: undefined where that has ended by itself. */
  from: Served;
  old: Generation | undefined;
  readonly steps: Steps;
  /** Of its breaker, before the new version is on trial. */
  breakerEpoch?: number | undefined;
  code?: ResolvedModule;
  candidate?: Generation;
  /** Whether what was known is lost to the version that serves, though nobody had asked for that. */
  stateLost?: boolean;
  shadow?: ShadowReport;
  canary?: CanaryReport;
}

/** A swap under way. */
export interface Swap {
  readonly id: string;
  /** Sorted. */
  readonly modules: readonly string[];
  /** Those that are being changed. */
  members: readonly Member[];
  readonly terms: Terms;
  /** Aborted to cancel it; it has no effect from the commit on. */
  readonly cancelled: AbortSignal;
  /** From the commit on: it cannot be cancelled any more. */
  committed: boolean;
  /** The candidates are given up: one that starts late is ended. */
  abandoned: boolean;
  /** What it was given up for, where that is a fault of the store or the machine: its id can be used again. */
  fault: HeliosError | undefined;
  /** Told as each step of all of its modules begins. */
  enter(step: StepName): Promise<void>;
  /** Why a version that was to go back serves on; absent where none had to, or it could. */
  stayed?: string | undefined;
  /** Resolves to why a version that serves on trial is to go back at once. */
  readonly returning: Promise<string>;
}

/** What serves a module now; undefined: nothing does. */
export function serving(context: OperationContext, name: string): Pick<Member, "from" | "old"> | undefined {
  const { registration, code, configVersion, lifecycle } = getModule(context, name).record;
  if (!isRunning(lifecycle)) return undefined;
  const { running } = lifecycle;
  return {
    from: { registration, code, configVersion, running },
    old: context.generations.find(name, running.generation),
  };
}

/** What served a module last that is FAILED; undefined: it is not. */
export function servedLast({ record }: Module): Pick<Member, "from" | "old"> | undefined {
  const { registration, code, configVersion, lifecycle, generation } = record;
  if (lifecycle.state !== "FAILED") return undefined;
  const { modulePath, sha256, artifact } = code;
  const unstarted = {
    generation,
    modulePath,
    version: registration.version,
    sha256,
    artifact,
    methods: [],
    loadTime: 0,
  };
  return { from: { registration, code, configVersion, running: lifecycle.last ?? unstarted }, old: undefined };
}

/** What a candidate becomes. Only once it has started. */
export function servedBy({ plan, code, candidate }: Member): Served {
  if (code === undefined || candidate === undefined) throw new Error("the candidate has started");
  const { running } = candidate;
  const registration = plan.registration(code, running.version);
  return { registration, code, configVersion: plan.configVersion, running };
}

/** Does something for every member at once; rejects with the first failure when all have ended. */
export async function forEach(members: readonly Member[], work: (member: Member) => Promise<unknown>): Promise<void> {
  const outcomes = await Promise.allSettled(members.map((member) => Promise.try(work, member)));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
