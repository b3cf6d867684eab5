import { fromBinary, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { END, type Polled, type Waker } from "../../../core/async/index.ts";
import { messageOf } from "../../../core/index.ts";
import { DirectCall } from "../../calls/call.ts";
import type { CallDeps, CallPlan } from "../../calls/route.ts";
import type { Init } from "../../calls/runner.ts";
import type { DirectStream, StreamReader } from "../direct/stream.ts";
import { RequestBody } from "./body.ts";
import { encodeMessage, encodeShared, isEncoded } from "./messages.ts";
import { headBlock, trailerBlock } from "./status.ts";

/** Unsent bytes of a stream beyond which its next message is not asked for. @limit bytes */
const MAX_STREAM_AHEAD_BYTES = 16 * 1024;

/** One gRPC call with a single request (gRPC over HTTP/2, "Requests" and "Responses"). */
export class GrpcCall extends DirectCall implements StreamReader, Waker {
  readonly #stream: DirectStream;
  readonly #body: RequestBody;
  #messages: Polled<Init> | undefined;
  /** What the next message waits for: its turn to be encoded, or the client, which has to read. */
  #waitsFor: "turn" | "client" | undefined;
  /** Whether the next message may be encoded at once. */
  #hasTurn = false;

  constructor(stream: DirectStream, plan: CallPlan, deps: CallDeps) {
    super(stream, plan, deps);
    this.#stream = stream;
    this.#body = new RequestBody(deps.maxRequestBytes);
  }

  drained(): void {
    if (this.#waitsFor !== "client") return;
    this.#waitsFor = undefined;
    this.wake();
  }

  /** Sends the messages that there are, as far as the client has room for them. */
  wake(): void {
    try {
      while (!this.isOver && this.#waitsFor === undefined) {
        const message = this.#messages?.poll(this);
        if (message === undefined || this.isOver) return;
        if (message === END) this.#end();
        else this.#send(message);
      }
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  protected override collect(bytes: Buffer, isLast: boolean): Buffer | number {
    return this.#body.add(bytes, isLast);
  }

  protected override decode(body: Buffer): Message {
    try {
      return fromBinary(this.plan.route.method.input, body);
    } catch (error) {
      throw new ConnectError(`parse binary: ${messageOf(error)}`, Code.InvalidArgument);
    }
  }

  protected override succeed(answer: Init): number {
    const body = encodeMessage(this.plan.route.method.output, answer);
    this.#stream.answer(headBlock(this.context.givenHeader), body, trailerBlock(this.context.givenTrailer));
    return body.length;
  }

  protected override refuse(error: ConnectError): void {
    const trailers = trailerBlock(this.context.givenTrailer, error);
    if (this.#stream.hasBegun) this.#stream.end(trailers);
    else this.#stream.answer(headBlock(this.context.givenHeader), undefined, trailers);
  }

  protected override stream(messages: Polled<Init>): void {
    this.#messages = messages;
    // The first message may be a large snapshot for this stream alone. It is not made before there is space for it.
    const turn = this.deps.pacing.pace(this.peer, false, this);
    if (turn === undefined) this.#hasTurn = true;
    else {
      this.#waitFor(turn, () => {
        this.#hasTurn = true;
      });
    }
    if (this.#waitsFor === undefined) this.wake();
  }

  /** A producer that is asked for a message notices the deadline itself. One that does not has until the next turn. */
  protected override expired(reason: ConnectError): void {
    if (this.#waitsFor !== undefined) this.fail(reason);
    else setImmediate(() => this.fail(reason));
  }

  /** The producer has to be told that nobody reads on. */
  protected override stop(): void {
    this.#messages?.close();
  }

  /** Writes a message at once if possible, so that others find it encoded. */
  #send(message: Init): void {
    const turn = this.#hasTurn ? undefined : this.deps.pacing.pace(this.peer, isEncoded(message), this);
    this.#hasTurn = false;
    if (turn === undefined) this.#write(message);
    else this.#waitFor(turn, () => this.#write(message));
  }

  /** Runs `then` in the turn of this stream, and goes on. */
  #waitFor(turn: Promise<void>, then: () => void): void {
    this.#waitsFor = "turn";
    void turn.then(() => {
      this.#waitsFor = undefined;
      if (this.isOver) return;
      try {
        then();
      } catch (thrown) {
        this.fail(thrown);
      }
      this.wake();
    });
  }

  #write(message: Init): void {
    const stream = this.#stream;
    const body = encodeShared(this.plan.route.method.output, message);
    if (!stream.hasBegun) stream.begin(headBlock(this.context.givenHeader));
    stream.write(body);
    this.wrote(body.length);
    if (stream.waiting > MAX_STREAM_AHEAD_BYTES) this.#waitsFor = "client";
  }

  #end(): void {
    const stream = this.#stream;
    if (!stream.hasBegun) stream.begin(headBlock(this.context.givenHeader));
    stream.end(trailerBlock(this.context.givenTrailer));
    this.complete();
  }
}
