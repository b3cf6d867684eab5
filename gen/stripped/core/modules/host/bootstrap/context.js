                                                                          
                                          
                                                              
import { assetsOf } from "./assets.js";
import { toJson } from "./json.js";
                                      
import { toLogFields, toLogMessage } from "./log.js";
import { fromWire } from "./wire.js";

/** The module's context, and what the service answers to it. */
                          
                              
                                           
                                             
                                 
                
 

/** `callInProgress`: the id of the call that the running code helps to answer; 0: none. */
export function createContext(
  { name, version, config, assets }              ,
  link      ,
  callInProgress              ,
)          {
  const waiting = new Map                                                                               ();
  const stopping = new AbortController();
  let lastId = 0;

  const ask = (message                                             )                   =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      try {
        link.send(message(lastId));
      } catch (error) {
        waiting.delete(lastId);
        reject(error);
      }
    });

  const log = (level                 ) => (message        , fields                          ) => {
    link.send({ type: "log", level, message: toLogMessage(message), fields: toLogFields(fields) });
  };

  const ctx                = {
    name,
    version,
    config,
    assets: assetsOf(assets),
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    flags: {
      isEnabled: async (flag        , context              = {}) => {
        const message = { type: "flag", name: asText("flag", flag), context: asMembers("context", context) }         ;
        return fromPayload(await ask((id) => ({ ...message, id }))) === true;
      },
    },
    call: async (dependency, method, input) =>
      ask((id) => ({
        type: "call",
        id,
        dependency: asText("dependency", dependency),
        method: asText("method", method),
        input: toPayload(input, "input"),
        within: callInProgress(),
      })).then(fromPayload),
    signal: stopping.signal,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  };
  const settle = (id        ) => {
    const settled = waiting.get(id);
    waiting.delete(id);
    return settled;
  };
  return {
    ctx: Object.freeze(ctx),
    answer: (id, value) => settle(id)?.resolve(value),
    refuse: (id, error) => settle(id)?.reject(fromWire(error)),
    abort: () => stopping.abort(),
  };
}

/** `root` is what a value that cannot be sent is called. */
export function toPayload(value         , root        )          {
  return value instanceof Uint8Array ? { binary: value } : { json: toJson(value, root) };
}

export function fromPayload(payload         )          {
  const { json, binary } = payload                                           ;
  return binary ?? json;
}

/** Something else would be no message of the protocol, and never be answered. */
function asText(what        , value         )         {
  if (typeof value === "string") return value;
  throw new TypeError(`${what} is ${value === null ? "null" : `a value of type ${typeof value}`}, not a text`);
}

function asMembers(what        , value         )                          {
  const members = toJson(value, what);
  if (typeof members === "object" && members !== null && !Array.isArray(members)) {
    return members                           ;
  }
  throw new TypeError(`${what} is no object`);
}
