import type { Change, Entry, Store, Subscription } from "./store.ts";

/** What a part of the engine does with the entries below its prefix. */
export interface Sink {
  /** Called once, with what the store held at the start. */
  load(entries: readonly Entry[]): void;
  /** Called with every later change, in order; it must not throw. */
  apply(change: Change): void;
}

/**
 * The one way by which state gets from the store into memory: first what is there, then every change in the store's
 * order. What a restart restores, what a watcher sees and what a second replica would see are therefore the same.
 */
export class Feed {
  readonly store: Store;
  #revision = 0;
  #subscription: Subscription | undefined;
  readonly #sinks: { prefix: string; sink: Sink }[] = [];
  readonly #waiting = new Set<{ revision: number; resolve: () => void }>();
  #state: "new" | "started" | "closed" = "new";

  constructor(store: Store) {
    this.store = store;
  }

  /** The revision up to which every sink has been told. */
  get revision(): number {
    return this.#revision;
  }

  /** Only before `start`. Sinks are called in the order in which they were attached. */
  attach(prefix: string, sink: Sink): void {
    if (this.#state !== "new") throw new Error(`too late to attach ${prefix}: the feed has told what there was`);
    this.#sinks.push({ prefix, sink });
  }

  async start(): Promise<void> {
    this.#state = "started";
    const { entries, revision } = await this.store.list("");
    this.#revision = revision;
    for (const { prefix, sink } of this.#sinks) sink.load(entries.filter((entry) => entry.key.startsWith(prefix)));
    const subscription = await this.store.watch(revision, (change) => this.#tell(change));
    if (this.closed) subscription.close();
    else this.#subscription = subscription;
  }

  /**
   * Resolves when the sinks have been told of `revision`: at once with a local store, later with a replicated one.
   * Resolves, too, when the feed is closed: nobody is told of anything then.
   */
  reached(revision: number): Promise<void> {
    if (this.#revision >= revision || this.closed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ revision, resolve }));
  }

  get closed(): boolean {
    return this.#state === "closed";
  }

  close(): void {
    this.#state = "closed";
    this.#subscription?.close();
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #tell(change: Change): void {
    this.#revision = change.revision;
    for (const { prefix, sink } of this.#sinks) if (change.key.startsWith(prefix)) sink.apply(change);
    for (const waiter of this.#waiting) {
      if (waiter.revision > change.revision) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }
}
