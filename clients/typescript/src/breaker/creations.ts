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
  /** Asks for it, created where it is not there. */
  readonly create: (circuit: Circuit) => Promise<Breaker | undefined>;
  readonly created: (circuit: Circuit, breaker: Breaker) => void;
}

/** Has the service create what it does not have, of however many breakers, until it has. */
export class Creations {
  readonly #deps: CreationsDeps;
  /** Asked for, about to be, or waiting to be tried again. */
  readonly #wanted = new Set<Circuit>();
  readonly #queue = new Set<Circuit>();
  readonly #unlessKnown = new Set<Circuit>();
  readonly #failures = new Map<Circuit, number>();
  #active = 0;

  constructor(deps: CreationsDeps) {
    this.#deps = deps;
  }

  /** A circuit that is new here; the watch may tell of it first. */
  expect(circuit: Circuit): void {
    this.#unlessKnown.add(circuit);
    this.#want(circuit);
  }

  /** The service says that it has none. */
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
      // Who waits to be tried again keeps nobody else from being tried.
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
