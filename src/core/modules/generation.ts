import { Fence } from "./fence.ts";
import { Gauge } from "./gauge.ts";
import type { HealthWatch } from "./health.ts";
import type { Ending, Instance, ResolvedModule } from "./host/host.ts";
import type { Running } from "./lifecycle.ts";
import type { Trial } from "./trial.ts";

/** What a generation does now. */
export type GenerationPhase = "CANDIDATE" | "CURRENT" | "STANDBY" | "DRAINING";

/** The generations that a generation's calls go to instead of those that serve, by module. */
export type Peers = Map<string, Generation>;

/** One start of a module's code, as long as it lives: its instance, and the calls under way in it. */
export class Generation {
  readonly name: string;
  readonly running: Running;
  readonly code: ResolvedModule;
  readonly instance: Instance;
  readonly fence: Fence;
  readonly gauge = new Gauge();
  readonly health: HealthWatch;
  phase: GenerationPhase = "CANDIDATE";
  /** Of a candidate those that were started with it; of one that was replaced with others, those. */
  peers: Peers;
  /** Told instead of the supervisor when it ends by itself. */
  guard: ((ending: Ending) => void) | undefined;
  /** Whether it may act of its own accord, as far as its fence lets it: it serves, or did, or was started to serve. */
  acts: boolean;
  /** What it reaches until then. */
  readonly trial: Trial;
  #inFlight = 0;
  #lingering = 0;
  #ending: Ending | undefined;
  readonly #whenIdle: (() => void)[] = [];

  constructor(
    name: string,
    running: Running,
    code: ResolvedModule,
    instance: Instance,
    { health, peers, acts, trial }: Pick<Generation, "health" | "peers" | "acts" | "trial">,
  ) {
    this.name = name;
    this.health = health;
    this.running = running;
    this.code = code;
    this.instance = instance;
    this.peers = peers;
    this.acts = acts;
    this.trial = trial;
    this.fence = new Fence(name, running.generation);
    void instance.ended.then((ending) => {
      this.#ending = ending;
    });
  }

  get number(): number {
    return this.running.generation;
  }

  /** Calls that somebody waits for. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Calls that take the room of one: those in flight, and those that go on though their callers have left. */
  get occupied(): number {
    return this.#inFlight + this.#lingering;
  }

  /** How it ended; undefined while it lives. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  enter(): void {
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** A call whose caller leaves takes its room on. What is returned, called once, gives it free. */
  linger(): () => void {
    this.#lingering += 1;
    return () => {
      this.#lingering -= 1;
    };
  }

  /** Resolves when nobody waits for a call any more. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }
}
