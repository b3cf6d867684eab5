import type { Outcome, Permit } from "../../kernel/breakers/machine.ts";
import { call } from "../../kernel/call/call.ts";
import { type Admission, type Gate, Rejection } from "../../kernel/call/gate.ts";
import type { Clock } from "../../kernel/clock.ts";
import { seconds } from "../async/deadline.ts";
import { HeliosError } from "../errors/error.ts";
import { invalid } from "../errors/invalid.ts";
import { acquireOrCreate } from "./acquire.ts";
import type { BreakerHandle, Breakers, HandleOptions, HandlePermit } from "./types.ts";

export function createHandle(
  breakers: Breakers,
  clock: Clock,
  name: string,
  { config, fallback }: HandleOptions = {},
): BreakerHandle {
  const acquire = (): Permit | Promise<Permit> => acquireOrCreate(breakers, name, config);
  const admit = (permit: Permit): Admission =>
    permit.allowed ? new TimedPermit(breakers, clock, name, permit) : new Rejection(openError(name, permit));
  const gate: Gate = {
    clock,
    keepsAlive: false,
    fallback,
    acquire() {
      const asked = acquire();
      return asked instanceof Promise ? asked.then(admit) : admit(asked);
    },
    invalid,
  };

  return {
    call: (fn, options) => call(gate, fn, options),
    async tryAcquire() {
      const permit = await acquire();
      return permit.allowed ? new TimedPermit(breakers, clock, name, permit) : null;
    },
    async manualOpen(by) {
      await breakers.getOrCreate(name, config);
      return breakers.open(name, {}, by);
    },
    async manualReset(by) {
      await breakers.getOrCreate(name, config);
      return breakers.reset(name, by);
    },
  };
}

/** A permit that measures how long its call takes. */
class TimedPermit implements HandlePermit {
  readonly #breakers: Breakers;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #permit: Permit;
  readonly #start: number;
  #ended = false;

  constructor(breakers: Breakers, clock: Clock, name: string, permit: Permit) {
    this.#breakers = breakers;
    this.#clock = clock;
    this.#name = name;
    this.#permit = permit;
    this.#start = clock.monotonic();
  }

  settle(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#breakers.record(this.#name, this.#permit, outcome, this.#clock.monotonic() - this.#start);
  }

  release(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#breakers.release(this.#name, this.#permit);
  }
}

/** The error of a call that a breaker rejected. */
export function openError(name: string, { override, retryAfterMs }: Extract<Permit, { allowed: false }>): HeliosError {
  const metadata = { name, ...(override === undefined ? {} : { override }) };
  if (retryAfterMs === undefined) {
    return HeliosError.of("BREAKER_OPEN", { ...metadata, retry_after: "(not before it is reset)" });
  }
  return HeliosError.of("BREAKER_OPEN", { ...metadata, retry_after: seconds(retryAfterMs) }, { retryAfterMs });
}
