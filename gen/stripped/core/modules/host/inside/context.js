                                                                          
                                                
import { toJson } from "../values/json.js";
                                                         
import { fromWire } from "../values/wire-error.js";
                                                        
                                      
                                      
import { assetsOf } from "./load/assets.js";
import { toLogFields, toLogMessage } from "./log.js";

/** The module's context, and the handling of the service's answers to it. */
                          
                              
                                           
                                             
                                                               
                                      
                                                                                                         
               
                                                     
                  
                                                                      
                
 

                                 
                                                                                                              
                                        
                                                    
                                                            
                                  
                                                                                          
                                             
 

/** Used in the place of a call's id while the module exports its state. */
export const EXPORTING = -1;

/** Errors about the module's position in a swap or a test. They do not mean that something went wrong. */
const REFUSALS                                  = new Set([
  "MODULE_FENCED",
  "DEPENDENCY_NOT_STUBBED",
  "SERVER_DRAINING",
]);

export function createContext(
  { name, version, config, assets }              ,
  link      ,
  { callInProgress, duty, onAnswered, onRefused }                ,
)          {
  const waiting = new Map                                                                               ();
  const calls = new Set        ();
  const held                 = [];
  let isHeld = false;
  const stopping = new AbortController();
  let lastId = 0;

  const ask = (message                                             )                   =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      try {
        link.send(message(lastId));
      } catch (error) {
        settle(lastId);
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
    async call(dependency, method, input) {
      const call = { dependency: asText("dependency", dependency), method: asText("method", method) };
      const payload = toPayload(input, "input");
      const within = callInProgress();
      if (isHeld && within === 0) await new Promise      ((resolve) => held.push(resolve));
      const answer = await ask((id) => {
        calls.add(id);
        return { type: "call", id, ...call, input: payload, within: Math.max(0, within) };
      });
      return fromPayload(answer);
    },
    onServe: duty.onServe,
    onRetire: duty.onRetire,
    signal: stopping.signal,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  };
  const settle = (id        ) => {
    const settled = waiting.get(id);
    waiting.delete(id);
    if (calls.delete(id)) onAnswered();
    return settled;
  };
  return {
    ctx: Object.freeze(ctx),
    answer: (id, value) => settle(id)?.resolve(value),
    refuse(id, wire) {
      const error = fromWire(wire);
      if (REFUSALS.has(wire.code)) onRefused(error);
      settle(id)?.reject(error);
    },
    calls,
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
      for (const resolve of held.splice(0)) resolve();
    },
    abort: () => stopping.abort(),
  };
}

/** Converts a value so that it can be sent. `root` names the value in error messages. */
export function toPayload(value         , root        )          {
  return value instanceof Uint8Array ? { binary: value } : { json: toJson(value, root) };
}

export function fromPayload(payload         )          {
  const { json, binary } = payload                                           ;
  return binary ?? json;
}

/** Throws here, because the service would ignore a message with another type, and never answer it. */
function asText(what        , value         )         {
  if (typeof value === "string") return value;
  throw new TypeError(
    `${what} must be a string, but is ${value === null ? "null" : `a value of type ${typeof value}`}`,
  );
}

function asMembers(what        , value         )                          {
  const members = toJson(value, what);
  if (typeof members === "object" && members !== null && !Array.isArray(members)) {
    return members                           ;
  }
  throw new TypeError(`${what} must be an object`);
}
