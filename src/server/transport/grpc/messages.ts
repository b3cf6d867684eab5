import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Init } from "../../calls/runner.ts";
import { encoderFor } from "../../map/encode/encoders.ts";
import { MAX_MESSAGE_BYTES } from "../limits.ts";
import { PREFIX_BYTES } from "./body.ts";

/** Encodes a message with its prefix: no compression, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export function encodeMessage(desc: DescMessage, init: Init): Uint8Array {
  const bytes = encoderFor(desc)(init, PREFIX_BYTES);
  const length = bytes.length - PREFIX_BYTES;
  if (length > MAX_MESSAGE_BYTES) {
    const problem = `message size ${length} is larger than configured writeMaxBytes ${MAX_MESSAGE_BYTES}`;
    throw new ConnectError(problem, Code.ResourceExhausted);
  }
  bytes[0] = 0;
  bytes[1] = length >>> 24;
  bytes[2] = length >>> 16;
  bytes[3] = length >>> 8;
  bytes[4] = length;
  return bytes;
}

/** Messages that several streams send, encoded. */
const shared = new WeakMap<object, Uint8Array>();

/** Whether another stream has sent the same object. */
export function isEncoded(init: Init): boolean {
  return shared.has(init);
}

/** The same, but an object is encoded only once, however many streams send it. */
export function encodeShared(desc: DescMessage, init: Init): Uint8Array {
  const known = shared.get(init);
  if (known !== undefined) return known;
  const bytes = encodeMessage(desc, init);
  shared.set(init, bytes);
  return bytes;
}
