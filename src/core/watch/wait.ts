import { onAbort } from "../../kernel/async/signal.ts";
import type { Clock, Timer } from "../../kernel/clock.ts";
import type { ClientPosition } from "./positions.ts";

export interface WaitOptions {
  readonly revision: number;
  /** At least so many clients; 0: all. */
  readonly minClients: number;
  /** Every client. */
  readonly all: boolean;
  /** 0: answers at once. */
  readonly timeoutMs: number;
  /** The store that the revision is of; undefined: the present one. */
  readonly incarnation?: string | undefined;
  /** Aborting it ends the wait with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface WaitResult {
  readonly reached: boolean;
  /** Clients that have acknowledged the revision. */
  readonly acknowledged: number;
  /** Those that have not, by id; one that is not connected any more has no watches. */
  readonly pending: readonly ClientPosition[];
  /** Watches without a client id, of which nothing is known. */
  readonly unnamed: number;
}

interface Outcome {
  readonly reached: boolean;
  readonly acknowledged: number;
  readonly pending: readonly string[];
}

/**
 * One wait for clients. Each of them is pending or there. Who was connected at the start stays what it is when it
 * disconnects: it has not seen what it has not acknowledged. Who came later and went again is forgotten.
 */
export class Wait {
  readonly revision: number;
  readonly over: Promise<Outcome>;
  readonly #options: WaitOptions;
  readonly #initial: ReadonlySet<string>;
  readonly #pending = new Set<string>();
  readonly #there = new Set<string>();
  #settle: (outcome: Outcome) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: WaitOptions, clock: Clock, clients: readonly ClientPosition[]) {
    this.#options = options;
    this.revision = options.revision;
    this.#initial = new Set(clients.map(({ clientId }) => clientId));
    const { timeoutMs, signal } = options;
    let timer: Timer | undefined;
    this.over = new Promise<Outcome>((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    }).finally(() => {
      timer?.cancel();
      stopListening();
    });
    const stopListening = onAbort(signal, () => this.#fail(signal?.reason));
    for (const client of clients) this.#place(client);
    this.#look();
    if (timeoutMs > 0) timer = clock.setTimer(timeoutMs, () => this.#settle(this.#outcome()));
    else this.#settle(this.#outcome());
  }

  /** A client has acknowledged something, or has opened or ended a stream. */
  moved(client: ClientPosition): void {
    this.#place(client);
    this.#look();
  }

  fail(error: unknown): void {
    this.#fail(error);
  }

  #place({ clientId, watches, acknowledged }: ClientPosition): void {
    if (watches === 0 && this.#initial.has(clientId)) return;
    this.#pending.delete(clientId);
    this.#there.delete(clientId);
    if (watches === 0) return;
    (acknowledged >= this.revision ? this.#there : this.#pending).add(clientId);
  }

  #look(): void {
    if (this.#isReached()) this.#settle(this.#outcome());
  }

  #isReached(): boolean {
    const { minClients, all } = this.#options;
    return this.#there.size >= minClients && (this.#pending.size === 0 || !(all || minClients === 0));
  }

  #outcome(): Outcome {
    return { reached: this.#isReached(), acknowledged: this.#there.size, pending: [...this.#pending].sort() };
  }
}
