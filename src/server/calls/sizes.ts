import { Code, ConnectError } from "@connectrpc/connect";
import { MAX_MESSAGE_BYTES } from "../transport/limits.ts";

/** Throws MESSAGE_TOO_LARGE, in the words of Connect, for a request of more than `most` bytes. */
export function checkRequestSize(bytes: number, most: number): void {
  if (bytes > most) throw tooLarge(`message size ${bytes} is larger than configured readMaxBytes ${most}`);
}

/** Throws MESSAGE_TOO_LARGE, in the words of Connect, for an answer of more than `MAX_MESSAGE_BYTES`. */
export function checkAnswerSize(bytes: number): void {
  if (bytes <= MAX_MESSAGE_BYTES) return;
  throw tooLarge(`message size ${bytes} is larger than configured writeMaxBytes ${MAX_MESSAGE_BYTES}`);
}

const tooLarge = (problem: string): ConnectError => new ConnectError(problem, Code.ResourceExhausted);
