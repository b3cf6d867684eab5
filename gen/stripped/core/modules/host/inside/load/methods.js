                                                         
import { spellingsOf } from "../../values/names.js";
                                           
                                          

                                                            

const LIFECYCLE                      = new Set(["start", "health", "exportState", "importState", "stop"]);

/** The methods of an instance, and its shape. */
                          
                                
                                                                                           
                                         
                                                                                                           
                                                                                  
 

/**
 * Finds the public methods of an instance: those of its classes, and functions that are own members of the object.
 *
 * @param exported the class or function that the instance was created from.
 */
export function methodsOf(instance        , exported       , hidden        )          {
  const methods = new Map                ();
  const all = new Map                ();
  for (
    let level                = instance;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value !== "function" || all.has(name) || isClassPart(name)) continue;
      const bound = value.bind(instance)          ;
      all.set(name, bound);
      if (name.startsWith("_") || LIFECYCLE.has(name)) continue;
      const isHidden = level === instance ? hidden.isProperty(instance, name) : hidden.isMethod(level, name, value);
      if (!isHidden) methods.set(name, bound);
    }
  }
  const bySpelling = new Map                ();
  for (const [spelling, name] of spellingsOf([...methods.keys()])) {
    const method = methods.get(name);
    if (method !== undefined) bySpelling.set(spelling, method);
  }
  const { version, stateSchema, pureMethods } = staticsOf(exported, instance);
  return {
    shape: {
      methods: [...methods.keys()].sort(),
      version: typeof version === "string" ? version : undefined,
      hasHealth: all.has("health"),
      hasState: all.has("exportState") && all.has("importState"),
      stateSchema: typeof stateSchema === "string" || typeof stateSchema === "number" ? stateSchema : undefined,
      ...(Array.isArray(pureMethods) && { pureMethods: pureMethods.filter((name) => typeof name === "string") }),
    },
    find: (name) => bySpelling.get(name),
    lifecycle: (name) => (LIFECYCLE.has(name) ? (all.get(name)                                    ) : undefined),
  };
}

/**
 * Reads the static members of the class. If a constructor function's prototype was replaced, the instance's `constructor`
 * is another function, so both are read.
 */
function staticsOf(exported       , instance        )          {
  const own = exported           ;
  const made = (instance.constructor ?? {})           ;
  return {
    version: own.version ?? made.version,
    stateSchema: own.stateSchema ?? made.stateSchema,
    pureMethods: own.pureMethods ?? made.pureMethods,
  };
}

                   
                             
                                 
                                 
 

/** An instance with a method `then` would be awaited like a promise. */
const isClassPart = (name        )          => name === "constructor" || name === "then";
