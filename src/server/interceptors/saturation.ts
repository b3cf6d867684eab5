import type { Interceptor } from "@connectrpc/connect";
import { saturate } from "../map/message.ts";
import { changingAnswers } from "./answers.ts";

/** Brings the numbers that a service tells beside resources, such as totals, into the range of their fields. */
export function createSaturation(): Interceptor {
  return changingAnswers((desc) => (message) => saturate(desc, message));
}
