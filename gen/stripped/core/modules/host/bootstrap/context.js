                                                                          
                                          
                                                              
import { assetsOf } from "./assets.js";
import { toJson } from "./json.js";
                                      
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

  const log =
    (level                 ) =>
    (message        , fields                          = {}) => {
      link.send({ type: "log", level, message: String(message), fields: plain(fields) });
    };

  const ctx                = {
    name,
    version,
    config,
    assets: assetsOf(assets),
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    flags: {
      isEnabled: async (flag        , context              = {}) =>
        (await ask((id) => ({ type: "flag", id, name: flag, context: { ...context } }))) === true,
    },
    call: async (dependency, method, input) =>
      ask((id) => {
        const within = callInProgress();
        return { type: "call", id, dependency, method, input: toPayload(input), within };
      }).then(fromPayload),
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

export function toPayload(value         )          {
  return value instanceof Uint8Array ? { binary: value } : { json: toJson(value) };
}

export function fromPayload(payload         )          {
  const { json, binary } = payload                                           ;
  return binary ?? json;
}

/** Fields of a log entry as they can be sent; what cannot be is told as text. */
function plain(fields                         )                          {
  try {
    return toJson(fields)                           ;
  } catch {
    return { fields: String(fields) };
  }
}
