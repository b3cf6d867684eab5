import { Code, ConnectError } from "@connectrpc/connect";
import { Gathered } from "../../calls/gathered.ts";
import { checkRequestSize } from "../../calls/sizes.ts";
import { COMPRESSED, checkFlags, incomplete, malformed } from "./flags.ts";

/** Bytes before a message: a flag for compression, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export const PREFIX_BYTES = 5;

/** Collects the only message of a request. */
export class RequestBody {
  readonly #gathered = new Gathered();
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
    const gathered = this.#gathered;
    if (gathered.size === 0) checkFlags(bytes[0] ?? 0);
    if (isLast && gathered.size === 0) return messageIn(bytes, this.#most);
    gathered.add(bytes);
    if (isLast) return messageIn(gathered.take(), this.#most);
    if (gathered.size >= PREFIX_BYTES && gathered.size > PREFIX_BYTES + lengthIn(gathered.bytes, this.#most)) {
      throw extraMessage();
    }
    return gathered.held;
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
  if (body[0] === COMPRESSED) throw malformed("received compressed envelope, but the request names no compression");
  return length;
}

const extraMessage = (): ConnectError =>
  new ConnectError("protocol error: received extra input message for the method", Code.Unimplemented);
