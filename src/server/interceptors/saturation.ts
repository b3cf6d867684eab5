import type { Interceptor } from "@connectrpc/connect";
import { saturate } from "../map/message.ts";
import { changingAnswers } from "./answers.ts";

/** Limits numbers that are not part of a resource, such as totals, to the range of their fields. */
export function createSaturation(): Interceptor {
  return changingAnswers((desc) => (message) => saturate(desc, message));
}
