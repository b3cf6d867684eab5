                                                             
                                                         
import { refuseDeep } from "./depth.js";
import { BYTES,               contentOf, JSON_TEXT, payloadOf } from "./payload.js";
                                                              

// A message between the service and an instance, as it travels: a short list of numbers, texts and bytes, in a frame on
// a process's pipe or as it is through a thread's port. Nothing that a module sends is a structured clone of anything
// else: the least of those can stand for lists of 2^32 items. What the module's state is, its next version alone reads.

/** Something else that the service sends, as a structured clone. */
export const CLONE = 0;
const CALL = 1;
export const OUTPUT = 2;
const ANSWER = 3;
export const ASK = 4;
export const STATE = 5;
const IMPORT = 6;
/** Everything else that an instance sends, as JSON. */
export const OTHER = 7;
export const LOG = 8;
/** Of a request of the instance, with the error as JSON. Kind 9 is of several packets in one post. */
const REFUSAL = 10;

                               
               
             
                                                               
                 
                 
                     
             
  

/** Undefined: it goes as a structured clone. Throws what cannot be sent. */
export function toPacket(message                           )                     {
  switch (message.type) {
    case "output":
      return [OUTPUT, message.id, 0, "", "", ...contentOf(message.output, "output")];
    case "call":
      return "within" in message
        ? [ASK, message.id, message.within, message.method, message.dependency, ...contentOf(message.input, "input")]
        : [CALL, message.id, message.deadline, message.method, "", ...contentOf(message.input, "input")];
    case "answer":
      return [ANSWER, message.id, 0, "", "", ...contentOf(message.value, "answer")];
    case "refusal":
      return [REFUSAL, message.id, 0, "", "", JSON_TEXT, JSON.stringify(message.error), ""];
    case "state":
      return [STATE, message.id, 0, "", "", BYTES, message.state, ""];
    case "import":
      return [IMPORT, message.id, message.deadline, JSON.stringify(message.from), "", BYTES, message.state, ""];
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
      return [LOG, 0, 0, "", "", JSON_TEXT, JSON.stringify(message), ""];
    default:
      return [OTHER, 0, 0, "", "", JSON_TEXT, JSON.stringify(message), ""];
  }
}

/** What the service sent. */
export function fromService([kind, id, number, method, , ...content]        )             {
  switch (kind) {
    case CALL:
      return { type: "call", id, deadline: number, method, input: payloadOf(content) };
    case ANSWER:
      return { type: "answer", id, value: payloadOf(content) };
    case REFUSAL:
      return { type: "refusal", id, error: (payloadOf(content)                                ).json };
    case IMPORT:
      return { type: "import", id, deadline: number, state: bytesOf(content), from: JSON.parse(method)                };
    default:
      throw new RangeError(`no kind of message: ${kind}`);
  }
}

/** The form of content that a message has where its kind has a single one. */
const ONLY_FORMS                              = new Map([
  [CLONE, BYTES],
  [STATE, BYTES],
  [IMPORT, BYTES],
  [OTHER, JSON_TEXT],
  [LOG, JSON_TEXT],
  [REFUSAL, JSON_TEXT],
]);

/** Throws a RangeError where a message of this kind has its content in no such form. Looked at before the content is. */
export function checkForm(kind        , form        )       {
  const only = ONLY_FORMS.get(kind);
  if (only !== undefined && form !== only) throw new RangeError(`no form of a message of kind ${kind}: ${form}`);
}

/** What a module sent; `isAwaited`: whether somebody waits for the answer. Throws what is no message. */
export function fromModule(packet        , isAwaited                         )          {
  const [kind, id, number, method, dependency, ...content] = packet;
  switch (kind) {
    case OUTPUT:
      // Nothing is made of what nobody waits for.
      return isAwaited(id) ? { type: "output", id, output: shallowOf(content) } : { type: "late", id };
    case STATE:
      return { type: "state", id, state: bytesOf(content) };
    case ASK:
      return { type: "call", id, dependency, method, input: shallowOf(content), within: number };
    case OTHER:
    case LOG:
      return messageOf(kind, shallowOf(content));
    default:
      throw new RangeError(`no kind of message: ${kind}`);
  }
}

/** What has a kind of its own is bounded and checked as that: it comes as nothing else. */
const OF_OWN_KIND                       = new Set(["output", "late", "state", "call", "log"]);

/** Throws a RangeError where a message of this kind must not hold that. */
function messageOf(kind                           , payload         )          {
  const { json } = payload                              ;
  const type = (json                                                  )?.type;
  const isOfKind = kind === LOG ? type === "log" : !OF_OWN_KIND.has(type);
  if (!isOfKind) throw new RangeError(`a message of kind ${kind} is of another`);
  return json;
}

/** Throws a RangeError where it is nested too deeply to be read. */
function shallowOf(content         )          {
  const [, text, keys] = content;
  refuseDeep(text);
  refuseDeep(keys);
  return payloadOf(content);
}

function bytesOf(content         )             {
  return (payloadOf(content)                                         ).binary;
}
