import { Waiters } from "../../../async/waiters.ts";
import type { Ending, Instance, ResolvedModule } from "../../host/types/host.ts";
import type { Running } from "../../record/lifecycle.ts";
import type { Fence } from "./fence.ts";
import { Gauge } from "./gauge.ts";
import type { HealthWatch } from "./health.ts";
import type { Trial } from "./trial.ts";

/** CANDIDATE: does not serve yet. CURRENT: serves. STANDBY: replaced, and can serve again. DRAINING: ends after its calls. */
export type GenerationPhase = "CANDIDATE" | "CURRENT" | "STANDBY" | "DRAINING";

/** By module name: the generations that are called instead of those that serve. */
export type Peers = Map<string, Generation>;

/** One start of a module's code: its instance, and the calls that it runs. */
export class Generation {
  readonly name: string;
  readonly running: Running;
  readonly code: ResolvedModule;
  readonly instance: Instance;
  readonly fence: Fence;
  readonly gauge = new Gauge();
  readonly health: HealthWatch;
  phase: GenerationPhase = "CANDIDATE";
  /** For a candidate: the others that were started with it. For a replaced generation: those that were replaced with it. */
  peers: Peers;
  /** Wall time in ms at which it ended. Undefined while it lives. */
  endTime: number | undefined;
  /** Called, instead of the supervisor, when the instance ends without being stopped. */
  guard: ((ending: Ending) => void) | undefined;
  /** Whether it serves, has served, or was started to serve. Then its fence alone decides whether it may act. */
  acts: boolean;
  /** What it may call until `acts` is true. */
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

  /** The number of calls that a caller waits for. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The number of calls that count towards the concurrency: those in flight, and those that run on without a caller. */
  get occupied(): number {
    return this.#inFlight + this.#lingering;
  }

  /** How it ended. Undefined while it lives. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Whether another generation has replaced it. */
  get isRetired(): boolean {
    return this.phase === "STANDBY" || this.phase === "DRAINING";
  }

  enter(): void {
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#whenIdle.wake();
    this.#wakeIfFree();
  }

  /** Keeps the place of a call whose caller has stopped waiting. The returned function frees it, and is called once. */
  linger(): () => void {
    this.#lingering += 1;
    return () => {
      this.#lingering -= 1;
      this.#wakeIfFree();
    };
  }

  /** Resolves when no call is in flight. */
  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : this.#whenIdle.wait();
  }

  /**
   * Resolves when `occupied` is 0, and the calls that the instance is making by then are answered. A method that has run for
   * longer than `call_timeout` is not waited for.
   */
  async settled(): Promise<void> {
    if (this.occupied > 0) await this.#whenFree.wait();
    await this.instance.callsAnswered();
  }

  /** Makes it the generation that serves, and opens its fence. */
  serve(): void {
    if (this.isRetired) this.health.publishNext();
    this.phase = "CURRENT";
    this.acts = true;
    if (this.#serves) return;
    this.#serves = true;
    this.fence.open();
    this.instance.serve();
  }

  /** Ends its service, and shuts its fence in the same turn of the event loop, so that it cannot act any more. */
  retire(phase: "STANDBY" | "DRAINING"): void {
    this.phase = phase;
    this.#serves = false;
    this.fence.shut("another version has taken its place");
    this.instance.retire();
  }

  /** Resumes a generation whose state was exported for a hand-over that failed. */
  resume(): void {
    this.fence.open();
    this.instance.resume();
  }

  #wakeIfFree(): void {
    if (this.occupied === 0) this.#whenFree.wake();
  }
}
