import type { Flag } from "../../../../gen/helios/v1/flag_pb.ts";
import type { Cause } from "../../../../gen/helios/v1/watch_pb.ts";
import type { Clock } from "../../../../src/kernel/clock.ts";
import { answer, type Evaluation } from "../../../../src/kernel/flags/evaluation.ts";
import { DefaultContext, type FlagContext } from "./context.ts";
import { detailsOf, type FlagDetails, type FlagErrorCode, type FlagSource, hasTypeOf, undecided } from "./decision.ts";
import { type Decidable, HeldFlags } from "./held.ts";
import type { Staleness } from "./rule.ts";
import type { Warnings } from "./warnings.ts";

/** A flag has changed. `flag` is undefined if it was deleted, `cause` if the client learned of it from a snapshot. */
export interface FlagChange {
  readonly name: string;
  readonly flag: Flag | undefined;
  readonly cause: Cause | undefined;
}

export interface LocalFlagsDeps {
  readonly clock: Clock;
  /** The service's wall time in ms, which decides the share of a schedule. */
  readonly serviceNow: () => number;
  readonly context: FlagContext;
  readonly warnings: Warnings;
  /**
   * Called for each decision of a flag that the client holds. UNSUPPORTED: it cannot decide that flag. Must be cheap, and must not
   * throw.
   */
  readonly decided: (flag: Decidable, evaluation: Evaluation | "UNSUPPORTED") => void;
  /** Called with what a listener of changes has thrown. */
  readonly listenerFailed: (error: unknown) => void;
}

/** Where the flags come from. */
type Origin =
  | { readonly from: "NOWHERE" }
  /** `ageMs`: how old they were when they were loaded. Infinite if that is not known. */
  | { readonly from: "FILE"; readonly ageMs: number; readonly loadedAt: number }
  | { readonly from: "SERVICE" };

/** Decides flags in this process, from what the service has said last. No decision throws, waits, or logs the same twice a minute. */
export class LocalFlags {
  readonly held = new HeldFlags();
  readonly #deps: LocalFlagsDeps;
  readonly #context: DefaultContext;
  #origin: Origin = { from: "NOWHERE" };
  /** When the service last confirmed the flags. */
  #heardAt = Number.NEGATIVE_INFINITY;
  #isUp = false;
  readonly #listeners = new Map<string, Set<(change: FlagChange) => void>>();

  constructor(deps: LocalFlagsDeps) {
    this.#deps = deps;
    this.#context = new DefaultContext(deps.context);
  }

  /** Time in ms since the service last confirmed the flags. Infinite if it never did. */
  get ageMs(): number {
    const origin = this.#origin;
    const now = this.#deps.clock.monotonic();
    return origin.from === "FILE" ? origin.ageMs + now - origin.loadedAt : now - this.#heardAt;
  }

  get source(): FlagSource {
    const { from } = this.#origin;
    if (from === "NOWHERE") return "DEFAULT";
    if (from === "FILE") return "SNAPSHOT";
    return this.#isUp ? "LIVE" : "STALE";
  }

  isEnabled(name: string, context?: FlagContext, standard = false): boolean {
    const evaluation = this.#evaluate(name, context);
    return typeof evaluation === "string" || evaluation.errorCode !== undefined ? standard : evaluation.enabled;
  }

  value<T>(name: string, context: FlagContext | undefined, standard: T): T {
    const evaluation = this.#evaluate(name, context);
    if (typeof evaluation === "string" || evaluation.errorCode !== undefined) return standard;
    if (hasTypeOf(evaluation.value, standard)) return evaluation.value as T;
    if (evaluation.enabled) this.#warnOfType(evaluation, standard);
    return standard;
  }

  details<T>(name: string, context: FlagContext | undefined, standard: T): FlagDetails<T> {
    const evaluation = this.#evaluate(name, context);
    const { ageMs, source } = this;
    if (typeof evaluation === "string") return undecided(name, standard, evaluation, ageMs);
    const details = detailsOf({ evaluation, source, ageMs }, standard);
    if (details.errorCode === "TYPE_MISMATCH") this.#warnOfType(evaluation, standard);
    return details;
  }

  /** Calls `listener` with each change of these flags, or of all if `names` is empty, until the returned function is called. */
  onChange(names: readonly string[], listener: (change: FlagChange) => void): () => void {
    const own = (change: FlagChange): void => listener(change);
    const keys = names.length === 0 ? [EVERY] : names;
    for (const key of keys) {
      const those = this.#listeners.get(key);
      if (those === undefined) this.#listeners.set(key, new Set([own]));
      else those.add(own);
    }
    return () => {
      for (const key of keys) {
        const those = this.#listeners.get(key);
        those?.delete(own);
        if (those?.size === 0) this.#listeners.delete(key);
      }
    };
  }

  /** The flags of the snapshot file. They apply until the service has sent its own. */
  loaded(flags: readonly Flag[], ageMs: number): void {
    if (this.#origin.from === "SERVICE") return;
    this.held.replace(flags);
    this.#origin = { from: "FILE", ageMs, loadedAt: this.#deps.clock.monotonic() };
  }

  /** The service has sent all flags. */
  replaced(flags: readonly Flag[]): void {
    const changes = this.#differences(flags);
    this.held.replace(flags);
    this.#origin = { from: "SERVICE" };
    this.heard();
    for (const change of changes) this.#announce(change);
  }

  /** Flags have changed together. */
  changed(changes: readonly FlagChange[]): void {
    for (const { name, flag } of changes) {
      if (flag === undefined) this.held.delete(name);
      else this.held.put(flag);
    }
    this.heard();
    for (const change of changes) this.#announce(change);
  }

  /** The service has confirmed what the client knows, also if that came from the snapshot file. */
  heard(): void {
    if (this.#origin.from === "FILE") this.#origin = { from: "SERVICE" };
    this.#isUp = true;
    this.#heardAt = this.#deps.clock.monotonic();
  }

  /** The connection is lost. */
  cut(): void {
    this.#isUp = false;
  }

  #evaluate(name: string, context: FlagContext | undefined): Evaluation | FlagErrorCode {
    const { serviceNow, decided, warnings } = this.#deps;
    try {
      const flag = this.held.decidable(name);
      if (flag === undefined) return this.#unknown(name);
      if (flag.compiled === undefined) {
        decided(flag, "UNSUPPORTED");
        warnings.warn(name, `this client does not know ${flag.unsupported}; a newer one does`);
        return "UNSUPPORTED";
      }
      const evaluation = this.#isTooOld(flag.staleness)
        ? answer({ name, revision: Number(flag.message.revision) }, false, "DEFAULT")
        : flag.compiled.evaluate(this.#context.with(context), serviceNow());
      decided(flag, evaluation);
      if (evaluation.errorCode !== undefined) warnings.warn(name, evaluation.errorCode);
      return evaluation;
    } catch (error) {
      // The caller's own objects can do that, for example by a getter.
      warnings.warn(String(name), error instanceof Error ? error.message : "the context cannot be read");
      return "GENERAL";
    }
  }

  #unknown(name: string): FlagErrorCode {
    const isReady = this.#origin.from !== "NOWHERE";
    this.#deps.warnings.warn(name, isReady ? "there is no such flag" : "the service has not answered yet");
    return isReady ? "FLAG_NOT_FOUND" : "NOT_READY";
  }

  #isTooOld({ onStale, maxStalenessMs }: Staleness): boolean {
    return onStale === "OFF" && maxStalenessMs !== undefined && this.ageMs > maxStalenessMs;
  }

  #warnOfType({ name, value }: Evaluation, standard: unknown): void {
    this.#deps.warnings.warn(name, `its value is of the type ${typeof value}, and the default of ${typeof standard}`);
  }

  #differences(flags: readonly Flag[]): readonly FlagChange[] {
    if (this.#listeners.size === 0) return [];
    const fresh = new Map(flags.map((flag) => [flag.name, flag]));
    const gone = this.held.messages().flatMap(({ name }) => (fresh.has(name) ? [] : [{ name, flag: undefined }]));
    const changed = flags.filter(({ name, etag }) => this.held.get(name)?.etag !== etag);
    return [...gone, ...changed.map((flag) => ({ name: flag.name, flag }))].map((one) => ({
      ...one,
      cause: undefined,
    }));
  }

  #announce(change: FlagChange): void {
    for (const key of [change.name, EVERY]) {
      for (const listener of this.#listeners.get(key) ?? []) {
        try {
          const result: unknown = listener(change);
          // A listener may be an async function, whose error would end the process.
          if (result instanceof Promise) result.catch(this.#deps.listenerFailed);
        } catch (error) {
          this.#deps.listenerFailed(error);
        }
      }
    }
  }
}

/** The key of listeners to all flags. No flag has an empty name. */
const EVERY = "";
