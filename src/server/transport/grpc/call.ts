import { fromBinary, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
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
export class GrpcCall extends DirectCall implements StreamReader {
  readonly #stream: DirectStream;
  readonly #body: RequestBody;
  #messages: AsyncIterator<Init> | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: DirectStream, plan: CallPlan, deps: CallDeps) {
    super(stream, plan, deps);
    this.#stream = stream;
    this.#body = new RequestBody(deps.maxRequestBytes);
  }

  drained(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
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
    // Its producer has to be told that nobody reads on.
    void this.#messages?.return?.();
    const trailers = trailerBlock(this.context.givenTrailer, error);
    if (this.#stream.hasBegun) this.#stream.end(trailers);
    else this.#stream.answer(headBlock(this.context.givenHeader), undefined, trailers);
  }

  protected override stream(messages: AsyncIterator<Init>): void {
    this.#messages = messages;
    void this.#pump(messages);
  }

  /** While the producer is asked for a message, it notices the deadline itself. */
  protected override expired(reason: ConnectError): void {
    if (this.#wake === undefined) return;
    this.fail(reason);
    this.drained();
  }

  protected override gone(): void {
    void this.#messages?.return?.();
    this.drained();
  }

  /** Sends each message when the client has room for it. */
  async #pump(messages: AsyncIterator<Init>): Promise<void> {
    const { pacing } = this.deps;
    const { output } = this.plan.route.method;
    const stream = this.#stream;
    try {
      for (;;) {
        const { done, value } = await messages.next();
        if (this.isOver) return;
        if (done === true) break;
        // Without a wait if there is none, so that others find the message encoded.
        const turn = isEncoded(value) && pacing.hasRoom(this.peer) ? undefined : pacing.pace(this.peer);
        if (turn !== undefined) await turn;
        if (this.isOver) return;
        const body = encodeShared(output, value);
        if (!stream.hasBegun) stream.begin(headBlock(this.context.givenHeader));
        stream.write(body);
        this.wrote(body.length);
        if (stream.waiting > MAX_STREAM_AHEAD_BYTES) await this.#drained();
        if (this.isOver) return;
      }
      if (!stream.hasBegun) stream.begin(headBlock(this.context.givenHeader));
      stream.end(trailerBlock(this.context.givenTrailer));
      this.finish();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
