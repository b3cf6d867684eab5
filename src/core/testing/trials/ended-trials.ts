import { HeliosError } from "../../errors/error.ts";
import { MOST_ENDED_TRIALS, type TrialCode } from "./trial-instance.ts";

/** A trial that has ended. */
interface EndedTrial {
  readonly trial: TrialCode;
  /** Why it ended; for people. */
  readonly why: string;
  /** How its instance crashed. Undefined: it did not, or a caller has been told. */
  crash: string | undefined;
}

/** The last trials that have ended: what reports and late calls need to know of them. */
export class EndedTrials {
  readonly #byId = new Map<string, EndedTrial>();

  add(ended: EndedTrial): void {
    this.#byId.set(ended.trial.id, ended);
    const [oldest] = this.#byId.keys();
    if (this.#byId.size > MOST_ENDED_TRIALS && oldest !== undefined) this.#byId.delete(oldest);
  }

  find(id: string): TrialCode | undefined {
    return this.#byId.get(id)?.trial;
  }

  /** Notes that a caller knows that the instance crashed. */
  told(id: string): void {
    const ended = this.#byId.get(id);
    if (ended !== undefined) ended.crash = undefined;
  }

  /** TRIAL_NOT_FOUND, which says why the trial has ended. */
  notFound(id: string): HeliosError {
    const why = this.#byId.get(id)?.why ?? "it never was, or ended long ago";
    return HeliosError.of("TRIAL_NOT_FOUND", { id, why });
  }

  /** The error for a call: MODULE_CRASHED for the first one after a crash, and then TRIAL_NOT_FOUND. */
  callError(id: string): HeliosError {
    const ended = this.#byId.get(id);
    if (ended?.crash === undefined) return this.notFound(id);
    const { trial, crash } = ended;
    ended.crash = undefined;
    return crashed(trial, crash, false);
  }

  forgetModule(name: string): void {
    for (const [id, { trial }] of this.#byId) if (trial.name === name) this.#byId.delete(id);
  }
}

/** MODULE_CRASHED for a call of a trial. `delivered`: whether the instance may have received it. */
export function crashed({ name, modulePath }: TrialCode, error: string, delivered: boolean): HeliosError {
  return HeliosError.of("MODULE_CRASHED", { name: name || modulePath, error, delivered: String(delivered) });
}
