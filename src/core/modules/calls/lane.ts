import { raceOr, timeLimit } from "../../../kernel/async/race.ts";
import { type MinimalSignal, onAbort } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError } from "../../errors/error.ts";
import { type CallChain, goesThrough } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";

/**
 * Calls of a module that may wait, as a multiple of the calls that may run; further ones are refused with
 * `MODULE_OVERLOADED`. @limit times `concurrency`
 */
const WAITING_PER_CONCURRENCY = 4;
/**
 * Calls that may wait while a swap hands over state, as a multiple of the calls that may otherwise run or wait; further
 * ones are refused with `MODULE_OVERLOADED`. @limit times as many
 */
const HELD_FACTOR = 4;

/** Makes all calls of a lane wait, for the hand-over of a swap. */
export interface Hold {
  /** Calls that these generations make are let through, because the hand-over waits for them to end. */
  readonly draining: ReadonlySet<Generation>;
  /** Called when the queue has reached its normal length, so that the swap ends the hold soon. */
  readonly overflow: () => void;
}

/** Sends some of the callers to a candidate instead of the generation that serves. */
export interface Canary {
  readonly generation: Generation;
  readonly takes: (key: string) => boolean;
  /**
   * Called at the end of each call that has a routing key, with the generation that answered, and whether the call failed.
   * Calls end in another order than they began.
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
  readonly signal: MinimalSignal | undefined;
  /** The routing key. Calls with the same key go to the same version. Empty: the version that serves answers. */
  readonly key: string;
  readonly chain: CallChain | undefined;
}

interface Waiter {
  readonly key: string;
  readonly chain: CallChain | undefined;
  admit(generation: Generation): void;
  refuse(error: unknown): void;
}

/** The errors of calls that no generation can answer. */
export interface LaneErrors {
  /** The error before the first call of `route`. */
  readonly notServing: () => HeliosError;
  /** The error if the generation has ended. `description` says how it ended. */
  readonly crashed: (description: string) => HeliosError;
}

/** The queue of all calls to one module. A limited number of calls run at a time, and the rest wait in order. */
export class Lane {
  readonly name: string;
  /** The name of the breaker that guards the calls. */
  readonly breaker: string;
  readonly #clock: Clock;
  /** In the order of their arrival. */
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

  /** The number of calls that a caller waits for, in all generations. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The generation that calls go to. Undefined: the lane is closed, or was never routed. */
  get generation(): Generation | undefined {
    return this.#route?.generation;
  }

  /** The canary in progress. Undefined: the generation that serves answers all calls. */
  get canary(): Canary | undefined {
    return this.#route?.canary;
  }

  /** Whether a swap makes the calls wait. */
  get held(): boolean {
    return this.#route?.hold !== undefined;
  }

  /** Sends calls to a generation from now on, including those that wait. A new generation ends a hold and a canary. */
  route(generation: Generation, concurrency: number): void {
    const same = this.#route?.generation === generation ? this.#route : undefined;
    this.#route = { generation, concurrency, hold: same?.hold, canary: same?.canary };
    this.#admit();
  }

  /** Refuses calls from now on, including those that wait. */
  close(refusal: () => HeliosError): void {
    this.#route = undefined;
    this.#refusal = refusal;
    for (const waiter of [...this.#waiting]) waiter.refuse(refusal());
  }

  /** Makes calls wait from now on. Calls that run continue. */
  hold(hold: Hold): void {
    if (this.#route !== undefined) this.#route = { ...this.#route, hold };
  }

  /** Ends a hold. */
  release(): void {
    if (this.#route !== undefined) this.#route = { ...this.#route, hold: undefined };
    this.#admit();
  }

  /** Starts a canary. Undefined: ends it, and all calls go to the generation that serves. */
  divert(canary: Canary | undefined): void {
    if (this.#route !== undefined) this.#route = { ...this.#route, canary };
    this.#admit();
  }

  /**
   * Begins a call, and returns the generation that must answer it. If too many calls run, the call waits in the queue. The
   * caller must end the call with `leave`. Throws or rejects with MODULE_OVERLOADED if the queue is full, MODULE_CRASHED if
   * the generation has ended, `late()` after `timeoutMs`, the error given to `close`, or the signal's reason.
   */
  enter(options: EnterOptions): Generation | Promise<Generation> {
    const free = this.enterFree(options.key);
    if (free !== undefined) return free;
    const route = this.#route;
    if (route === undefined) throw this.#refusal();
    const { hold, generation } = route;
    if (hold === undefined) return this.#enterFull(route, options);
    if (goesThrough(options.chain, hold.draining)) return this.#begin(generation);
    // Callers whose calls ran when the hold began may call again. They had places before, so that the queue gets as many.
    const most = route.concurrency * (1 + WAITING_PER_CONCURRENCY);
    if (this.#waiting.size >= most) {
      hold.overflow();
      // The hold is about to end, and no call may fail because of it. A second, higher limit bounds the queue until then.
      if (this.#waiting.size >= most * HELD_FACTOR) throw this.#overloaded(route);
    }
    return this.#wait(options);
  }

  /**
   * Begins a call that can begin at once, as most calls can, and returns the generation that must answer it. Otherwise
   * nothing happens, and the call needs `enter`.
   */
  enterFree(key: string): Generation | undefined {
    const route = this.#route;
    if (route === undefined || route.hold !== undefined || this.#waiting.size > 0) return undefined;
    const target = targetOf(route, key);
    if (target.ending !== undefined || target.occupied >= route.concurrency) return undefined;
    return this.#begin(target);
  }

  /** Ends a call, so that the next one can begin. */
  leave(generation: Generation): void {
    this.#inFlight -= 1;
    generation.leave();
    if (this.#waiting.size > 0) this.#admit();
  }

  /**
   * Keeps the place of a call whose caller has stopped waiting, until its method has ended, for `mostMs` at most. Must be
   * called before `leave`. So callers with short timeouts cannot make more methods run than may. Calls `overdue` if the
   * method has not ended after `mostMs`. Its place is freed then, as it is when a caller has waited for that long.
   */
  linger(generation: Generation, ended: Promise<unknown>, mostMs: number, overdue: () => void): void {
    const free = generation.linger();
    void raceOr(ended, [timeLimit(this.#clock, mostMs, () => undefined)], overdue).finally(() => {
      free();
      this.#admit();
    });
  }

  #enterFull(route: Route, options: EnterOptions): Promise<Generation> {
    const target = targetOf(route, options.key);
    if (target.ending !== undefined) throw this.#crashed(target.ending.description);
    if (this.#waiting.size >= route.concurrency * WAITING_PER_CONCURRENCY) throw this.#overloaded(route);
    return this.#wait(options);
  }

  #wait({ timeoutMs, late, signal, key, chain }: EnterOptions): Promise<Generation> {
    // An aborted signal sends no more events.
    signal?.throwIfAborted();
    // This is no `race`, because an admitted call has a place at once. A timeout must not end its wait after that.
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
      // The generation ended while the call waited for it.
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
