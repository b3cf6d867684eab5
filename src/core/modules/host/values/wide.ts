/** JSON.parse takes an object of more members than this several times as long as the same in parts. */
export const WIDE = 128;
/** The values of an object's own members. Those of a wide one are kept in a table, of which Object.values is slow. */
export function valuesOf(object: object): readonly unknown[] {
  const keys = Object.keys(object);
  if (keys.length <= WIDE) return Object.values(object);
  return keys.map((key) => (object as Readonly<Record<string, unknown>>)[key]);
}

/** Wide objects further down are not looked for. */
const LOOK_DEPTH = 4;
/** Length of the keys that are kept for the next object. */
const KEPT_KEYS = 65_536;

/** A JSON value with wide objects in it, as two texts. */
interface Wide {
  /** The lists of keys: `[["a","b"]]`. */
  readonly keys: string;
  /** The value with `null` for each wide object, and for each of those its place, its list of keys and its values. */
  readonly body: string;
}

type Place = readonly [path: readonly (string | number)[], keys: number, values: readonly unknown[]];

/** Undefined: nothing in it is wide, and it had better go as it is. */
export function packWide(json: unknown): Wide | undefined {
  if (!hasWideObject(json, LOOK_DEPTH)) return undefined;
  const keys: (readonly string[])[] = [];
  const places: Place[] = [];
  let isPlain = true;
  /** What of the value is left once the wide objects are taken out. */
  const rest = (value: unknown, path: readonly (string | number)[], depth: number): unknown => {
    if (typeof value !== "object" || value === null || depth === 0) return value;
    if ("toJSON" in value) isPlain = false;
    if (Array.isArray(value)) {
      if (!hasWideObject(value[0], depth - 1)) return value;
      return value.map((item, index) => rest(item, [...path, index], depth - 1));
    }
    const own = Object.keys(value);
    const values = valuesOf(value);
    if (own.length <= WIDE) {
      const members = own.map((key, index) => [key, rest(values[index], [...path, key], depth - 1)] as const);
      return Object.fromEntries(members);
    }
    // JSON leaves them out of an object, and has null for them in a list.
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

/** The keys of a wide object. */
interface KeyList {
  readonly keys: readonly string[];
  /** An object with these keys, of which copies are made: each then has their shape at once. */
  template?: Readonly<Record<string, unknown>>;
}

/** Members up to which an object can have a shape; V8 keeps those of a larger one in a table. */
const SHAPED = 1000;

/** A module's answers have the same keys again and again. */
let lastText = "[]";
let lastLists: readonly KeyList[] = [];

function keyListsOf(text: string): readonly KeyList[] {
  if (text === lastText) {
    for (const list of lastLists) {
      if (list.keys.length <= SHAPED) list.template ??= Object.fromEntries(list.keys.map((key) => [key, null]));
    }
    return lastLists;
  }
  const lists = listOf(JSON.parse(text)).map((keys) => ({ keys: listOf(keys) as readonly string[] }));
  for (const { keys } of lists)
    for (const key of keys) if (typeof key !== "string") throw new RangeError("a key is no text");
  if (text.length <= KEPT_KEYS) [lastText, lastLists] = [text, lists];
  return lists;
}

/** Throws a SyntaxError or a RangeError for what `packWide` did not make. */
export function unpackWide({ keys, body }: Wide): unknown {
  const keyLists = keyListsOf(keys);
  const [root, places] = listOf(JSON.parse(body));
  const holder = [root];
  for (const place of listOf(places)) {
    const [path, index, values] = listOf(place);
    const at = [0, ...listOf(path)];
    if (at.length > LOOK_DEPTH + 1) throw new RangeError("a wide object is too deep");
    const last = at.pop() as PropertyKey;
    let inside: unknown = holder;
    for (const step of at) inside = objectOf(inside, step as PropertyKey)[step as string];
    objectOf(inside, last)[last as string] = objectWith(keyLists[index as number] ?? { keys: [] }, listOf(values));
  }
  return holder[0];
}

/** Without a template it grows from an object without a prototype, a table from the start: else each member costs a shape. */
function objectWith({ keys, template }: KeyList, values: readonly unknown[]): object {
  if (keys.length !== values.length) throw new RangeError("a wide object has other values than keys");
  const object: Record<string, unknown> = template === undefined ? Object.create(null) : { ...template };
  for (let index = 0; index < keys.length; index += 1) object[keys[index] as string] = values[index];
  return template === undefined ? Object.setPrototypeOf(object, Object.prototype) : object;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new RangeError("it is no list");
  return value;
}

function objectOf(value: unknown, step: PropertyKey): Record<string, unknown> {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) {
    throw new RangeError("a wide object has no place");
  }
  return value as Record<string, unknown>;
}

/** Looks at the first item of a list for all of them. */
function hasWideObject(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null || depth === 0) return false;
  if (Array.isArray(value)) return hasWideObject(value[0], depth - 1);
  const keys = Object.keys(value);
  if (keys.length > WIDE) return true;
  for (const key of keys) if (hasWideObject((value as Record<string, unknown>)[key], depth - 1)) return true;
  return false;
}
