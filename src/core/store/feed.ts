import type { Change, Entry, Store, Subscription } from "./store.ts";

/** What a part of the engine does with the entries below its prefix. */
export interface Sink {
  /** Called once, with what the store held at the start. */
  load(entries: readonly Entry[]): void;
  /**
   * Called with every later change, in order, those of one revision at once; it must not throw. What it calls sees the
   * state of other sinks as it was before: whoever is to see all of it is called from `tell`.
   */
  apply(changes: readonly Change[]): void;
  /** Called with the same changes once every sink has applied what it has of their revision; it must not throw. */
  tell?(changes: readonly Change[]): void;
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
  #ahead: (revision: number) => void = () => {};
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
    const subscription = await this.store.watch(revision, (changes) => this.#take(changes));
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

  /** Calls `listener` when somebody shows that this store was once further than it is, at that revision. */
  onAhead(listener: (revision: number) => void): void {
    this.#ahead = listener;
  }

  /** Somebody holds a token of this incarnation that is ahead of the feed. */
  sawAhead(revision: number): void {
    this.#ahead(revision);
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

  #take(changes: readonly Change[]): void {
    const { revision } = changes[0] ?? this;
    this.#revision = revision;
    const parts = this.#sinks
      .map(({ prefix, sink }) => ({ sink, own: changes.filter(({ key }) => key.startsWith(prefix)) }))
      .filter(({ own }) => own.length > 0);
    for (const { sink, own } of parts) sink.apply(own);
    for (const { sink, own } of parts) sink.tell?.(own);
    for (const waiter of this.#waiting) {
      if (waiter.revision > revision) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }
}
