import type { Breaker } from "../../../../gen/helios/v1/breaker_pb.ts";
import type { HeliosClient } from "../client.ts";
import type { WatchConnection } from "../watch.ts";
import { type WatchEvent, watchBreakers } from "../watches.ts";
import type { Circuit } from "./circuit.ts";
import type { BreakerClock } from "./clock.ts";
import { toTold } from "./told.ts";
import type { Waits } from "./waits.ts";

/** Of the contract; with more, all breakers are watched. */
const MOST_NAMES = 1000;
const MIN_HEARTBEAT_MS = 1000;
const MAX_HEARTBEAT_MS = 15_000;
/** An error that would come again may still not be there for ever: the service may be replaced. */
const AFTER_FINAL_ERROR_MS = 10_000;

export interface FeedDeps {
  readonly client: HeliosClient;
  readonly clock: BreakerClock;
  readonly random: () => number;
  readonly waits: Waits;
  readonly circuits: ReadonlyMap<string, Circuit>;
}

/** Tells circuits what the service says of them, by one stream for all. */
export class Feed {
  readonly #deps: FeedDeps;
  readonly #following = new Set<Promise<void>>();
  /** The stream that is to be, and those that go on until it has begun: without one, the service takes all probes back. */
  #stream: AbortController | undefined;
  #isBegun = false;
  #before: AbortController[] = [];
  #isDue = false;

  constructor(deps: FeedDeps) {
    this.#deps = deps;
  }

  /** There are other circuits: another stream is opened, one for all that are added at once. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (!this.#deps.waits.stopped) this.#open();
    });
  }

  /** Resolves when all streams have ended. */
  async close(): Promise<void> {
    this.#stream?.abort();
    this.#endBefore();
    await Promise.all(this.#following);
  }

  #open(): void {
    if (this.#stream !== undefined) {
      if (this.#isBegun) this.#before.push(this.#stream);
      else this.#stream.abort();
    }
    const stream = new AbortController();
    this.#stream = stream;
    this.#isBegun = false;
    const following = this.#follow([...this.#deps.circuits.values()], stream).finally(() =>
      this.#following.delete(following),
    );
    this.#following.add(following);
  }

  #endBefore(): void {
    for (const stream of this.#before) stream.abort();
    this.#before = [];
  }

  async #follow(circuits: readonly Circuit[], stream: AbortController): Promise<void> {
    const { client, clock, random, waits } = this.#deps;
    const shortest = Math.min(...circuits.map(({ maxStalenessMs }) => maxStalenessMs));
    const { signal } = stream;
    let isBroken = false;
    const options = {
      names: circuits.length > MOST_NAMES ? [] : circuits.map(({ name }) => name),
      heartbeatIntervalMs: Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, shortest / 3)),
      signal,
      random,
      delay: (ms: number) => this.#sleep(ms, signal),
      onConnection: ({ state }: WatchConnection) => {
        if (state === "connected") waits.wake();
        if (state === "connected" && isBroken) for (const circuit of circuits) circuit.wasCut();
        isBroken = state === "disconnected";
      },
    };
    while (!signal.aborted) {
      try {
        for await (const event of watchBreakers(client, options)) {
          if (signal.aborted) return;
          if (stream === this.#stream) {
            this.#isBegun = true;
            this.#endBefore();
          }
          this.#take(event, circuits, clock);
        }
      } catch {
        await this.#sleep(AFTER_FINAL_ERROR_MS, signal);
      }
    }
  }

  #take(event: WatchEvent<Breaker>, circuits: readonly Circuit[], clock: BreakerClock): void {
    if (event.kind === "snapshot") {
      const items = new Map(event.items.map((item) => [item.name, item]));
      for (const circuit of circuits) {
        const item = items.get(circuit.name);
        if (item === undefined) circuit.missing(event.revision);
        else circuit.tell(toTold(item, clock), "snapshot");
      }
    } else if (event.kind === "put") {
      this.#deps.circuits.get(event.item.name)?.tell(toTold(event.item, clock), "change");
    } else if (event.kind === "deleted") {
      this.#deps.circuits.get(event.deleted.name)?.missing(event.deleted.revision);
    }
    for (const circuit of circuits) circuit.heard();
  }

  /** Not through `waits`: those are woken by what this brings. */
  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#deps.clock.setTimer(ms, end);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
    });
  }
}
