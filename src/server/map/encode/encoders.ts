import type { DescMessage } from "@bufbuild/protobuf";
import { encoderOf } from "./encoder.ts";

const encoders = new Map<DescMessage, ReturnType<typeof encoderOf>>();

/** The same as `encoderOf`, but compiled once for each type. */
export function encoderFor(desc: DescMessage): ReturnType<typeof encoderOf> {
  const known = encoders.get(desc);
  if (known !== undefined) return known;
  const encoder = encoderOf(desc);
  encoders.set(desc, encoder);
  return encoder;
}
