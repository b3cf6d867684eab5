import type { Clock } from "../clock.ts";
import { HeliosError } from "../errors.ts";
import type { Generation } from "./generation.ts";
import type { Ending } from "./host/host.ts";

/** How many calls may wait, as a multiple of those that may be under way. */
const WAITING_PER_CONCURRENCY = 4;

type Traffic =
  | { readonly to: "nobody"; readonly refusal: () => HeliosError }
  | {
      readonly to: "generation";
      readonly generation: Generation;
      readonly concurrency: number;
      readonly held: boolean;
    };

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly late: () => HeliosError;
  readonly signal: AbortSignal | undefined;
}

/** Where the calls of one module go: to one generation at a time, so many at once, the rest in order. */
export class Lane {
  readonly #name: string;
  readonly #clock: Clock;
  /** In order of arrival. */
  readonly #waiting = new Set<{ admit: (generation: Generation) => void; refuse: (error: unknown) => void }>();
  #traffic: Traffic;
  #inFlight = 0;

  constructor(name: string, clock: Clock, refusal: () => HeliosError) {
    this.#name = name;
    this.#clock = clock;
    this.#traffic = { to: "nobody", refusal };
  }

  /** Calls under way, in whichever generation. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Where calls go now. */
  get generation(): Generation | undefined {
    return this.#traffic.to === "generation" ? this.#traffic.generation : undefined;
  }

  /** From now on calls go there, those that wait too. A new generation ends a hold. */
  route(generation: Generation, concurrency: number): void {
    const held = this.#traffic.to === "generation" && this.#traffic.generation === generation && this.#traffic.held;
    this.#traffic = { to: "generation", generation, concurrency, held };
    this.#admit();
  }

  /** From now on calls are refused, those that wait too. */
  close(refusal: () => HeliosError): void {
    this.#traffic = { to: "nobody", refusal };
    for (const waiter of [...this.#waiting]) waiter.refuse(refusal());
  }

  /** Whether calls wait although there may be room. */
  get held(): boolean {
    return this.#traffic.to === "generation" && this.#traffic.held;
  }

  /** From now on calls wait; those under way go on. */
  hold(): void {
    if (this.#traffic.to === "generation") this.#traffic = { ...this.#traffic, held: true };
  }

  release(): void {
    if (this.#traffic.to === "generation") this.#traffic = { ...this.#traffic, held: false };
    this.#admit();
  }

  /**
   * Begins a call; whoever begins one ends it with `leave`. It waits where as many as may be are under way.
   * MODULE_OVERLOADED where too many wait already; MODULE_CRASHED where the generation has ended; `late()` after
   * `timeoutMs`; the signal's reason.
   */
  enter(options: WaitOptions): Generation | Promise<Generation> {
    const traffic = this.#traffic;
    if (traffic.to === "nobody") throw traffic.refusal();
    if (traffic.generation.ending !== undefined) throw this.#crashed(traffic.generation.ending);
    if (this.#waiting.size === 0 && hasRoom(traffic)) return this.#begin(traffic.generation);
    if (this.#waiting.size >= traffic.concurrency * WAITING_PER_CONCURRENCY) {
      const metadata = { name: this.#name, in_flight: traffic.generation.inFlight, queued: this.#waiting.size };
      throw HeliosError.of("MODULE_OVERLOADED", metadata);
    }
    return this.#wait(options);
  }

  leave(generation: Generation): void {
    this.#inFlight -= 1;
    generation.leave();
    this.#admit();
  }

  #wait({ timeoutMs, late, signal }: WaitOptions): Promise<Generation> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(waiter);
        timer.cancel();
        signal?.removeEventListener("abort", cancel);
      };
      const waiter = {
        admit: (generation: Generation): void => {
          done();
          resolve(generation);
        },
        refuse: (error: unknown): void => {
          done();
          reject(error);
        },
      };
      const cancel = (): void => waiter.refuse(signal?.reason);
      const timer = this.#clock.setTimer(timeoutMs, () => waiter.refuse(late()));
      signal?.addEventListener("abort", cancel, { once: true });
      this.#waiting.add(waiter);
    });
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      const traffic = this.#traffic;
      if (traffic.to === "nobody") return;
      // It is over; who was not sent to it in time must not be sent there now.
      const { ending } = traffic.generation;
      if (ending !== undefined) waiter.refuse(this.#crashed(ending));
      else if (!hasRoom(traffic)) return;
      else waiter.admit(this.#begin(traffic.generation));
    }
  }

  #crashed({ description }: Ending): HeliosError {
    return HeliosError.of("MODULE_CRASHED", { name: this.#name, error: description });
  }

  #begin(generation: Generation): Generation {
    this.#inFlight += 1;
    generation.enter();
    return generation;
  }
}

function hasRoom(traffic: Extract<Traffic, { to: "generation" }>): boolean {
  return !traffic.held && traffic.generation.inFlight < traffic.concurrency;
}
