import { race, timeLimit } from "../../../kernel/async/race.ts";
import { onAbort } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError } from "../../errors/error.ts";
import { type CallChain, goesThrough } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";

/**
 * Calls of a module that may wait, as a multiple of those that may run; further ones are refused with
 * `MODULE_OVERLOADED`. @limit times `concurrency`
 */
const WAITING_PER_CONCURRENCY = 4;
/**
 * Calls that may wait while a swap hands state over, as a multiple of those that may otherwise run or wait; further
 * ones are refused with `MODULE_OVERLOADED`. @limit times as many
 */
const HELD_FACTOR = 4;

/** Why calls wait although there may be room. */
export interface Hold {
  /** Calls that go through one of these must end first: they, and what they call, are let through. */
  readonly draining: ReadonlySet<Generation>;
  /** As many wait as may: the hold had better end. */
  readonly overflow: () => void;
}

/** A generation that answers some of the callers in place of the one that serves. */
export interface Canary {
  readonly generation: Generation;
  readonly takes: (key: string) => boolean;
  /**
   * Told of each call that could have gone to either, when it has ended: where it went, and how it did. Of two that
   * were made at once the slower one is told later.
   */
  readonly saw: (generation: Generation, failed: boolean, durationMs: number) => void;
}

interface Route {
  readonly generation: Generation;
  readonly concurrency: number;
  readonly hold: Hold | undefined;
  readonly canary: Canary | undefined;
}

export interface EnterOptions {
  readonly timeoutMs: number;
  readonly late: () => HeliosError;
  readonly signal: AbortSignal | undefined;
  /** Callers with the same key get the same version; empty: none. */
  readonly key: string;
  readonly chain: CallChain | undefined;
}

interface Waiter {
  readonly key: string;
  readonly chain: CallChain | undefined;
  admit(generation: Generation): void;
  refuse(error: unknown): void;
}

/** The errors for calls that a lane lets nobody answer. */
export interface LaneErrors {
  /** Before it was first given somewhere to go. */
  readonly notServing: () => HeliosError;
  /** The generation that they were to go to has ended so. */
  readonly crashed: (description: string) => HeliosError;
}

/** Where the calls of one module go: to one generation at a time, so many at once, the rest in order. */
export class Lane {
  readonly name: string;
  /** The name of the breaker that guards its calls. */
  readonly breaker: string;
  readonly #clock: Clock;
  /** In order of arrival. */
  readonly #waiting = new Set<Waiter>();
  #route: Route | undefined;
  readonly #crashed: (description: string) => HeliosError;
  #refusal: () => HeliosError;
  #inFlight = 0;

  constructor(name: string, breaker: string, clock: Clock, errors: LaneErrors) {
    this.name = name;
    this.breaker = breaker;
    this.#clock = clock;
    this.#crashed = errors.crashed;
    this.#refusal = errors.notServing;
  }

  /** Calls that somebody waits for, in whichever generation. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Where calls go now. */
  get generation(): Generation | undefined {
    return this.#route?.generation;
  }

  /** Which of the callers somebody else answers now. */
  get canary(): Canary | undefined {
    return this.#route?.canary;
  }

  get held(): boolean {
    return this.#route?.hold !== undefined;
  }

  /** From now on calls go there, those that wait too. A new generation ends a hold and a canary. */
  route(generation: Generation, concurrency: number): void {
    const same = this.#route?.generation === generation ? this.#route : undefined;
    this.#route = { generation, concurrency, hold: same?.hold, canary: same?.canary };
    this.#admit();
  }

  /** From now on calls are refused, those that wait too. */
  close(refusal: () => HeliosError): void {
    this.#route = undefined;
    this.#refusal = refusal;
    for (const waiter of [...this.#waiting]) waiter.refuse(refusal());
  }

  /** From now on calls wait; those under way go on. */
  hold(hold: Hold): void {
    if (this.#route !== undefined) this.#route = { ...this.#route, hold };
  }

  release(): void {
    if (this.#route !== undefined) this.#route = { ...this.#route, hold: undefined };
    this.#admit();
  }

  /** Undefined: everybody goes to the generation that serves. */
  divert(canary: Canary | undefined): void {
    if (this.#route !== undefined) this.#route = { ...this.#route, canary };
    this.#admit();
  }

  /**
   * Begins a call; whoever begins one ends it with `leave`. It waits where as many as may be are under way.
   * MODULE_OVERLOADED where too many wait already; MODULE_CRASHED where the generation has ended; `late()` after
   * `timeoutMs`; the signal's reason.
   */
  enter(options: EnterOptions): Generation | Promise<Generation> {
    const route = this.#route;
    if (route === undefined) throw this.#refusal();
    const { hold, generation } = route;
    if (hold === undefined) return this.#enterFree(route, options);
    if (goesThrough(options.chain, hold.draining)) return this.#begin(generation);
    // Those that were under way when it began come back: they had room, and have it now.
    const most = route.concurrency * (1 + WAITING_PER_CONCURRENCY);
    if (this.#waiting.size >= most) {
      hold.overflow();
      // Who made the last one wait too many waits all the same: nobody is to fail because of the hold.
      if (this.#waiting.size >= most * HELD_FACTOR) throw this.#overloaded(route);
    }
    return this.#wait(options);
  }

  leave(generation: Generation): void {
    this.#inFlight -= 1;
    generation.leave();
    if (this.#waiting.size > 0) this.#admit();
  }

  /**
   * Before `leave`, of a call whose caller leaves while its method runs on: it keeps its room until the method has
   * ended, and for `mostMs` at most. So no more methods run at once than may, however impatient their callers are; and
   * one that never ends takes as much room for as long as it does with a patient caller. `overdue` is called then.
   */
  linger(generation: Generation, ended: Promise<unknown>, mostMs: number, overdue: () => void): void {
    const free = generation.linger();
    const over = (): void => {
      free();
      this.#admit();
    };
    race(ended, [timeLimit(this.#clock, mostMs, () => undefined)]).then(over, () => {
      overdue();
      over();
    });
  }

  #enterFree(route: Route, options: EnterOptions): Generation | Promise<Generation> {
    const target = targetOf(route, options.key);
    if (target.ending !== undefined) throw this.#crashed(target.ending.description);
    if (this.#waiting.size === 0 && target.occupied < route.concurrency) return this.#begin(target);
    if (this.#waiting.size >= route.concurrency * WAITING_PER_CONCURRENCY) throw this.#overloaded(route);
    return this.#wait(options);
  }

  #wait({ timeoutMs, late, signal, key, chain }: EnterOptions): Promise<Generation> {
    // An aborted one tells nobody any more.
    signal?.throwIfAborted();
    // Not a race: who is admitted has a place from that moment on, and nothing may end its wait after it.
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(waiter);
        timer.cancel();
        stopListening();
      };
      const waiter: Waiter = {
        key,
        chain,
        admit: (generation) => {
          done();
          resolve(generation);
        },
        refuse: (error) => {
          done();
          reject(error);
        },
      };
      const timer = this.#clock.setTimer(timeoutMs, () => waiter.refuse(late()));
      const stopListening = onAbort(signal, () => waiter.refuse(signal?.reason));
      this.#waiting.add(waiter);
    });
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      const route = this.#route;
      if (route === undefined) return;
      if (route.hold !== undefined && !goesThrough(waiter.chain, route.hold.draining)) continue;
      const target = targetOf(route, waiter.key);
      // It is over; who was not sent to it in time must not be sent there now.
      if (target.ending !== undefined) waiter.refuse(this.#crashed(target.ending.description));
      else if (target.occupied >= route.concurrency) return;
      else waiter.admit(this.#begin(target));
    }
  }

  #overloaded({ generation }: Route): HeliosError {
    const metadata = { name: this.name, in_flight: generation.occupied, queued: this.#waiting.size };
    return HeliosError.of("MODULE_OVERLOADED", metadata);
  }

  #begin(generation: Generation): Generation {
    this.#inFlight += 1;
    generation.enter();
    return generation;
  }
}

function targetOf({ generation, canary }: Route, key: string): Generation {
  if (canary === undefined || key === "" || canary.generation.ending !== undefined) return generation;
  return canary.takes(key) ? canary.generation : generation;
}
