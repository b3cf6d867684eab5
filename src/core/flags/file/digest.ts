import { murmur3InParts } from "../../../kernel/flags/bucket.ts";
import type { Steps } from "../../async/steps.ts";

/** Characters that are hashed in one step. */
const STEP_CHARS = 64 * 1024;

/** A digest to distinguish texts, computed in steps. It is not cryptographic. */
export function* digestingOf(text: string): Steps<string> {
  const hashes = [0, 1, 2, 3].map(murmur3InParts);
  for (let start = 0; start < text.length; ) {
    const end = start + STEP_CHARS;
    // A surrogate pair is not split.
    const isPair = text.charCodeAt(end - 1) >>> 10 === 0xd800 >>> 10;
    const part = text.slice(start, isPair ? end - 1 : end);
    for (const hash of hashes) hash.add(part);
    start += part.length;
    yield;
  }
  return `${hashes.map((hash) => hash.sum().toString(16).padStart(8, "0")).join("")}-${text.length}`;
}
