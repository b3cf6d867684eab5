import { race, signalLimit } from "../../../../src/kernel/async/race.ts";
import { type Admission, type Gate, Rejection } from "../../../../src/kernel/call/gate.ts";
import { unstacked } from "../../../../src/kernel/call/unstacked.ts";
import type { Circuit } from "./circuit.ts";
import type { BreakerClock } from "./clock.ts";
import { CircuitOpenError } from "./open-error.ts";
import type { BreakerPermit } from "./permit.ts";
import type { Permits } from "./permits.ts";

/** A circuit, as calls through it see it. */
export function gateOf(circuit: Circuit, permits: Permits, clock: BreakerClock): Gate {
  const admit = (permit: BreakerPermit | null): Admission =>
    permit ?? new Rejection(unstacked(() => new CircuitOpenError(circuit.name, circuit.refusal())));
  return {
    clock,
    keepsAlive: true,
    acquire(signal) {
      const asked = permits.acquire();
      return asked instanceof Promise ? unlessAborted(asked, signal).then(admit) : admit(asked);
    },
    invalid: (option, problem) => new TypeError(`${option}: ${problem}`),
  };
}

/** Waits for the service as long as the caller does. A permit that comes later is given back. */
function unlessAborted(
  asked: Promise<BreakerPermit | null>,
  signal: AbortSignal | undefined,
): Promise<BreakerPermit | null> {
  return race(asked, [signalLimit(signal)], () => void asked.then((permit) => permit?.release()));
}
