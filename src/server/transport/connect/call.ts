import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { DirectCall, type Exchange } from "../../calls/call.ts";
import { Gathered } from "../../calls/gathered.ts";
import type { CallDeps, CallPlan } from "../../calls/route.ts";
import type { Init } from "../../calls/runner.ts";
import { checkAnswerSize, checkRequestSize } from "../../calls/sizes.ts";
import type { StreamReader } from "../direct/stream.ts";
import type { Format } from "./format.ts";

/** An exchange of one request for one answer. */
export interface UnaryExchange extends Exchange {
  /** `fields`: the headers, names and values in turn. */
  answer(status: number, fields: readonly string[], body: string | Uint8Array): void;
}

/** One unary call of Connect (Connect protocol, "Unary (Request-Response) RPCs"). */
export class ConnectCall extends DirectCall implements StreamReader {
  readonly #exchange: UnaryExchange;
  readonly #format: Format;
  readonly #gathered = new Gathered();
  readonly #announced: number;

  /** `announced`: the size of the body in bytes, as far as the client has announced it. */
  constructor(exchange: UnaryExchange, plan: CallPlan, format: Format, deps: CallDeps, announced = 0) {
    super(exchange, plan, deps);
    this.#announced = announced;
    this.#exchange = exchange;
    this.#format = format;
  }

  /** A body that is announced to be too large is refused at once, whether or not anything of it comes. */
  override begin(): void {
    super.begin();
    if (this.isOver) return;
    try {
      checkRequestSize(this.#announced, this.deps.maxRequestBytes);
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  /** The answer has only one part. */
  drained(): void {}

  protected override collect(bytes: Buffer, isLast: boolean): Buffer | number {
    const gathered = this.#gathered;
    checkRequestSize(gathered.size + bytes.length, this.deps.maxRequestBytes);
    if (isLast && gathered.size === 0) return bytes;
    gathered.add(bytes);
    return isLast ? gathered.take() : gathered.held;
  }

  protected override decode(body: Buffer): Message {
    return this.#format.decode(this.plan.route, body);
  }

  protected override succeed(answer: Init): number {
    const body = this.#format.encode(this.plan.route, answer);
    const bytes = Buffer.byteLength(body);
    checkAnswerSize(bytes);
    this.#exchange.answer(200, this.#fields(this.#format.contentType, bytes), body);
    return bytes;
  }

  /** Errors are JSON in either format. */
  protected override refuse(error: ConnectError): void {
    const body = errorToJsonBytes(error, undefined);
    const fields = [...this.#fields("application/json", body.length), ...[...error.metadata].flat()];
    this.#exchange.answer(codeToHttpStatus(error.code), fields, body);
  }

  #fields(contentType: string, length: number): readonly string[] {
    const fields = ["content-type", contentType, "content-length", String(length)];
    const { givenHeader, givenTrailer } = this.context;
    if (givenHeader !== undefined) fields.push(...[...givenHeader].flat());
    for (const [name, value] of givenTrailer ?? []) fields.push(`trailer-${name}`, value);
    return fields;
  }
}
