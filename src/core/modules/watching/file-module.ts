import type { Timer } from "../../../kernel/clock.ts";
import type { By } from "../../change.ts";
import { faultIn, HeliosError, isReason, messageOf } from "../../errors/error.ts";
import { cut } from "../../text/cut.ts";
import { oneLine } from "../../text/one-line.ts";
import type { ResolvedModule } from "../host/types/host.ts";
import { failureOf, getModule, type OperationContext } from "../operations/context.ts";
import { isRunning } from "../record/lifecycle.ts";
import { type Module, type ModuleRecord, versionOf } from "../record/record.ts";
import type { SwapResult } from "../swap/report.ts";
import { withPlace } from "../swap/state/steps.ts";

/** The operations on a module whose files have changed. */
export interface FileActions {
  swap(name: string, by: By): Promise<SwapResult>;
  /** Starts a module that does not run, or replaces an instance that takes no calls. */
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
const MAX_LOGGED = 1000;

/** The actor of operations that begin because files have changed. */
const FILE_ACTOR = "file";

/** Swaps or starts one module when its files have changed. */
export class FileModule {
  readonly #name: string;
  readonly #context: OperationContext;
  readonly #actions: FileActions;
  /** Requests another `act`. */
  readonly #requestAct: () => void;
  /** The artifact in the files when they were last handled. */
  #handled: string | undefined;
  /** Whether that code could not be read, started or swapped. */
  #failed = false;
  /** Whether to try again even if the code is the same. */
  #retry = false;
  #changed = new Set<string>();
  /** The path of the module's file when it was last handled. */
  #path: string | undefined;
  /** The problem to log if the files stay unchanged. */
  #pending: string | undefined;
  /** The problem of the last reading. It is logged if the next reading fails in the same way. */
  #suspect: string | undefined;
  /** The text that was logged last, so that it is not logged twice. */
  #logged: string | undefined;
  #timer: Timer | undefined;

  constructor(name: string, context: OperationContext, actions: FileActions, requestAct: () => void) {
    this.#name = name;
    this.#context = context;
    this.#actions = actions;
    this.#requestAct = requestAct;
  }

  /** The code in the files. Undefined until it was read. */
  found: ResolvedModule | undefined;

  /** Notes that files have changed. A problem that was not logged yet may be repaired by that. */
  changed(files: readonly string[]): void {
    for (const file of files) this.#changed.add(file);
    // A file that was saved again is tried again, even if its content is the same. A directory changes too often for that.
    this.#retry = this.#failed && files.some(hasExtension);
    this.#suspect = undefined;
    if (this.#pending !== undefined) this.#logIfStable(this.#pending);
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Swaps or starts the module if its files contain other code than the version that runs. Never rejects. */
  async act(): Promise<void> {
    const record = this.#record();
    if (record === undefined) return;
    const { modulePath } = record.registration;
    // A swap or rollback has changed the path of the file.
    if (modulePath !== this.#path) this.#beginPath(modulePath);
    try {
      this.found = await this.#context.host.resolve(modulePath, record.registration.assets);
    } catch (error) {
      this.#handled = undefined;
      this.#pending = undefined;
      await this.#reportUnreadable(error);
      return;
    }
    const { artifact } = this.found;
    const isFirst = this.#handled === undefined && this.#changed.size === 0;
    if (artifact === this.#handled && !this.#retry) return;
    this.#retry = false;
    this.#pending = undefined;
    this.#handled = artifact;
    // After a rollback, the files still contain the code that was replaced.
    if ((isFirst && isKnown(record, artifact)) || (isRunning(record.lifecycle) && artifact === record.code.artifact)) {
      return this.#reset();
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
    if (lifecycle.state === "LOADING") return this.#actLater(BROKEN_INTERVAL_MS);
    const by = { actor: FILE_ACTOR, reason: this.#reason() };
    if (!registration.hotReloadable && isRunning(lifecycle)) {
      this.#log("warn", `module ${name} is registered as not hot reloadable: load it to use the changed files`);
      this.#failed = true;
      return;
    }
    try {
      // A freeze stops changed files even from loading a module that does not run.
      await this.#context.hotReload.check([name]);
      if (lifecycle.state === "ACTIVE") {
        const result = await this.#actions.swap(name, by);
        if (!result.swapped) return this.#fail(withoutName(result.failure ?? "", name));
      } else {
        await this.#actions.load(name, lifecycle.state === "LOADED" ? false : desired === "ACTIVE", by);
      }
      this.#reset();
      const what = isRunning(lifecycle) ? "swapped" : "started";
      const version = versionOf(getModule(this.#context, name).record);
      this.#context.log("modules", "info", `module ${name} was ${what}: ${by.reason}; version ${version} serves`);
    } catch (error) {
      await this.#handleError(error);
    }
  }

  async #handleError(error: unknown): Promise<void> {
    if (this.#context.isClosing() || isReason(error, "SERVER_DRAINING") || isReason(error, "MODULE_NOT_FOUND")) return;
    const name = this.#name;
    if (isReason(error, "MODULE_BUSY") || faultIn(error) !== undefined) {
      // The same code is tried again: after the other operation, or when the fault of the machine is over.
      this.#handled = undefined;
      this.#retry = true;
      if (faultIn(error) !== undefined) this.#log("warn", `module ${name} was not swapped: ${messageOf(error)}`);
      this.#actLater(BROKEN_INTERVAL_MS);
    } else if (isReason(error, "HOT_RELOAD_DISABLED")) {
      this.#failed = true;
      this.#log("warn", `module ${name} was not swapped: ${messageOf(error)}; the next change tries again`);
    } else this.#fail(this.#problemOf(error));
  }

  /** Handles files that cannot be read as a module. The problem is logged only if it is the same a second later. */
  async #reportUnreadable(error: unknown): Promise<void> {
    const problem = this.#problemOf(error);
    const isStable = this.#suspect === problem;
    this.#suspect = problem;
    this.#failed = true;
    if (!isStable)
      this.#context.log("modules", "debug", `the files of module ${this.#name} cannot be read at the moment`, {
        problem,
      });
    else if (this.#log("error", this.#describe(problem))) await this.#storeFailure(problem);
    // A missing import may appear in a directory that does not exist yet, and is therefore not watched.
    this.#actLater(BROKEN_INTERVAL_MS);
  }

  /** Handles a failed start or swap. The problem is logged if the files stay unchanged. */
  #fail(problem: string): void {
    this.#failed = true;
    this.#logIfStable(problem);
  }

  #logIfStable(problem: string): void {
    this.#pending = problem;
    this.#timer?.cancel();
    this.#timer = this.#context.clock.setTimer(STABLE_MS, () => {
      this.#pending = undefined;
      this.#log("error", this.#describe(problem));
    });
  }

  /** Follows the file at another path from now on. */
  #beginPath(modulePath: string): void {
    this.#path = modulePath;
    this.#handled = undefined;
    this.#reset();
  }

  #describe(problem: string): string {
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

  /** Stores the problem in `last_swap`, as if a swap had failed at `verify`. */
  async #storeFailure(problem: string): Promise<void> {
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
        this.#context.log("modules", "warn", "a problem in the files of a module was not stored", {
          error: messageOf(error),
        }),
      );
  }

  /** Logs a text unless it is the same as the last one. Returns whether it was logged. */
  #log(level: "warn" | "error", text: string): boolean {
    if (this.#logged === text) return false;
    this.#logged = text;
    this.#context.log("modules", level, oneLine(cut(text, MAX_LOGGED)), { module: this.#name });
    return true;
  }

  #reset(): void {
    this.#suspect = undefined;
    this.#pending = undefined;
    this.#logged = undefined;
    this.#failed = false;
    this.#changed.clear();
    this.#timer?.cancel();
  }

  #actLater(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.clock.setTimer(ms, this.#requestAct);
  }

  #reason(): string {
    const files = [...this.#changed].map((file) => file.split("/").at(-1) ?? file).sort();
    if (files.length === 0) return "its files have changed";
    const more = files.length > MOST_NAMED ? ` and ${files.length - MOST_NAMED} more` : "";
    return cut(`${files.slice(0, MOST_NAMED).join(", ")}${more} changed`, MAX_LOGGED);
  }
}

/** Whether a path is a file and not a directory, judging by its extension. */
function hasExtension(file: string): boolean {
  return /\.\w+$/.test(file);
}

/** Removes the start of a failure that repeats the module's name, because the log line has it already. */
function withoutName(failure: string, name: string): string {
  const prefix = `module ${name} failed at `;
  return failure.startsWith(prefix) ? failure.slice(failure.indexOf(": ") + 2) : failure;
}

/** Whether the files of a module are followed, because it runs or is to run. */
export function isFollowed({ lifecycle, desired }: ModuleRecord): boolean {
  const { state } = lifecycle;
  return isRunning(lifecycle) || (desired !== "UNLOADED" && (state === "FAILED" || state === "LOADING"));
}

/** Whether an earlier generation ran this artifact. */
function isKnown({ generations }: ModuleRecord, artifact: string): boolean {
  return generations.some(({ code }) => code.artifact === artifact);
}
