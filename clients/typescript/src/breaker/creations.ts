import type { Breaker } from "../../../../gen/helios/v1/breaker_pb.ts";
import type { Circuit } from "./circuit.ts";
import type { Waits } from "./waits.ts";

/**
 * Breakers that a client requests at once. Further ones wait; most need no request, because the watch delivers them.
 * @limit breakers
 */
export const MOST_CREATIONS = 128;

interface CreationsDeps {
  readonly waits: Waits;
  /** Asks the service for the breaker; the service creates it if it does not have it. */
  readonly create: (circuit: Circuit) => Promise<Breaker | undefined>;
  readonly created: (circuit: Circuit, breaker: Breaker) => void;
}

/** Asks the service to create the breakers that it does not have, a bounded number at once. Repeats failed requests. */
export class Creations {
  readonly #deps: CreationsDeps;
  /** The circuits whose request is in progress, waits for its turn, or waits for the next attempt. */
  readonly #wanted = new Set<Circuit>();
  readonly #queue = new Set<Circuit>();
  readonly #unlessKnown = new Set<Circuit>();
  readonly #failures = new Map<Circuit, number>();
  #active = 0;

  constructor(deps: CreationsDeps) {
    this.#deps = deps;
  }

  /** Called for a new circuit. No request is needed if the watch delivers its breaker first. */
  expect(circuit: Circuit): void {
    this.#unlessKnown.add(circuit);
    this.#want(circuit);
  }

  /** Called if the service does not have the circuit's breaker. */
  missing(circuit: Circuit): void {
    this.#unlessKnown.delete(circuit);
    this.#want(circuit);
  }

  #want(circuit: Circuit): void {
    if (this.#wanted.has(circuit)) return;
    this.#wanted.add(circuit);
    this.#queue.add(circuit);
    this.#begin();
  }

  #begin(): void {
    for (const circuit of this.#queue) {
      if (this.#active >= MOST_CREATIONS || this.#deps.waits.stopped) return;
      this.#queue.delete(circuit);
      if (circuit.isKnown && this.#unlessKnown.has(circuit)) this.#done(circuit);
      else void this.#create(circuit);
    }
  }

  async #create(circuit: Circuit): Promise<void> {
    const { waits, create, created } = this.#deps;
    this.#active += 1;
    try {
      const breaker = await create(circuit);
      this.#done(circuit);
      if (breaker !== undefined) created(circuit, breaker);
    } catch (error) {
      const failures = (this.#failures.get(circuit) ?? 0) + 1;
      this.#failures.set(circuit, failures);
      // A circuit that waits for its next attempt does not count as a request in progress.
      void waits.backOff(failures, error).then(() => {
        this.#queue.add(circuit);
        this.#begin();
      });
    } finally {
      this.#active -= 1;
      this.#begin();
    }
  }

  #done(circuit: Circuit): void {
    this.#wanted.delete(circuit);
    this.#failures.delete(circuit);
    this.#unlessKnown.delete(circuit);
  }
}
