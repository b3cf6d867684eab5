import type { Change, Entry, Store, Subscription } from "./store.ts";

/** A part of the engine that keeps state from the entries below its prefix. */
export interface Sink {
  /** Called with each entry that the store held at the start, in no particular order, before any change. */
  load(entry: Entry): void;
  /**
   * Called with every later change, in order; all changes of a revision come in one call. It must not throw. During this
   * call, other sinks may still have their earlier state: code that needs the new state of all sinks runs in `publish`.
   */
  apply(changes: readonly Change[]): void;
  /** Called with the same changes after every sink has applied their revision. It must not throw. */
  publish?(changes: readonly Change[]): void;
}

/**
 * The only way for state to get from the store into memory: first the existing entries, then every change in the store's
 * order. A restart, a watcher and a replica therefore all see the same.
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

  /** The revision up to which every sink has applied and published the changes. */
  get revision(): number {
    return this.#revision;
  }

  /** Adds a sink. Sinks must be attached before `start`, and are called in the order of attachment. */
  attach(prefix: string, sink: Sink): void {
    if (this.#state !== "new") throw new Error(`cannot attach ${prefix}: the feed has already started`);
    this.#sinks.push({ prefix, sink });
  }

  async start(): Promise<void> {
    this.#state = "started";
    const sinksOf = this.#bySegment();
    const revision = await this.store.scan((entry) => {
      for (const { prefix, sink } of sinksOf(entry.key)) if (entry.key.startsWith(prefix)) sink.load(entry);
    });
    this.#revision = revision;
    const subscription = await this.store.watch(revision, (changes) => this.#take(changes));
    if (this.closed) subscription.close();
    else this.#subscription = subscription;
  }

  /**
   * Resolves when all sinks have applied and published `revision`: at once with a local store, later with a replicated one.
   * Also resolves when the feed is closed, because it then publishes nothing more.
   */
  reached(revision: number): Promise<void> {
    if (this.#revision >= revision || this.closed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ revision, resolve }));
  }

  /** Calls `listener` with a revision that this store once had and has lost, when a resume token proves it. */
  onAhead(listener: (revision: number) => void): void {
    this.#ahead = listener;
  }

  /** Reports that a client has a token of this incarnation with a revision that the feed has not reached. */
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

  /** Returns the few sinks that may want a key. There may be many keys, and most sinks want none of them. */
  #bySegment(): (key: string) => readonly { readonly prefix: string; readonly sink: Sink }[] {
    const known = new Map<string, { readonly prefix: string; readonly sink: Sink }[]>();
    return (key) => {
      const segment = key.slice(0, key.indexOf("/") + 1);
      let sinks = known.get(segment);
      if (sinks === undefined) {
        sinks = this.#sinks.filter(({ prefix }) => prefix.startsWith(segment) || segment.startsWith(prefix));
        known.set(segment, sinks);
      }
      return sinks;
    };
  }

  #take(changes: readonly Change[]): void {
    const { revision } = changes[0] ?? this;
    this.#revision = revision;
    const parts = this.#sinks
      .map(({ prefix, sink }) => ({ sink, own: changes.filter(({ key }) => key.startsWith(prefix)) }))
      .filter(({ own }) => own.length > 0);
    for (const { sink, own } of parts) sink.apply(own);
    for (const { sink, own } of parts) sink.publish?.(own);
    for (const waiter of this.#waiting) {
      if (waiter.revision > revision) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }
}
