import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../../gen/google/rpc/error_details_pb.ts";
import { HeliosError } from "../../../core/index.ts";
import { checkRequestSize } from "../../calls/sizes.ts";
import { infoOf } from "../../errors.ts";

/** Bytes before a message: a flag for compression, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export const PREFIX_BYTES = 5;

/** Collects the only message of a request. */
export class RequestBody {
  #parts: Buffer[] = [];
  #bytes = 0;
  readonly #most: number;

  /** `most`: size of the largest message. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Adds a part of the body, and returns the message once the body is complete, before that the number of bytes that are held.
   * The bytes are only valid during the call: what is kept is copied. Throws ConnectError, and does so as soon as the length is
   * known to be too large.
   */
  add(bytes: Buffer, isLast: boolean): Buffer | number {
    if (isLast && this.#bytes === 0) return messageIn(bytes, this.#most);
    this.#parts.push(Buffer.from(bytes));
    this.#bytes += bytes.length;
    if (isLast) return messageIn(this.#takeAll(), this.#most);
    if (this.#bytes < PREFIX_BYTES) return this.#bytes;
    const head = this.#parts[0] as Buffer;
    const length = lengthIn(head.length < PREFIX_BYTES ? this.#join() : head, this.#most);
    if (this.#bytes > PREFIX_BYTES + length) throw extraMessage();
    return this.#bytes;
  }

  /** Returns the whole body, and keeps nothing of it. */
  #takeAll(): Buffer {
    const parts = this.#parts;
    this.#parts = [];
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  #join(): Buffer {
    const joined = Buffer.concat(this.#parts);
    this.#parts = [joined];
    return joined;
  }
}

function messageIn(body: Buffer, most: number): Buffer {
  if (body.length === 0) {
    throw new ConnectError("protocol error: missing input message for the method", Code.Unimplemented);
  }
  if (body.length < PREFIX_BYTES) throw incomplete();
  const end = PREFIX_BYTES + lengthIn(body, most);
  if (body.length < end) throw incomplete();
  if (body.length > end) throw extraMessage();
  return body.subarray(PREFIX_BYTES);
}

function lengthIn(body: Buffer, most: number): number {
  const length = body.readUInt32BE(1);
  checkRequestSize(length, most);
  const flags = body[0] ?? 0;
  if (flags === 1) throw unnamedCompression();
  if (flags > 1) throw new ConnectError(`the flags of a message must be 0, but are ${flags}`, Code.InvalidArgument);
  return length;
}

/** The request is wrong, but gRPC requires INTERNAL (doc/compression.md). */
function unnamedCompression(): ConnectError {
  const problem = "received compressed envelope, but the request names no compression";
  const error = new ConnectError(problem, Code.Internal);
  error.details.push({ desc: ErrorInfoSchema, value: infoOf(HeliosError.of("REQUEST_MALFORMED", { problem })) });
  return error;
}

const incomplete = (): ConnectError => new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
const extraMessage = (): ConnectError =>
  new ConnectError("protocol error: received extra input message for the method", Code.Unimplemented);
