import type { Outcome, Permit } from "../../kernel/breakers/machine.ts";
import { call } from "../../kernel/call/call.ts";
import { type Admission, type Gate, Rejection } from "../../kernel/call/gate.ts";
import { unstacked } from "../../kernel/call/unstacked.ts";
import type { Clock } from "../../kernel/clock.ts";
import { seconds } from "../async/deadline.ts";
import { HeliosError } from "../errors/error.ts";
import { invalid } from "../errors/invalid.ts";
import { acquireOrCreate } from "./acquire.ts";
import type { LiveBreaker } from "./live/live.ts";
import type { BreakerHandle, Breakers, HandleOptions, HandlePermit } from "./types.ts";
import { checkOutcome } from "./validate.ts";
import type { BreakerView } from "./view.ts";

export function createHandle(
  breakers: Breakers,
  view: BreakerView,
  clock: Clock,
  name: string,
  { config, fallback }: HandleOptions = {},
): BreakerHandle {
  const named = new NamedBreaker(view, name);
  const acquire = (): Permit | Promise<Permit> => {
    const live = named.live;
    return live === undefined || view.closed ? acquireOrCreate(breakers, name, config) : live.acquire("");
  };
  const passed = (permit: Permit): HandlePermit =>
    new TimedPermit(named, permit, named.live?.isTimed ? clock.monotonic() : undefined);
  const admit = (permit: Permit): Admission =>
    permit.allowed ? passed(permit) : new Rejection(openError(name, permit));
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
      return permit.allowed ? passed(permit) : null;
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

/** The breaker of one name. It need not exist, and may be deleted and created again. */
class NamedBreaker {
  readonly #view: BreakerView;
  readonly #name: string;
  /** Found last. It is kept, because finding it anew takes as long as its decision. */
  #known: LiveBreaker | undefined;

  constructor(view: BreakerView, name: string) {
    this.#view = view;
    this.#name = name;
  }

  /** Undefined if there is no such breaker now. */
  get live(): LiveBreaker | undefined {
    if (this.#known === undefined || this.#known.deletedAt !== undefined) this.#known = this.#view.find(this.#name);
    return this.#known;
  }
}

/** A permit that measures how long its call takes, if that matters. */
class TimedPermit implements HandlePermit {
  readonly #breaker: NamedBreaker;
  /** Undefined after its end. */
  #permit: Permit | undefined;
  /** Undefined if durations do not matter, because reading the clock costs more than everything else here. */
  readonly #start: number | undefined;

  constructor(breaker: NamedBreaker, permit: Permit, start: number | undefined) {
    this.#breaker = breaker;
    this.#permit = permit;
    this.#start = start;
  }

  settle(outcome: Outcome): void {
    const permit = this.#permit;
    if (permit === undefined) return;
    this.#permit = undefined;
    checkOutcome(outcome);
    if (permit.allowed) this.#breaker.live?.settleSince(permit.epoch, permit.leaseId, outcome, this.#start);
  }

  release(): void {
    const permit = this.#permit;
    this.#permit = undefined;
    if (permit?.allowed) this.#breaker.live?.release(permit.epoch, permit.leaseId);
  }
}

/** The error of a call that a breaker rejected. It has no stack trace. */
export function openError(name: string, { override, retryAfterMs }: Extract<Permit, { allowed: false }>): HeliosError {
  const metadata = override === undefined ? { name } : { name, override };
  if (retryAfterMs === undefined) {
    const retry_after = "(not before it is reset)";
    return unstacked(() => HeliosError.of("BREAKER_OPEN", { ...metadata, retry_after }));
  }
  const retry_after = seconds(retryAfterMs);
  return unstacked(() => HeliosError.of("BREAKER_OPEN", { ...metadata, retry_after }, { retryAfterMs }));
}
