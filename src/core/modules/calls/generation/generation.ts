import { Waiters } from "../../../async/waiters.ts";
import type { Ending, Instance, ResolvedModule } from "../../host/types/host.ts";
import type { Running } from "../../record/lifecycle.ts";
import type { Fence } from "./fence.ts";
import { Gauge } from "./gauge.ts";
import type { HealthWatch } from "./health.ts";
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
  /** Wall time in ms at which it ended. */
  endTime: number | undefined;
  /** Told instead of the supervisor when it ends by itself. */
  guard: ((ending: Ending) => void) | undefined;
  /** Whether it may act of its own accord, as far as its fence lets it: it serves, or did, or was started to serve. */
  acts: boolean;
  /** What it reaches until then. */
  readonly trial: Trial;
  #serves = false;
  #inFlight = 0;
  #lingering = 0;
  #ending: Ending | undefined;
  readonly #whenIdle = new Waiters();
  readonly #whenFree = new Waiters();

  constructor(
    name: string,
    running: Running,
    code: ResolvedModule,
    instance: Instance,
    { health, peers, acts, trial, fence }: Pick<Generation, "health" | "peers" | "acts" | "trial" | "fence">,
  ) {
    this.name = name;
    this.health = health;
    this.running = running;
    this.code = code;
    this.instance = instance;
    this.peers = peers;
    this.acts = acts;
    this.trial = trial;
    this.fence = fence;
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

  /** Whether another has taken its place. */
  get isRetired(): boolean {
    return this.phase === "STANDBY" || this.phase === "DRAINING";
  }

  enter(): void {
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#whenIdle.wake();
    this.#lookFree();
  }

  /** A call whose caller leaves takes its room on. What is returned, called once, gives it free. */
  linger(): () => void {
    this.#lingering += 1;
    return () => {
      this.#lingering -= 1;
      this.#lookFree();
    };
  }

  /** Resolves when nobody waits for a call any more. */
  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : this.#whenIdle.wait();
  }

  /**
   * Resolves when nothing is under way in it: no call, no method whose caller has left, unless it has run for longer than
   * any call may, and none of the calls that it makes of its own accord by now.
   */
  async settled(): Promise<void> {
    if (this.occupied > 0) await this.#whenFree.wait();
    await this.instance.callsAnswered();
  }

  /** It is the one that serves from now on, and may act. */
  serve(): void {
    if (this.isRetired) this.health.tellAnew();
    this.phase = "CURRENT";
    this.acts = true;
    if (this.#serves) return;
    this.#serves = true;
    this.fence.open();
    this.instance.serve();
  }

  /** It serves no more, and must not act any more. It learns so in this very turn. */
  retire(phase: "STANDBY" | "DRAINING"): void {
    this.phase = phase;
    this.#serves = false;
    this.fence.shut("another version has taken its place");
    this.instance.retire();
  }

  /** It goes on as though its state had never been asked for. */
  resume(): void {
    this.fence.open();
    this.instance.resume();
  }

  #lookFree(): void {
    if (this.occupied === 0) this.#whenFree.wake();
  }
}
