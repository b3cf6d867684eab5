import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Polled, polled } from "../../core/async/index.ts";
import { HeliosError, seconds, type Timer } from "../../core/index.ts";
import { fromHeliosError, toConnectError } from "../errors.ts";
import type { Holder } from "../http/bodies.ts";
import { timedOut } from "../http/deadline.ts";
import type { Waiter } from "../http/patience.ts";
import { withReason } from "../http/refusals.ts";
import type { Tracked, UnreadAnswer } from "../http/slow-readers.ts";
import { REQUEST_BODY_TIMEOUT_MS } from "../transport/limits.ts";
import { CallContext } from "./context.ts";
import type { CallDeps, CallPlan } from "./route.ts";
import type { Init } from "./runner.ts";

/** A complete body of up to so many bytes is not counted among those that are held: 20,000 of them are 20 MB. @limit bytes */
const UNCOUNTED_BYTES = 1024;

/** Where a request comes from, and its answer goes. */
export interface Exchange {
  /** Identifies the connection. */
  readonly connection: object;
  /** Address and port of the client. */
  readonly peer: string;
  /** Bytes of the answer that were written but not sent. */
  readonly waiting: number;
  /** Ends the exchange at once, because the client reads too slowly. */
  cut(): void;
}

/**
 * A call with a single request that does not go through Connect: its limits, its deadline, and its end. The protocols say how
 * requests are read and answers written.
 *
 * A call ends in two steps. First, its answer is decided (`#decide`): nothing more is read or added, its timers stop, its context
 * is aborted, and `stop` ends what produces a stream. Then it is released (`#release`): nothing of it is left, and it no longer
 * counts. The first of these ways decides the answer. A later one can only release the call.
 *
 * | Way | Begins in | Sends | Released by |
 * |---|---|---|---|
 * | answered | the service: `#answer`, or the protocol's `complete` after the last message | the answer | `sent` |
 * | failed: refused by a limit, by the request, or by the service | `fail` | the error, by `refuse` | `sent` |
 * | the body is too slow | `deps.patience`: `late`, `fail` | the error | `sent` |
 * | its deadline, before the request is complete | `#deadline`: `fail` | the error | `sent` |
 * | its deadline, while it runs | `#deadline`: the context is aborted; the service fails, or `expired` does | the error | `sent` |
 * | the server ends | `deps.shutdown`: the context is aborted, `fail` | the error | `sent` |
 * | its caller is gone | the exchange: `closed` | nothing | `closed` |
 * | its caller reads too slowly | `deps.slowReaders`: `cut`, which also ends the exchange | nothing | `cut` |
 */
export abstract class DirectCall implements UnreadAnswer, Waiter {
  protected readonly context: CallContext;
  protected readonly plan: CallPlan;
  protected readonly deps: CallDeps;
  readonly #exchange: Exchange;
  #held: Holder | undefined;
  /** Bytes of the body that `#held` counts. */
  #counted = 0;
  #tracked: Tracked | undefined;
  #deadline: Timer | undefined;
  /** Stops listening to the shutdown. */
  #disarm: (() => void) | undefined;
  #isCounted = false;
  /** Whether the request is complete and has been passed on. */
  #isRunning = false;
  #isOver = false;

  constructor(exchange: Exchange, plan: CallPlan, deps: CallDeps) {
    this.#exchange = exchange;
    this.plan = plan;
    this.deps = deps;
    this.context = new CallContext(plan.origin, exchange.peer, deps.clock);
  }

  /** Whether the answer is decided, so that nothing more is read or added. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get peer(): string {
    return this.#exchange.peer;
  }

  get path(): string {
    return this.plan.origin.path;
  }

  get waiting(): number {
    return this.#exchange.waiting;
  }

  /** Begins the call. Call it once, after the constructors. */
  begin(): void {
    const { callLimit, patience } = this.deps;
    const refusal = callLimit.enter(this.#exchange.connection);
    this.#isCounted = refusal === undefined;
    if (refusal !== undefined) this.fail(fromHeliosError(refusal));
    else if (this.plan.refusal !== undefined) this.fail(this.plan.refusal);
    else {
      patience.add(this);
      // Most bodies come with their heads, and most answers follow at once. Their calls need no timer.
      if (this.plan.origin.timeoutMs !== undefined) queueMicrotask(() => this.#armDeadline());
    }
  }

  /** A part of the request's body. The bytes are only valid during the call. */
  data(bytes: Buffer, isLast: boolean): void {
    if (this.#isOver) return;
    try {
      const body = this.collect(bytes, isLast);
      if (typeof body === "number") {
        this.#hold(body);
        return;
      }
      // A body that has come in parts stays counted with the memory that it was gathered in, which may be more.
      if (body.length > UNCOUNTED_BYTES) this.#hold(Math.max(body.length, this.#counted));
      const { turns, patience } = this.deps;
      patience.delete(this);
      const mustWait = turns.mustWait;
      // A field of bytes is a part of the body, and would keep the whole chunk from the socket in memory.
      const kept = mustWait || this.plan.route.hasBytes ? copyOf(body) : body;
      if (mustWait) turns.wait(() => this.#run(kept));
      else this.#run(kept);
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  /** The body is too slow. */
  late(): void {
    this.fail(fromHeliosError(HeliosError.of("REQUEST_TOO_SLOW", { timeout: seconds(REQUEST_BODY_TIMEOUT_MS) })));
  }

  /** The caller is gone: nobody gets an answer. */
  closed(): void {
    this.#leave(new ConnectError("the client went away", Code.Canceled));
  }

  /** The answer cannot be sent, because the client reads too slowly. */
  blocked(): void {
    this.#tracked ??= this.deps.slowReaders.track(this);
    this.#tracked.wrote(this.waiting);
  }

  /** The whole answer was sent. */
  sent(): void {
    this.#release();
  }

  cut(): void {
    this.#exchange.cut();
    this.#leave(new ConnectError("the client reads too slowly", Code.Canceled));
  }

  /**
   * Collects the body. Returns the request once it is complete, before that the number of bytes that are held. Throws
   * ConnectError.
   */
  protected abstract collect(bytes: Buffer, isLast: boolean): Buffer | number;
  protected abstract decode(body: Buffer): Message;
  /** Sends the answer, and returns its size. Throws if it cannot be encoded. */
  protected abstract succeed(answer: Init): number;
  protected abstract refuse(error: ConnectError): void;
  /** Starts to send a stream. */
  protected stream(_messages: Polled<Init>): void {
    throw new Error("this protocol has no streams");
  }
  /** The deadline has passed while the request runs. The service has been notified. */
  protected expired(_reason: ConnectError): void {}
  /** The answer is decided: what produces a stream must end. Called once. */
  protected stop(): void {}

  /** More bytes of a stream were written. */
  protected wrote(bytes: number): void {
    this.#tracked?.wrote(bytes);
  }

  /** Ends the call with an error, unless its answer is decided. */
  protected fail(thrown: unknown): void {
    if (this.#isOver) return;
    const { newId, report } = this.deps;
    const error = withReason(toConnectError(thrown, this.context.signal, newId, report), newId, report);
    this.complete();
    this.refuse(error);
  }

  /** The answer is complete. It may still have to be sent. */
  protected complete(): void {
    this.#decide(undefined);
  }

  #hold(bytes: number): void {
    this.#counted = bytes;
    this.#held ??= this.deps.bodies.holder(this.#exchange.connection);
    this.#held.hold(bytes);
  }

  #run(body: Buffer): void {
    if (this.#isOver) return;
    const { route } = this.plan;
    this.#isRunning = true;
    try {
      const request = this.decode(body);
      if ((this.context.timeoutMs() ?? 1) <= 0) throw timedOut();
      if (route.streaming !== undefined) {
        const messages = polled(route.streaming(request, this.context));
        this.#goOn();
        if (this.#isOver) messages.close();
        else this.stream(messages);
        return;
      }
      const answer = route.unary(request, this.context);
      if (answer instanceof Promise) {
        this.#goOn();
        answer.then(
          (answered) => this.#answer(answered),
          (thrown) => this.fail(thrown),
        );
      } else this.#answer(answer);
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  #answer(answer: Init): void {
    if (this.#isOver) return;
    try {
      this.deps.turns.spend(this.succeed(answer));
      this.complete();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  /** The call takes time: it may end by its deadline or by the shutdown. */
  #goOn(): void {
    this.#disarm = this.deps.shutdown.limit((reason) => {
      this.context.abort(reason);
      this.fail(reason);
    });
    this.#armDeadline();
  }

  #armDeadline(): void {
    // Most calls are over by now, and reading the clock is not free.
    const leftMs = this.#isOver ? undefined : this.context.timeoutMs();
    if (leftMs === undefined) return;
    this.#deadline ??= this.deps.clock.setTimer(leftMs, () => {
      const reason = timedOut();
      // While the request is not complete, nothing else notices it.
      if (!this.#isRunning) this.fail(reason);
      else {
        this.context.abort(reason);
        this.expired(reason);
      }
    });
  }

  /** Nobody gets an answer, or the rest of it. */
  #leave(reason: ConnectError): void {
    this.#decide(reason);
    this.#release();
  }

  /** `reason`: what the service sees in its context. */
  #decide(reason: ConnectError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline?.cancel();
    this.#disarm?.();
    this.deps.patience.delete(this);
    this.context.abort(reason);
    this.stop();
  }

  #release(): void {
    this.#held?.release();
    this.#tracked?.ended();
    if (this.#isCounted) this.deps.callLimit.leave(this.#exchange.connection);
    this.#isCounted = false;
  }
}

/** Copies into memory of its own. A small `Buffer.from` would keep a shared piece of memory. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
