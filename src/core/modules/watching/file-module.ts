import type { Timer } from "../../../kernel/clock.ts";
import type { By } from "../../change.ts";
import { faultIn, HeliosError, isReason, messageOf } from "../../errors/error.ts";
import { cut } from "../../size.ts";
import { oneLine } from "../../text/one-line.ts";
import type { ResolvedModule } from "../host/types/host.ts";
import { failureOf, getModule, type OperationContext } from "../operations/context.ts";
import { isRunning } from "../record/lifecycle.ts";
import { type Module, type ModuleRecord, versionOf } from "../record/record.ts";
import type { SwapResult } from "../swap/report.ts";
import { withPlace } from "../swap/state/steps.ts";

/** What can be done with a module whose files have changed. */
export interface FileActions {
  swap(name: string, by: By): Promise<SwapResult>;
  /** Starts it where it does not run, or puts a new start in the place of one that takes no traffic. */
  load(name: string, activate: boolean, by: By): Promise<Module>;
}

/**
 * Time for which files must stay unchanged before a failure to start is reported, because they may be half written.
 * @limit ms
 */
const STABLE_MS = 1000;
/**
 * Time until the files of a module that cannot be read are checked again, because their imports may be anywhere.
 * @limit ms
 */
const BROKEN_INTERVAL_MS = 1000;
/** Changed files that the `reason` of a swap by the actor `file` names; the others are counted. @limit files */
const MOST_NAMED = 3;
/** Length of a log text about the files of a followed module; the rest is cut. @limit characters */
const MAX_TOLD = 1000;

/** The actor of what is done because files have changed. */
const FILE_ACTOR = "file";

/** Keeps one module at what is in its files. */
export class FileModule {
  readonly #name: string;
  readonly #context: OperationContext;
  readonly #actions: FileActions;
  /** Asks for another `act`. */
  readonly #again: () => void;
  /** The code that was in the files when it was last acted on. */
  #seen: string | undefined;
  /** Whether what was in the files then came to nothing. */
  #failed = false;
  /** Whether that is to be tried again, though it is the same. */
  #retry = false;
  #changed = new Set<string>();
  /** At which path the module's file was then. */
  #path: string | undefined;
  /** What is to be told if the files stay as they are. */
  #pending: string | undefined;
  #suspect: string | undefined;
  #told: string | undefined;
  #timer: Timer | undefined;

  constructor(name: string, context: OperationContext, actions: FileActions, again: () => void) {
    this.#name = name;
    this.#context = context;
    this.#actions = actions;
    this.#again = again;
  }

  /** The code in the files, as far as it is known. */
  found: ResolvedModule | undefined;

  /** These have changed: what was about to be told of them may be wrong by now. */
  changed(files: readonly string[]): void {
    for (const file of files) this.#changed.add(file);
    // Saved once more: it may have been for another reason. A directory changes with whatever comes and goes in it.
    this.#retry = this.#failed && files.some(isCode);
    this.#suspect = undefined;
    if (this.#pending !== undefined) this.#tellLater(this.#pending);
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Puts what is in the files in the place of what serves, where it is something else. Never rejects. */
  async act(): Promise<void> {
    const record = this.#record();
    if (record === undefined) return;
    const { modulePath } = record.registration;
    // Somebody has swapped to another file, or gone back to one.
    if (modulePath !== this.#path) this.#begin(modulePath);
    try {
      this.found = await this.#context.host.resolve(modulePath, record.registration.assets);
    } catch (error) {
      this.#seen = undefined;
      this.#pending = undefined;
      await this.#broken(error);
      return;
    }
    const { artifact } = this.found;
    const isFirst = this.#seen === undefined && this.#changed.size === 0;
    if (artifact === this.#seen && !this.#retry) return;
    this.#retry = false;
    this.#pending = undefined;
    this.#seen = artifact;
    // What was rolled back from is still in the files.
    if ((isFirst && isKnown(record, artifact)) || (isRunning(record.lifecycle) && artifact === record.code.artifact)) {
      return this.#forgive();
    }
    await this.#replace(record);
  }

  #record(): ModuleRecord | undefined {
    const record = this.#context.collection.get(this.#name)?.record;
    return record !== undefined && isFollowed(record) ? record : undefined;
  }

  async #replace(record: ModuleRecord): Promise<void> {
    const { lifecycle, registration, desired } = record;
    const name = this.#name;
    if (lifecycle.state === "LOADING") return this.#later(BROKEN_INTERVAL_MS);
    const by = { actor: FILE_ACTOR, reason: this.#reason() };
    if (!registration.hotReloadable && isRunning(lifecycle)) {
      this.#tell("warn", `module ${name} is registered as not hot reloadable: what is in its files waits for a load`);
      this.#failed = true;
      return;
    }
    try {
      // Whatever else would load a module, a freeze keeps changes of files away.
      await this.#context.hotReload.check([name]);
      if (lifecycle.state === "ACTIVE") {
        const result = await this.#actions.swap(name, by);
        if (!result.swapped) return this.#fail(withoutName(result.failure ?? "", name));
      } else {
        await this.#actions.load(name, lifecycle.state === "LOADED" ? false : desired === "ACTIVE", by);
      }
      this.#forgive();
      const what = isRunning(lifecycle) ? "swapped" : "started";
      const version = versionOf(getModule(this.#context, name).record);
      this.#context.log("modules", "info", `module ${name} was ${what}: ${by.reason}; version ${version} serves`);
    } catch (error) {
      await this.#refused(error);
    }
  }

  async #refused(error: unknown): Promise<void> {
    if (this.#context.isClosing() || isReason(error, "SERVER_DRAINING") || isReason(error, "MODULE_NOT_FOUND")) return;
    const name = this.#name;
    if (isReason(error, "MODULE_BUSY") || faultIn(error) !== undefined) {
      // The same once more: after the operation at hand, or when the machine can again.
      this.#seen = undefined;
      this.#retry = true;
      if (faultIn(error) !== undefined) this.#tell("warn", `module ${name} was not swapped: ${messageOf(error)}`);
      this.#later(BROKEN_INTERVAL_MS);
    } else if (isReason(error, "HOT_RELOAD_DISABLED")) {
      this.#failed = true;
      this.#tell("warn", `module ${name} was not swapped: ${messageOf(error)}; the next change tries again`);
    } else this.#fail(this.#problemOf(error));
  }

  /** The files cannot be read as a module: that is told when they still cannot a while later, in the same way. */
  async #broken(error: unknown): Promise<void> {
    const problem = this.#problemOf(error);
    const isStable = this.#suspect === problem;
    this.#suspect = problem;
    this.#failed = true;
    if (!isStable)
      this.#context.log("modules", "debug", `the files of module ${this.#name} cannot be read yet`, { problem });
    else if (this.#tell("error", this.#sentence(problem))) await this.#note(problem);
    // What is missing may come to be in a directory that is not there yet.
    this.#later(BROKEN_INTERVAL_MS);
  }

  /** What was tried came to nothing: that is told when the files stay as they are. */
  #fail(problem: string): void {
    this.#failed = true;
    this.#tellLater(problem);
  }

  #tellLater(problem: string): void {
    this.#pending = problem;
    this.#timer?.cancel();
    this.#timer = this.#context.clock.setTimer(STABLE_MS, () => {
      this.#pending = undefined;
      this.#tell("error", this.#sentence(problem));
    });
  }

  /** Its files are those of another path from now on. */
  #begin(modulePath: string): void {
    this.#path = modulePath;
    this.#seen = undefined;
    this.#forgive();
  }

  #sentence(problem: string): string {
    const record = this.#record();
    return record !== undefined && isRunning(record.lifecycle)
      ? `module ${this.#name} was not swapped: ${problem}; version ${versionOf(record)} serves on`
      : `module ${this.#name} was not started: ${problem}`;
  }

  #problemOf(error: unknown): string {
    const { problem, error: thrown, stack } = error instanceof HeliosError ? error.metadata : {};
    const text = isReason(error, "MODULE_INVALID")
      ? problem
      : isReason(error, "MODULE_LOAD_FAILED")
        ? thrown
        : undefined;
    const place = stack === undefined ? undefined : this.#context.host.placeIn(stack);
    return withPlace(text ?? messageOf(error), place);
  }

  /** As though a swap had come to that: `last_swap` tells it, too. */
  async #note(problem: string): Promise<void> {
    const { clock, collection } = this.#context;
    const time = clock.now();
    const cause = { action: "SwapModule", actor: FILE_ACTOR, reason: this.#reason() };
    const { message: failure } = failureOf(new Error(problem), time);
    await collection
      .change(this.#name, cause, (current) => {
        if (current === undefined || !isRunning(current.record.lifecycle)) return undefined;
        const { version: fromVersion } = current.record.lifecycle.running;
        const steps = [{ name: "verify", durationMs: 0, outcome: "failed", detail: failure } as const];
        const how = {
          swapId: "",
          swapped: false,
          unchanged: false,
          stateLost: false,
          fromVersion,
          toVersion: "",
          steps,
          time,
        };
        return { ...current.record, lastSwap: { ...how, failedStep: "verify", failure } };
      })
      .catch((error: unknown) =>
        this.#context.log("modules", "warn", "what is wrong with a file was not stored", { error: messageOf(error) }),
      );
  }

  /** Tells each thing once; whether it was not told yet. */
  #tell(level: "warn" | "error", text: string): boolean {
    if (this.#told === text) return false;
    this.#told = text;
    this.#context.log("modules", level, oneLine(cut(text, MAX_TOLD)), { module: this.#name });
    return true;
  }

  #forgive(): void {
    this.#suspect = undefined;
    this.#pending = undefined;
    this.#told = undefined;
    this.#failed = false;
    this.#changed.clear();
    this.#timer?.cancel();
  }

  #later(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.clock.setTimer(ms, this.#again);
  }

  #reason(): string {
    const files = [...this.#changed].map((file) => file.split("/").at(-1) ?? file).sort();
    if (files.length === 0) return "its files have changed";
    const more = files.length > MOST_NAMED ? ` and ${files.length - MOST_NAMED} more` : "";
    return cut(`${files.slice(0, MOST_NAMED).join(", ")}${more} changed`, MAX_TOLD);
  }
}

/** Whether it is a file of code or data, by its name: directories have no dot in theirs, as a rule. */
function isCode(file: string): boolean {
  return /\.\w+$/.test(file);
}

/** The line names the module already. */
function withoutName(failure: string, name: string): string {
  const prefix = `module ${name} failed at `;
  return failure.startsWith(prefix) ? failure.slice(failure.indexOf(": ") + 2) : failure;
}

/** Whether changes of its files are of interest: it runs, or is to run. */
export function isFollowed({ lifecycle, desired }: ModuleRecord): boolean {
  const { state } = lifecycle;
  return isRunning(lifecycle) || (desired !== "UNLOADED" && (state === "FAILED" || state === "LOADING"));
}

/** Whether a generation that has ended ran it. */
function isKnown({ generations }: ModuleRecord, artifact: string): boolean {
  return generations.some(({ code }) => code.artifact === artifact);
}
