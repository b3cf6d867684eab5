/**
 * Most members of an ordinary object. JSON.parse is several times slower for a wider object than for its keys and values
 * apart.
 */
export const WIDE = 128;
/** Returns the values of an object's own members. V8 keeps a wide object in a table, for which Object.values is slow. */
export function valuesOf(object        )                     {
  const keys = Object.keys(object);
  if (keys.length <= WIDE) return Object.values(object);
  return keys.map((key) => (object                                     )[key]);
}

/** Levels that are searched for wide objects. */
const LOOK_DEPTH = 4;
/** Longest text of keys, in characters, that is cached for the next object. */
const KEPT_KEYS = 65_536;

/** A JSON value that contains wide objects, as two texts. */
                
                                                  
                        
     
                                                                                                                         
                    
     
                        
 

                                                                                                     

/**
 * Packs a value that contains wide objects. Returns undefined if there are none, or if packing would change the value: it
 * is then sent as ordinary JSON.
 */
export function packWide(json         )                   {
  if (!hasWideObject(json, LOOK_DEPTH)) return undefined;
  const keys                        = [];
  const places          = [];
  let isPlain = true;
  /** Returns the value without its wide objects, and collects these in `keys` and `places`. */
  const rest = (value         , path                              , depth        )          => {
    if (typeof value !== "object" || value === null || depth === 0) return value;
    if ("toJSON" in value) isPlain = false;
    if (Array.isArray(value)) {
      if (!hasWideObject(value[0], depth - 1)) return value;
      return value.map((item, index) => rest(item, [...path, index], depth - 1));
    }
    const own = Object.keys(value);
    const values = valuesOf(value);
    if (own.length <= WIDE) {
      const members = own.map((key, index) => [key, rest(values[index], [...path, key], depth - 1)]         );
      return Object.fromEntries(members);
    }
    // JSON omits such members of an object, but has null for them in a list.
    isPlain &&= values.every((each) => each !== undefined && typeof each !== "function" && typeof each !== "symbol");
    const last = keys.at(-1);
    const same = last !== undefined && last.length === own.length && last.every((key, index) => key === own[index]);
    if (!same) keys.push(own);
    places.push([path, keys.length - 1, values]);
    return null;
  };
  const left = rest(json, [], LOOK_DEPTH);
  return isPlain ? { keys: JSON.stringify(keys), body: JSON.stringify([left, places]) } : undefined;
}

                   
                                   
                                                                          
                                               
 

/** Most members for which V8 gives an object a shape. It keeps a larger object in a table. */
const SHAPED = 1000;

/** A module's answers tend to have the same keys, so the last list is cached. */
let lastText = "[]";
let lastLists                     = [];

function keyListsOf(text        )                     {
  if (text === lastText) {
    for (const list of lastLists) {
      if (list.keys.length <= SHAPED) list.template ??= Object.fromEntries(list.keys.map((key) => [key, null]));
    }
    return lastLists;
  }
  const lists = listOf(JSON.parse(text)).map((keys) => ({ keys: listOf(keys)                      }));
  for (const { keys } of lists)
    for (const key of keys) if (typeof key !== "string") throw new RangeError("a key is not a string");
  if (text.length <= KEPT_KEYS) [lastText, lastLists] = [text, lists];
  return lists;
}

/** Reverses `packWide`. Throws a SyntaxError or a RangeError for any other text. */
export function unpackWide({ keys, body }      )          {
  const keyLists = keyListsOf(keys);
  const [root, places] = listOf(JSON.parse(body));
  const holder = [root];
  for (const place of listOf(places)) {
    const [path, index, values] = listOf(place);
    const at = [0, ...listOf(path)];
    if (at.length > LOOK_DEPTH + 1) throw new RangeError("a wide object is too deep");
    const last = at.pop()               ;
    let inside          = holder;
    for (const step of at) inside = objectOf(inside, step               )[step          ];
    objectOf(inside, last)[last          ] = objectWith(keyLists[index          ] ?? { keys: [] }, listOf(values));
  }
  return holder[0];
}

/**
 * Without a template, the object starts without a prototype, which makes V8 use a table. Otherwise each added member would
 * create a new shape.
 */
function objectWith({ keys, template }         , values                    )         {
  if (keys.length !== values.length)
    throw new RangeError("a wide object has a different number of values than of keys");
  const object                          = template === undefined ? Object.create(null) : { ...template };
  for (let index = 0; index < keys.length; index += 1) object[keys[index]          ] = values[index];
  return template === undefined ? Object.setPrototypeOf(object, Object.prototype) : object;
}

function listOf(value         )                     {
  if (!Array.isArray(value)) throw new RangeError("it is not a list");
  return value;
}

function objectOf(value         , step             )                          {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) {
    throw new RangeError("the place of a wide object does not exist");
  }
  return value                           ;
}

/** Looks only at the first item of a list, because the others are most likely alike. */
function hasWideObject(value         , depth        )          {
  if (typeof value !== "object" || value === null || depth === 0) return false;
  if (Array.isArray(value)) return hasWideObject(value[0], depth - 1);
  const keys = Object.keys(value);
  if (keys.length > WIDE) return true;
  for (const key of keys) if (hasWideObject((value                           )[key], depth - 1)) return true;
  return false;
}
