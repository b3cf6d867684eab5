                                                                          
                                                
import { toJson } from "../values/json.js";
                                                         
import { fromWire } from "../values/wire-error.js";
                                                        
                                      
                                      
import { assetsOf } from "./load/assets.js";
import { toLogFields, toLogMessage } from "./log.js";

/** The module's context, and what the service answers to it. */
                          
                              
                                           
                                             
                                                                
                                      
                                                                                         
               
                                    
                  
                                 
                
 

                                 
                                                                                                                 
                                        
                                                    
                                       
                                  
                                                              
                                             
 

/** In the place of a call's id, while the module hands its state over. */
export const EXPORTING = -1;

/** Refusals that tell a module where it stands, and not that anything went wrong. */
const OF_DUTY                                  = new Set([
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
      if (OF_DUTY.has(wire.code)) onRefused(error);
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
