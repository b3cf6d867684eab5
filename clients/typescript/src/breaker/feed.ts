import type { Breaker } from "../../../../gen/helios/v1/breaker_pb.ts";
import { pause } from "../../../../src/kernel/async/pause.ts";
import type { HeliosClient } from "../client.ts";
import type { WatchConnection } from "../watch.ts";
import { type WatchEvent, watchBreakers } from "../watches.ts";
import type { Circuit } from "./circuit.ts";
import type { BreakerClock } from "./clock.ts";
import { toServiceBreaker } from "./service-breaker.ts";
import type { Waits } from "./waits.ts";

/** Breakers that a client watches by name. With more, it watches all breakers of the service. @limit breakers */
const MOST_NAMES = 1000;
/** Shortest heartbeat interval that the client's breakers request. @limit ms */
const MIN_HEARTBEAT_MS = 1000;
/**
 * Longest heartbeat interval that the client's breakers request; a third of the shortest `maxStalenessMs`, if that is
 * less. @limit ms
 */
const MAX_HEARTBEAT_MS = 15_000;
/**
 * Time until a watch of breakers is reopened after an error that a retry would repeat: the service may have been
 * replaced by then. @limit ms
 */
const AFTER_FINAL_ERROR_MS = 10_000;
/** Shortest time between two reopenings of the watch of breakers for new names. @limit ms */
const REOPEN_MS = 100;
/** Shortest time between two changes that count as a sign of life for all other breakers, in ms. */
const HEARD_MS = 100;

/** A stream, and the circuits that it covers. */
interface Stream {
  readonly ending: AbortController;
  /** Undefined: all circuits, including those that are added later. */
  readonly circuits: readonly Circuit[] | undefined;
  readonly openedAt: number;
  isBegun: boolean;
  /** Whether it is connected now. */
  isUp: boolean;
}

export interface FeedDeps {
  readonly client: HeliosClient;
  readonly clock: BreakerClock;
  readonly random: () => number;
  readonly waits: Waits;
  readonly circuits: ReadonlyMap<string, Circuit>;
}

/** Keeps the circuits up to date with the service, by one stream for all of them. */
export class Feed {
  readonly #deps: FeedDeps;
  readonly #following = new Set<Promise<void>>();
  /**
   * The latest stream, and those before it. These continue until it has begun. Without any, the service takes all probes back.
   */
  #stream: Stream | undefined;
  #before: Stream[] = [];
  #isDue = false;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(deps: FeedDeps) {
    this.#deps = deps;
  }

  /**
   * Called when circuits were added. Opens a new stream, one for all circuits that are added together or before the last
   * stream has begun. A stream that covers all breakers stays.
   */
  changed(): void {
    if (this.#isDue || this.#isOfAll) return;
    this.#isDue = true;
    if (this.#stream === undefined) queueMicrotask(() => this.#openDue());
    else if (this.#stream.isBegun) this.#openSoon(this.#stream);
  }

  /** Called when the service described a circuit's breaker outside the stream. A stream of all breakers covers it too. */
  joined(circuit: Circuit): void {
    if (this.#isOfAll && this.#stream?.isUp) circuit.heard(this.#heardAt);
  }

  /** Resolves when all streams have ended. */
  async close(): Promise<void> {
    this.#stream?.ending.abort();
    this.#endBefore();
    await Promise.all(this.#following);
  }

  get #isOfAll(): boolean {
    return this.#stream !== undefined && this.#stream.circuits === undefined;
  }

  /** Waits a little, because each stream brings a snapshot, and many circuits may come one by one. */
  #openSoon({ openedAt }: Stream): void {
    const { clock } = this.#deps;
    const left = openedAt + REOPEN_MS - clock.monotonic();
    if (left > 0) clock.setTimer(left, () => this.#openDue());
    else queueMicrotask(() => this.#openDue());
  }

  #openDue(): void {
    this.#isDue = false;
    if (!this.#deps.waits.stopped) this.#open();
  }

  #open(): void {
    const { circuits, clock } = this.#deps;
    if (this.#stream !== undefined) this.#before.push(this.#stream);
    const stream: Stream = {
      ending: new AbortController(),
      circuits: circuits.size > MOST_NAMES ? undefined : [...circuits.values()],
      openedAt: clock.monotonic(),
      isBegun: false,
      isUp: false,
    };
    this.#stream = stream;
    const following = this.#follow(stream).finally(() => {
      stream.isUp = false;
      this.#following.delete(following);
    });
    this.#following.add(following);
  }

  #endBefore(): void {
    for (const { ending } of this.#before) ending.abort();
    this.#before = [];
  }

  #circuitsOf({ circuits }: Stream): Iterable<Circuit> {
    return circuits ?? this.#deps.circuits.values();
  }

  async #follow(stream: Stream): Promise<void> {
    const { client, clock, random } = this.#deps;
    const circuits = [...this.#circuitsOf(stream)];
    const shortest = circuits.reduce((ms, { maxStalenessMs }) => Math.min(ms, maxStalenessMs), MAX_HEARTBEAT_MS * 3);
    const { signal } = stream.ending;
    const options = {
      names: stream.circuits === undefined ? [] : circuits.map(({ name }) => name),
      heartbeatIntervalMs: Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, shortest / 3)),
      signal,
      random,
      now: () => clock.monotonic(),
      delay: (ms: number) => this.#sleep(ms, signal),
      onConnection: (connection: WatchConnection) => this.#connection(stream, connection),
    };
    while (!signal.aborted) {
      try {
        for await (const event of watchBreakers(client, options)) {
          if (signal.aborted) return;
          if (stream === this.#stream && !stream.isBegun) this.#begun(stream);
          this.#take(event, stream);
        }
      } catch {
        this.#lost(stream);
        await this.#sleep(AFTER_FINAL_ERROR_MS, signal);
      }
    }
  }

  #begun(stream: Stream): void {
    stream.isBegun = true;
    this.#endBefore();
    if (this.#isDue) this.#openSoon(stream);
  }

  #connection(stream: Stream, { state }: WatchConnection): void {
    if (state === "disconnected") {
      this.#lost(stream);
      return;
    }
    const isBack = stream.isBegun && !stream.isUp;
    stream.isUp = true;
    this.#deps.waits.wake();
    if (isBack) for (const circuit of this.#circuitsOf(stream)) circuit.resumed();
  }

  /** If no other stream is up, no frame of the service arrives any more. */
  #lost(stream: Stream): void {
    stream.isUp = false;
    if (this.#stream?.isUp || this.#before.some(({ isUp }) => isUp)) return;
    for (const circuit of this.#deps.circuits.values()) circuit.cut();
  }

  #take(event: WatchEvent<Breaker>, stream: Stream): void {
    const { circuits, clock } = this.#deps;
    const now = clock.monotonic();
    let isForAll = now - this.#heardAt >= HEARD_MS;
    if (event.kind === "snapshot") {
      isForAll = true;
      const items = new Map(event.items.map((item) => [item.name, item]));
      for (const circuit of this.#circuitsOf(stream)) {
        const item = items.get(circuit.name);
        if (item === undefined) circuit.missing(event.revision);
        else circuit.update(toServiceBreaker(item, clock), "snapshot");
      }
    } else if (event.kind === "put") {
      const circuit = circuits.get(event.item.name);
      circuit?.update(toServiceBreaker(event.item, clock), "change");
      circuit?.heard();
    } else if (event.kind === "deleted") {
      circuits.get(event.deleted.name)?.missing(event.deleted.revision);
    } else {
      isForAll = true;
    }
    if (!isForAll) return;
    this.#heardAt = now;
    for (const circuit of this.#circuitsOf(stream)) circuit.heard();
  }

  /** Resolves also when the signal is aborted. This does not use `waits`, which end when a stream comes up. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await pause(this.#deps.clock, ms, signal).catch(() => {});
  }
}
