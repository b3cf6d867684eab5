import type { DescMessage } from "@bufbuild/protobuf";
import type { Init } from "../../calls/runner.ts";
import { checkAnswerSize } from "../../calls/sizes.ts";
import { encoderOf } from "../../map/encode/encoder.ts";
import { PREFIX_BYTES } from "./body.ts";

/** Encodes a message with its prefix: no compression, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export function encodeMessage(desc: DescMessage, init: Init): Uint8Array {
  const bytes = encoderOf(desc)(init, PREFIX_BYTES);
  const length = bytes.length - PREFIX_BYTES;
  checkAnswerSize(length);
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
