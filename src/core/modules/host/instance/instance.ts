import { onAbort } from "../../../../kernel/async/signal.ts";
import type { Clock, Timer } from "../../../../kernel/clock.ts";
import { Waiters } from "../../../async/waiters.ts";
import { HeliosError } from "../../../errors/error.ts";
import { deadlineError } from "../types/deadline-error.ts";
import type {
  Aftermath,
  CallOptions,
  Ending,
  Instance,
  InstanceShape,
  InstanceSpec,
  Payload,
  State,
  StateSource,
  Usage,
} from "../types/host.ts";
import { machineTime } from "../values/machine-time.ts";
import { spellingsOf } from "../values/names.ts";
import { toWire } from "../values/wire-error.ts";
import type { Channel } from "../wire/channel.ts";
import type { FromInstance, LifecycleMethod, Pressure, ToInstance } from "../wire/protocol.ts";
import { crashed, methodFailed } from "./failures.ts";
import { LeftBehind } from "./left-behind.ts";
import { type AnswerKind, type Pending, PendingRequests } from "./pending.ts";
import type { Requests } from "./requests.ts";

/**
 * How long a hand-over waits for a moment without any own call of the instance in progress. After that, its further
 * calls wait until those in progress are answered. @limit ms
 */
const QUIET_PATIENCE_MS = 100;

/** The calls that the module makes. */
type Asked = Pick<Requests, "ownCalls" | "answered">;

const NO_CALLS: Asked = { ownCalls: () => [], answered: async () => {} };

/** An instance that has started, as the service sees it. */
export class LiveInstance implements Instance {
  readonly shape: InstanceShape;
  readonly ended: Promise<Ending>;
  readonly #spec: InstanceSpec;
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #pending: PendingRequests;
  readonly #spellings: ReadonlyMap<string, string>;
  readonly #leftBehind = new LeftBehind();
  readonly #idleWaiters = new Waiters();
  readonly #asked: Asked;
  /** Ids of the exports whose states have not arrived, even if their callers have left. */
  readonly #statesAwaited = new Set<number>();
  #resolveEnded: (ending: Ending) => void = () => {};
  #lastId = 0;
  #stopping = false;
  #lastUsage: Usage | undefined;
  #ending: Ending | undefined;

  constructor(spec: InstanceSpec, channel: Channel, shape: InstanceShape, clock: Clock, asked: Asked = NO_CALLS) {
    this.#spec = spec;
    this.#asked = asked;
    this.#channel = channel;
    this.#clock = clock;
    this.shape = shape;
    this.#spellings = spellingsOf(shape.methods);
    this.#pending = new PendingRequests(clock, (id, { method, timeoutMs }) =>
      this.#giveUp(id, deadlineError(spec.name, method, timeoutMs), "the deadline passed"),
    );
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get lastUsage(): Usage | undefined {
    return this.#lastUsage;
  }

  get busy(): number {
    return this.#pending.calls + this.#leftBehind.size;
  }

  get leftBehind(): number {
    return this.#leftBehind.size;
  }

  get ownCalls(): readonly string[] {
    return this.#asked.ownCalls();
  }

  callsAnswered(): Promise<void> {
    return this.#asked.answered();
  }

  whenIdle(): Promise<void> {
    return this.busy === 0 ? Promise.resolve() : this.#idleWaiters.wait();
  }

  aftermath(origin: unknown): Promise<Aftermath> | undefined {
    return this.#leftBehind.aftermath(origin);
  }

  invoke(method: string, input: Payload, options: CallOptions): Promise<Payload> {
    if (!this.#spellings.has(method)) {
      const methods = this.shape.methods.join(", ") || "none";
      const metadata = { name: this.#spec.name, method, methods };
      return Promise.reject(HeliosError.of("MODULE_METHOD_NOT_FOUND", metadata));
    }
    const message = (id: number, deadline: number): ToInstance => ({ type: "call", id, deadline, method, input });
    return this.#request(method, message, options, "output") as Promise<Payload>;
  }

  async checkHealth(timeoutMs: number): Promise<void> {
    if (this.shape.hasHealth) await this.#lifecycle("health", [], timeoutMs);
  }

  exportState(timeoutMs: number, forceMs?: number): Promise<State> {
    return this.#quiet("exportState", timeoutMs, forceMs) as Promise<State>;
  }

  async becomeQuiet(timeoutMs: number): Promise<void> {
    await this.#quiet("quiet", timeoutMs, undefined);
  }

  serve(): void {
    this.#channel.send({ type: "duty", duty: "serve" });
  }

  retire(): void {
    this.#channel.send({ type: "duty", duty: "retire" });
  }

  resume(): void {
    this.#channel.send({ type: "duty", duty: "resume" });
  }

  async importState({ bytes: state }: State, from: StateSource, timeoutMs: number): Promise<void> {
    const message = (id: number, deadline: number): ToInstance => ({ type: "import", id, deadline, state, from });
    await this.#request("importState", message, { timeoutMs });
  }

  async usage({ collect }: { readonly collect: boolean }, timeoutMs: number): Promise<Usage> {
    const usage = await this.#request("usage", (id, deadline) => ({ type: "usage", id, deadline, collect }), {
      timeoutMs,
    });
    const { heapUsedBytes, externalBytes, eventLoopUtilization } = (usage ?? {}) as Partial<Usage>;
    return {
      heapUsedBytes: Number(heapUsedBytes),
      externalBytes: Number(externalBytes),
      eventLoopUtilization: Number(eventLoopUtilization),
    };
  }

  async stop(timeoutMs: number): Promise<void> {
    if (!this.#stopping && this.#ending === undefined) {
      this.#stopping = true;
      const timer = this.#clock.setTimer(timeoutMs, () => this.#channel.kill());
      void this.ended.then(() => timer.cancel());
      // If the module's `stop` fails, the instance is killed.
      void this.#lifecycle("stop", [], timeoutMs).catch(() => this.#channel.kill());
    }
    await this.ended;
  }

  kill(): void {
    this.#stopping = true;
    this.#channel.kill();
  }

  /** Returns the `origin` of a call whose method runs. */
  originOf(callId: number): unknown {
    return this.#pending.get(callId)?.origin ?? this.#leftBehind.originOf(callId);
  }

  isAwaited(id: number): boolean {
    return this.#pending.get(id) !== undefined;
  }

  isStateAwaited(): boolean {
    return this.#statesAwaited.size > 0;
  }

  /**
   * Handles a message of the instance. Returns whether the service asked for it. For a pong, only the watchdog knows that,
   * so the result is always true.
   */
  receive(message: FromInstance): boolean {
    switch (message.type) {
      case "output":
        return this.#answered(message.id, "output", message.output);
      case "state":
        return this.#answered(message.id, "state", { bytes: message.state });
      case "result":
        return this.#answered(message.id, "result", message.value);
      case "error":
        return this.#failed(message.id, "ENDED", ({ method }) => methodFailed(this.#spec.name, method, message.error));
      case "dropped":
        // If the call is still pending, the instance's clock was ahead of the timer here.
        return this.#failed(message.id, "DROPPED", ({ method, timeoutMs }) =>
          deadlineError(this.#spec.name, method, timeoutMs),
        );
      case "late":
        return this.#methodEnded(message.id);
      case "pong":
        this.#lastUsage = message.usage;
        return true;
      default:
        // These messages concern the start, the log, or the module's own calls.
        return false;
    }
  }

  /** The instance has ended. Rejects all pending requests. */
  end(description: string): void {
    this.#ending = { expected: this.#stopping, description };
    this.#pending.close();
    // This comes first, so that a caller whose call fails does not send the next call to this instance.
    this.#resolveEnded(this.#ending);
    for (const id of this.#pending.ids) this.#pending.take(id)?.reject(this.#crashed(true));
    this.#leftBehind.end();
    this.#wakeIfIdle();
  }

  #lifecycle(method: LifecycleMethod, args: readonly unknown[], timeoutMs: number): Promise<unknown> {
    return this.#request(method, (id, deadline) => ({ type: "lifecycle", id, deadline, method, args }), { timeoutMs });
  }

  async #quiet(
    method: "exportState" | "quiet",
    timeoutMs: number,
    forceMs = Number.POSITIVE_INFINITY,
  ): Promise<unknown> {
    const exports = method === "exportState";
    let id = 0;
    const press = (delayMs: number, how: Pressure): Timer =>
      this.#clock.setTimer(delayMs, () => this.#channel.send({ type: "press", id, how }));
    const timers = [
      press(Math.min(QUIET_PATIENCE_MS, timeoutMs / 2), "hold later calls"),
      press(timeoutMs / 2, "hold"),
      press(forceMs, "take"),
    ];
    try {
      const message = (given: number, deadline: number): ToInstance => {
        id = given;
        if (exports) this.#statesAwaited.add(id);
        return { type: "quiet", id, deadline, exports };
      };
      return await this.#request(method, message, { timeoutMs }, exports ? "state" : "result");
    } finally {
      for (const timer of timers) timer.cancel();
    }
  }

  #request(
    method: string,
    message: (id: number, deadline: number) => ToInstance,
    { timeoutMs, now, signal, origin, onDelivered }: CallOptions,
    answer: AnswerKind = "result",
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ending !== undefined) return reject(this.#crashed(false));
      if (signal?.aborted) return reject(signal.reason);
      this.#lastId += 1;
      const id = this.#lastId;
      const deadline = (now ?? this.#clock.monotonic()) + timeoutMs;
      const stopListening = signal && onAbort(signal, () => this.#giveUp(id, signal.reason, "the caller has left"));
      this.#pending.add(id, { method, origin, timeoutMs, deadline, stopListening, answer, resolve, reject });
      try {
        if (this.#channel.send(message(id, machineTime() + timeoutMs))) onDelivered?.();
        else this.#notSent(id, this.#overloaded());
      } catch (error) {
        this.#notSent(id, methodFailed(this.#spec.name, method, toWire(error)));
      }
    });
  }

  #notSent(id: number, error: HeliosError): void {
    this.#pending.take(id)?.reject(error);
    this.#wakeIfIdle();
  }

  #answered(id: number, answer: AnswerKind, value: unknown): boolean {
    const wrongAnswer = {
      name: "Error",
      message: "it answered with a message that does not follow the protocol",
      stack: "",
    };
    const pending = this.#pending.take(id);
    if (pending?.answer === answer) pending.resolve(value);
    else pending?.reject(methodFailed(this.#spec.name, pending.method, wrongAnswer));
    return this.#methodEnded(id) || pending !== undefined;
  }

  #failed(id: number, how: Aftermath, error: (pending: Pending) => HeliosError): boolean {
    const pending = this.#pending.take(id);
    if (how === "DROPPED") this.#leftBehind.drop(pending?.origin);
    pending?.reject(error(pending));
    return this.#methodEnded(id, how) || pending !== undefined;
  }

  #giveUp(id: number, error: unknown, reason: string): void {
    const pending = this.#pending.take(id);
    if (pending?.answer === "output") this.#leftBehind.add(id, pending.origin);
    pending?.reject(error);
    this.#channel.send({ type: "cancel", id, reason });
  }

  /** Records that a request has ended in the instance. Returns whether nobody waited for it any more. */
  #methodEnded(id: number, how: Aftermath = "ENDED"): boolean {
    const isLate =
      (this.#statesAwaited.size > 0 && this.#statesAwaited.delete(id)) ||
      (this.#leftBehind.size > 0 && this.#leftBehind.settle(id, how));
    this.#wakeIfIdle();
    return isLate;
  }

  #wakeIfIdle(): void {
    if (this.busy === 0) this.#idleWaiters.wake();
  }

  #overloaded(): HeliosError {
    const metadata = { name: this.#spec.name, in_flight: this.busy, queued: this.#channel.unread };
    return HeliosError.of("MODULE_OVERLOADED", metadata);
  }

  #crashed(delivered: boolean): HeliosError {
    return crashed(this.#spec.name, this.#ending?.description, delivered);
  }
}
