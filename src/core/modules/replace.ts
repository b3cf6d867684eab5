import { HeliosError, isReason, messageOf, type Reason } from "../errors.ts";
import type { Cause } from "../store/store.ts";
import type { Generation } from "./generation.ts";
import { handOver } from "./hand-over.ts";
import type { Instance } from "./host/host.ts";
import { isRunning } from "./lifecycle.ts";
import type { Module, ModuleRecord, Registration, SwapReport } from "./record.ts";
import { advance, conflict, getModule, loadFailed, type Room, verified } from "./room.ts";
import { Steps } from "./steps.ts";
import { drained } from "./unload.ts";
import type { WarmUp } from "./warm-up.ts";

/** An instance that takes no traffic, and what runs in it. */
export interface Candidate {
  readonly name: string;
  readonly instance: Instance;
  readonly version: string;
  /** Of the file, in hex. */
  readonly sha256: string;
}

/** Runs a suite on the candidate of a swap; `detail` says how it went, for people. */
export type Gate = (
  suite: string,
  candidate: Candidate,
) => Promise<{ readonly passed: boolean; readonly detail: string }>;

/** What a replacement needs besides the room. */
export interface ReplaceTools {
  readonly warmUp: WarmUp;
  /** Undefined: there is none. */
  gate(): Gate | undefined;
}

/** One replacement of what runs. */
export interface Replacement {
  readonly cause: Cause;
  /** As it is from the commit on, given the version that runs then. */
  registration(version: string): Registration;
  /** The version of the candidate, given the class's own if it has one. */
  version(ofClass: string | undefined): string;
  /** Empty: none. */
  readonly suite: string;
  /** Whether it takes traffic, where what it replaces took none. */
  readonly activate: boolean;
}

/** How a replacement went; where it did not swap, what ran goes on. */
export interface SwapResult extends SwapReport {
  readonly module: Module;
}

/**
 * Starts a new generation beside the one that runs, and puts it in its place once it has stood every test. Until the
 * commit any failure ends the new one alone. Whoever calls it has the module to itself. Rejects, with nothing done, with
 * MODULE_NOT_HOT_RELOADABLE and with what is wrong with the path.
 */
export async function replaceRunning(
  room: Room,
  tools: ReplaceTools,
  module: Module,
  replacement: Replacement,
): Promise<SwapResult> {
  const { name, record } = module;
  const { lifecycle } = record;
  if (!record.registration.hotReloadable) throw HeliosError.of("MODULE_NOT_HOT_RELOADABLE", { name });
  if (!isRunning(lifecycle)) throw conflict(module, replacement.cause.action, "LOADED or ACTIVE");
  const steps = new Steps(room.clock);
  const old = room.generations.find(name, lifecycle.running.generation);
  let candidate: Generation | undefined;
  const report = (swapped: boolean): SwapReport => ({
    swapped,
    fromVersion: lifecycle.running.version,
    toVersion: candidate?.running.version ?? replacement.version(undefined),
    ...(steps.failed === undefined ? {} : { failedStep: steps.failed.name, failure: steps.failed.detail }),
    steps: steps.list,
    time: room.clock.now(),
  });
  try {
    candidate = await startCandidate(room, steps, module, replacement);
    await rehearse(room, tools, steps, { name, candidate, replacement });
    await takeOver(room, steps, module, old, candidate);
    await commit(room, steps, name, candidate, replacement, report);
  } catch (error) {
    const isMistake = PATH_ERRORS.some((reason) => isReason(error, reason));
    if (steps.failed?.name === "verify" && isMistake) throw error;
    if (candidate !== undefined) room.generations.discard(name, candidate);
    room.router.lane(name).release();
    room.log("modules", "warn", `module ${name} was not replaced`, { ...report(false), steps: undefined });
    return conclude(room, name, replacement.cause, report(false));
  }
  await retire(room, steps, name, old, record.registration.callTimeoutMs);
  return conclude(room, name, replacement.cause, report(true));
}

/** The caller's mistakes, told as errors and not as a swap that failed. */
const PATH_ERRORS: readonly Reason[] = ["MODULE_PATH_OUTSIDE_ROOT", "MODULE_FILE_NOT_FOUND", "MODULE_INVALID"];

async function startCandidate(
  room: Room,
  steps: Steps,
  { name, record }: Module,
  replacement: Replacement,
): Promise<Generation> {
  const registration = replacement.registration("");
  const module = await steps.take("verify", () => verified(room, registration.modulePath, registration.sha256));
  const { version } = replacement;
  return steps.take(
    "start",
    () => room.generations.start(name, record.generation, { registration, module, version }),
    ({ number, running }) => `generation ${number}, version ${running.version}`,
  );
}

/** Everything that the candidate must stand while the old generation serves. */
async function rehearse(
  room: Room,
  tools: ReplaceTools,
  steps: Steps,
  { name, candidate, replacement }: { name: string; candidate: Generation; replacement: Replacement },
): Promise<void> {
  const { instance, running } = candidate;
  const registration = replacement.registration(running.version);
  if (!instance.shape.hasHealth) steps.skip("health", "the module has no health method");
  else await steps.take("health", () => instance.checkHealth(registration.startTimeoutMs));
  const gate = tools.gate();
  const { suite } = replacement;
  if (suite === "" || gate === undefined) {
    steps.skip("gate", suite === "" ? "no test suite" : "tests cannot be run here");
  } else {
    const { version, sha256 } = running;
    await steps.take(
      "gate",
      async () => {
        const { passed, detail } = await gate(suite, { name, instance, version, sha256 });
        if (!passed) throw new Error(`suite ${suite}: ${detail}`);
        return detail;
      },
      (detail) => `suite ${suite}: ${detail}`,
    );
  }
  const hooks = tools.warmUp.count(name, registration);
  if (hooks === 0) steps.skip("warm_up", "no reload hooks");
  else {
    const run = () => tools.warmUp.run(room, name, registration, candidate);
    await steps.take("warm_up", run, () => `${hooks} ${hooks === 1 ? "hook" : "hooks"}`);
  }
}

async function takeOver(
  room: Room,
  steps: Steps,
  { name, record }: Module,
  old: Generation | undefined,
  candidate: Generation,
): Promise<void> {
  if (!old?.instance.shape.hasState) steps.skip("hand_over", "the old version has no state to hand over");
  else if (!candidate.instance.shape.hasState) steps.skip("hand_over", "the new version takes no state over");
  else {
    const { callTimeoutMs } = record.registration;
    await steps.take("hand_over", () => handOver(room, name, { old, candidate, callTimeoutMs }));
  }
}

/** The route follows the record in the moment in which it is stored: there is one truth, and a restart finds it. */
async function commit(
  room: Room,
  steps: Steps,
  name: string,
  candidate: Generation,
  { cause, activate, registration }: Replacement,
  report: (swapped: boolean) => SwapReport,
): Promise<void> {
  await steps.take("commit", async () => {
    const { running, ending } = candidate;
    if (ending !== undefined) throw loadFailed(name, "commit", new Error(ending.description));
    const event = { type: "replace", running: { ...running, loadTime: room.clock.now() }, activate } as const;
    await advance(room, name, cause, event, (record) => ({
      registration: registration(running.version),
      desired: activate ? "ACTIVE" : record.desired,
      generation: running.generation,
      lastSwap: report(true),
    }));
  });
}

/** The old generation ends its calls, then itself. Nothing that goes wrong here undoes the swap. */
async function retire(
  room: Room,
  steps: Steps,
  name: string,
  old: Generation | undefined,
  callTimeoutMs: number,
): Promise<void> {
  if (old === undefined) return;
  const calls = old.inFlight;
  await steps.take(
    "drain",
    () => drained(room, old, callTimeoutMs),
    (ended) => (ended ? `${calls} calls` : `${old.inFlight} calls were cut off`),
  );
  await steps.take("stop", () => room.generations.stop(name, old));
}

/** Records how it went. */
async function conclude(room: Room, name: string, cause: Cause, lastSwap: SwapReport): Promise<SwapResult> {
  const decide = (current: Module | undefined): ModuleRecord | undefined => current && { ...current.record, lastSwap };
  try {
    const module = await room.collection.change(name, cause, decide);
    return { ...lastSwap, module: module ?? getModule(room, name) };
  } catch (error) {
    room.log("modules", "error", `the report of a swap of module ${name} was not stored`, { error: messageOf(error) });
    return { ...lastSwap, module: getModule(room, name) };
  }
}
