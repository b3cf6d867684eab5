import { onAbort } from "../../kernel/async/signal.ts";
import type { Clock, Timer } from "../../kernel/clock.ts";
import type { ClientPosition } from "./positions.ts";

export interface WaitOptions {
  readonly revision: number;
  /** Number of clients that must acknowledge. 0 means all. */
  readonly minClients: number;
  /** Whether every client must acknowledge. */
  readonly all: boolean;
  /** Timeout in ms. With 0 the call answers at once. */
  readonly timeoutMs: number;
  /** The store that the revision belongs to. Undefined means the current one. */
  readonly incarnation?: string | undefined;
  /** Aborting it ends the wait with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface WaitResult {
  readonly reached: boolean;
  /** Number of clients that have acknowledged the revision. */
  readonly acknowledged: number;
  /** Clients that have not acknowledged, by id. One that has disconnected has no watches. */
  readonly pending: readonly ClientPosition[];
  /** Number of watches without a client id. Their state is unknown. */
  readonly unnamed: number;
}

interface Outcome {
  readonly reached: boolean;
  readonly acknowledged: number;
  readonly pending: readonly string[];
}

/**
 * One wait for clients. Each client is either pending or done. A client that was connected at the start and disconnects
 * stays pending, because it has not applied the revision. A client that connected later and disconnects is forgotten.
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

  /** Called when a client has acknowledged a revision, or has opened or ended a stream. */
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
