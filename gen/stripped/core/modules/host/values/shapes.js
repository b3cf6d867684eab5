import { types } from "node:util";

/** What a value is made of, as JSON would have it. */
                   
                                                              
                                                                                     
                                                                                            
                                                        
                                                                                       
                                     
                                              
                                                         

/**
 * Says what JSON would have of an object, by the rules that docs/modules.md tells to authors. May throw what the object's
 * own code throws. `key` is the name or index that it stands at, which a `toJSON` is told.
 */
export function shapeOf(object        , key        )        {
  if (types.isTypedArray(object)) return shapeOfNumbers(object);
  if (types.isDate(object) && Number.isNaN(object.getTime())) return nothing("is an invalid date");
  const { toJSON } = object                                 ;
  if (typeof toJSON === "function") return { is: "value", value: () => toJSON.call(object, key) };
  if (types.isDate(object)) return { is: "value", value: () => object.toISOString() };
  if (Array.isArray(object)) return shapeOfList(object);
  if (types.isMap(object)) return shapeOfMap(object);
  if (types.isSet(object)) return { is: "list", items: object };
  if (types.isBoxedPrimitive(object)) return { is: "value", value: () => object.valueOf() };
  if (isError(object)) return shapeOfError(object);
  if (types.isAnyArrayBuffer(object) || types.isDataView(object)) {
    return nothing(`is ${aName(object)}, which JSON does not have; a Uint8Array holds bytes`);
  }
  if (typeof (object                               ).then === "function") {
    return nothing("is a promise, which JSON does not have; await it first");
  }
  if (Symbol.iterator in object || Symbol.asyncIterator in object) {
    return nothing(`is ${aName(object)}, which JSON does not have; make a list or an object of what it gives`);
  }
  return shapeOfMembers(object);
}

/** Whether an object is of no class. */
export function isPlainObject(object        )          {
  const prototype          = Object.getPrototypeOf(object);
  if (prototype === null || prototype === Object.prototype) return true;
  // Of another realm, such as a context of node:vm.
  if (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype          , "isPrototypeOf")) return true;
  // Made by Node as an instance of a class of its own.
  return object === process.env;
}

/** Whether it is an error, of whichever realm. Never throws. */
export function isError(value         )                 {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false;
  }
}

/** The name of an object's class, with its article. */
export function aName(object        )         {
  const name = nameOf(object);
  return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}

/** The name of an object's class, as far as it tells one; at most 64 characters. */
export function nameOf(object        )         {
  try {
    const name          = (object                                                          ).constructor?.name;
    const known = typeof name === "string" && name !== "" && name !== "Object" ? name : undefined;
    // Of generators and iterators the tag alone tells what they are.
    return (known ?? Object.prototype.toString.call(object).slice("[object ".length, -1)).slice(0, 64);
  } catch {
    return "object";
  }
}

/** What of an object is hidden from JSON and from a structured clone, where that is all of it. */
export function hiddenProblem(object        )         {
  return `is ${aName(object)} that shows nothing of what it holds`;
}

/** What an error is told by, in this order; further enumerable members of its own follow. */
const ERROR_MEMBERS = ["name", "message", "code", "cause", "errors"];

const nothing = (problem        )        => ({ is: "nothing", problem });

function shapeOfNumbers(numbers                   )        {
  if (numbers.buffer instanceof ArrayBuffer && numbers.buffer.detached) {
    return nothing(`is ${aName(numbers)} whose memory was transferred`);
  }
  return { is: "list", items: numbers                      };
}

function shapeOfList(list                    )        {
  if (list.length === 0 && Object.keys(list).length > 0) {
    return nothing("is a list with named members and without items, which JSON does not have; use an object");
  }
  return { is: "list", items: list };
}

function shapeOfMap(map                               )        {
  const keys = map.keys();
  if (keys.every((key) => typeof key === "string")) {
    return { is: "members", names: map.keys()                    , get: (name) => map.get(name) };
  }
  const byName = new Map                 ();
  for (const [key, value] of map) {
    const isNamed = typeof key === "string" || typeof key === "number" || typeof key === "bigint";
    if (!isNamed || byName.has(String(key))) return { is: "entries", entries: map };
    byName.set(String(key), value);
  }
  return { is: "members", names: byName.keys(), get: (name) => byName.get(name) };
}

function shapeOfError(error       )        {
  const members = error                                                ;
  const names = new Set([...ERROR_MEMBERS.filter((name) => name in error), ...Object.keys(error)]);
  return { is: "members", names, get: (name) => members[name] };
}

function shapeOfMembers(object        )        {
  const names = Object.keys(object);
  if (names.length === 0 && !isEmpty(object)) {
    return nothing(`${hiddenProblem(object)}; give it a toJSON(), or make a plain object of it`);
  }
  return { is: "members", names, get: (name) => (object                                     )[name] };
}

/** Whether an object without enumerable members has none at all. */
export function isEmpty(object        )          {
  return isPlainObject(object) && Reflect.ownKeys(object).length === 0;
}
