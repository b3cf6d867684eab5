import { HeliosError, type Metadata, type Reason } from "../../../errors/error.ts";
import type { NewAnswer, StoredAnswer } from "../../../store/answers.ts";
import { printTime } from "../../../text/rfc3339.ts";
import type { Payload } from "../../host/types/host.ts";
import type { Answer } from "../call.ts";

/** A call with an idempotency key. */
export interface KeyedCall {
  readonly name: string;
  readonly method: string;
  readonly key: string;
  /** A hash of the method and the input. Calls with different content have different digests. */
  readonly digest: string;
  /** Wall time in ms at which the call is given to the module. */
  readonly time: number;
}

/** The outcome of a call that was given to its module. */
export type CallOutcome =
  /** The method may be running, or may have ended. */
  | { readonly kind: "BEGUN" }
  | { readonly kind: "ANSWERED"; readonly answer: Answer }
  /** The method ran and failed. */
  | { readonly kind: "FAILED"; readonly error: HeliosError }
  /** It is not known whether the method had its effect. */
  | { readonly kind: "UNKNOWN"; readonly why: string };

/** The JSON that is stored next to an answer. */
interface Note {
  readonly outcome: CallOutcome["kind"];
  readonly method: string;
  readonly time: number;
  readonly why?: string;
}

/** Converts a call and its outcome into the form that the store keeps. */
export function toStored({ digest, method, time }: KeyedCall, outcome: CallOutcome): NewAnswer {
  const note: Note = { outcome: outcome.kind, method, time, ...(outcome.kind === "UNKNOWN" && { why: outcome.why }) };
  return { digest, answer: bytesOf(outcome), note: JSON.stringify(note) };
}

/**
 * Returns the stored answer of an earlier call with the same key. Throws the stored failure of the method,
 * IDEMPOTENCY_OUTCOME_UNKNOWN, ANSWER_NOT_KEPT if the answer was too large to be kept, or REQUEST_ID_REUSED if the earlier
 * call had another method or input.
 */
export function replay({ name, method, key, digest }: Omit<KeyedCall, "time">, stored: StoredAnswer): Answer {
  const requestId = idOf(name, key);
  // An answer without a note was stored by an older version of Helios. It shows only that the call was carried out.
  if (stored.note === undefined) throw HeliosError.of("ANSWER_NOT_KEPT", { request_id: requestId });
  if (stored.digest !== digest) throw HeliosError.of("REQUEST_ID_REUSED", { request_id: requestId });
  const note = JSON.parse(stored.note) as Note;
  if (note.outcome === "BEGUN" || note.outcome === "UNKNOWN") {
    throw HeliosError.of("IDEMPOTENCY_OUTCOME_UNKNOWN", {
      name,
      method,
      key,
      when: printTime(note.time),
      why: note.why ?? "the service ended while the call ran, or could not store its result",
    });
  }
  if (stored.answer === undefined) throw HeliosError.of("ANSWER_NOT_KEPT", { request_id: requestId });
  if (note.outcome === "FAILED") throw toError(stored.answer);
  return toAnswer(stored.answer);
}

/** The store's id of a call. It is unique, because the name of a module contains no colon. */
export function idOf(name: string, key: string): string {
  return `${name}:${key}`;
}

function bytesOf(outcome: CallOutcome): Uint8Array | undefined {
  if (outcome.kind === "ANSWERED") return fromAnswer(outcome.answer);
  return outcome.kind === "FAILED" ? fromError(outcome.error) : undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LINE_FEED = 10;

/** Encodes an answer as a line of JSON, followed by the output: as JSON, or its bytes without change. */
function fromAnswer({ output, ...rest }: Answer): Uint8Array {
  const isBinary = "binary" in output;
  const head = encoder.encode(`${JSON.stringify({ ...rest, isBinary })}\n`);
  const body = isBinary ? output.binary : encoder.encode(JSON.stringify(output.json) ?? "null");
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

function toAnswer(bytes: Uint8Array): Answer {
  const end = bytes.indexOf(LINE_FEED);
  const { isBinary, ...rest } = JSON.parse(decoder.decode(bytes.subarray(0, end)));
  const body = bytes.slice(end + 1);
  const output: Payload = isBinary ? { binary: body } : { json: JSON.parse(decoder.decode(body)) };
  return { ...rest, output };
}

interface StoredError {
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number | undefined;
}

function fromError({ reason, metadata, retryAfterMs }: HeliosError): Uint8Array {
  return encoder.encode(JSON.stringify({ reason, metadata, retryAfterMs } satisfies StoredError));
}

function toError(bytes: Uint8Array): HeliosError {
  const { reason, metadata, retryAfterMs } = JSON.parse(decoder.decode(bytes)) as StoredError;
  return HeliosError.of(reason, metadata as Metadata<Reason>, retryAfterMs === undefined ? {} : { retryAfterMs });
}
