import type { Payload, StateSource } from "../types/host.ts";
import type { WireError } from "../values/wire-error.ts";
import { refuseOther } from "./clone.ts";
import { refuseDeep } from "./depth.ts";
import { BYTES, type Content, contentOf, JSON_CLONE, JSON_TEXT, payloadOf } from "./payload.ts";
import type { FromInstance, ToInstance } from "./protocol.ts";

// The form in which messages travel between the service and an instance: a short list of numbers, texts and bytes. A
// process sends it as a frame on a pipe, and a thread posts it through a port. Nothing else that a module sends is decoded
// as a structured clone without a check, because even a small clone can stand for lists of 2^32 items: see clone.ts. Only the
// next version decodes a module's state.

/** Any other message of the service, as a structured clone. */
export const CLONE = 0;
const CALL = 1;
export const OUTPUT = 2;
const ANSWER = 3;
export const ASK = 4;
export const STATE = 5;
const IMPORT = 6;
/** Any other message of an instance, as JSON. */
export const OTHER = 7;
export const LOG = 8;
/** The refusal of an instance's request, with the error as JSON. Kind 9 is a post of several packets. */
const REFUSAL = 10;

export type Packet = readonly [
  kind: number,
  id: number,
  /** The deadline, or the id of the call that this call helps to answer. */
  number: number,
  method: string,
  dependency: string,
  ...Content,
];

/** Converts a message to a packet. Returns undefined if it is sent as a structured clone. Throws if it cannot be sent. */
export function toPacket(message: ToInstance | FromInstance): Packet | undefined {
  switch (message.type) {
    case "output":
      return [OUTPUT, message.id, 0, "", "", ...contentOf(message.output, "output", true)];
    case "call":
      return "within" in message
        ? [
            ASK,
            message.id,
            message.within,
            message.method,
            message.dependency,
            ...contentOf(message.input, "input", true),
          ]
        : [CALL, message.id, message.deadline, message.method, "", ...contentOf(message.input, "input")];
    case "answer":
      return [ANSWER, message.id, 0, "", "", ...contentOf(message.value, "answer")];
    case "refusal":
      return [REFUSAL, message.id, 0, "", "", JSON_TEXT, JSON.stringify(message.error)];
    case "state":
      return [STATE, message.id, 0, "", "", BYTES, message.state];
    case "import":
      return [IMPORT, message.id, message.deadline, JSON.stringify(message.from), "", BYTES, message.state];
    case "start":
    case "lifecycle":
    case "quiet":
    case "press":
    case "duty":
    case "usage":
    case "ping":
    case "cancel":
      return undefined;
    case "log":
      return [LOG, 0, 0, "", "", JSON_TEXT, JSON.stringify(message)];
    default:
      return [OTHER, 0, 0, "", "", JSON_TEXT, JSON.stringify(message)];
  }
}

/** Decodes a packet of the service. */
export function fromService([kind, id, number, method, , ...content]: Packet): ToInstance {
  switch (kind) {
    case CALL:
      return { type: "call", id, deadline: number, method, input: payloadOf(content) };
    case ANSWER:
      return { type: "answer", id, value: payloadOf(content) };
    case REFUSAL:
      return { type: "refusal", id, error: (payloadOf(content) as { readonly json: WireError }).json };
    case IMPORT:
      return { type: "import", id, deadline: number, state: bytesOf(content), from: JSON.parse(method) as StateSource };
    default:
      throw new RangeError(`unknown kind of message: ${kind}`);
  }
}

/** Kinds whose content always has the same form. */
const ONLY_FORMS: ReadonlyMap<number, number> = new Map([
  [CLONE, BYTES],
  [STATE, BYTES],
  [IMPORT, BYTES],
  [OTHER, JSON_TEXT],
  [LOG, JSON_TEXT],
  [REFUSAL, JSON_TEXT],
]);

/** Throws a RangeError if a message of this kind must not have this form. Must be called before the content is read. */
export function checkForm(kind: number, form: number): void {
  const only = ONLY_FORMS.get(kind);
  if (only !== undefined && form !== only)
    throw new RangeError(`a message of kind ${kind} must not have content of form ${form}`);
}

/**
 * Decodes a packet of a module. `isAwaited`: whether the service waits for the answer with this id. Throws if it is not a
 * message.
 */
export function fromModule(packet: Packet, isAwaited: (id: number) => boolean): unknown {
  const [kind, id, number, method, dependency, ...content] = packet;
  switch (kind) {
    case OUTPUT:
      // An answer that nobody waits for is not parsed.
      return isAwaited(id) ? { type: "output", id, output: shallowOf(content) } : { type: "late", id };
    case STATE:
      return { type: "state", id, state: bytesOf(content) };
    case ASK:
      return { type: "call", id, dependency, method, input: shallowOf(content), within: number };
    case OTHER:
    case LOG:
      return messageOf(kind, shallowOf(content));
    default:
      throw new RangeError(`unknown kind of message: ${kind}`);
  }
}

/** Types of messages that have a kind of their own, with its own limits. They are not accepted as another kind. */
const OF_OWN_KIND: ReadonlySet<unknown> = new Set(["output", "late", "state", "call", "log"]);

/** Throws a RangeError if a message of this kind must not have this type. */
function messageOf(kind: typeof OTHER | typeof LOG, payload: Payload): unknown {
  const { json } = payload as { readonly json: unknown };
  const type = (json as { readonly type?: unknown } | null | undefined)?.type;
  const isOfKind = kind === LOG ? type === "log" : !OF_OWN_KIND.has(type);
  if (!isOfKind) throw new RangeError(`a message of kind ${kind} has a type that belongs to another kind`);
  return json;
}

/** Decodes content. Throws a RangeError if it is nested too deeply, or could take more to decode than its size says. */
function shallowOf([form, content]: Content): Payload {
  if (typeof content === "string") refuseDeep(content);
  else if (form === JSON_CLONE) refuseOther(content);
  return payloadOf([form, content]);
}

function bytesOf(content: Content): Uint8Array {
  return (payloadOf(content) as Extract<Payload, { binary: unknown }>).binary;
}
