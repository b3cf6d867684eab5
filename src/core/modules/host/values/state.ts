import { types } from "node:util";
import { messageIn, placeText } from "./json.ts";
import { aName, hiddenProblem, isEmpty, isPlainObject } from "./shapes.ts";

/** The place of a part of a state, linked to the place of its parent. */
interface Place {
  readonly above: Place | undefined;
  readonly step: string | number;
}

/**
 * Throws a TypeError that names the place if a structured clone of the state would fail or lose something. This refuses
 * functions, symbols, promises, proxies, shared memory and the like, and objects whose content cannot be read, which a
 * clone would make empty.
 */
export function checkState(state: unknown): void {
  const seen = new Set<object>();
  const open: { readonly value: object; readonly place: Place | undefined }[] = [];

  const refusal = (place: Place | undefined, problem: string): TypeError => {
    const steps: (string | number)[] = [];
    for (let at = place; at !== undefined; at = at.above) steps.unshift(at.step);
    return new TypeError(`${placeText("state", steps)} ${problem}`);
  };
  const look = (value: unknown, place: Place | undefined): void => {
    if (typeof value === "function" || typeof value === "symbol") {
      throw refusal(place, `is a ${typeof value}, which cannot be handed over`);
    }
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    const problem = problemOf(value);
    if (problem !== undefined) throw refusal(place, problem);
    if (!isWhole(value)) open.push({ value, place });
  };
  const lookInside = (object: object, above: Place | undefined): void => {
    if (types.isMap(object)) {
      let number = 0;
      for (const [key, value] of object) {
        const step = typeof key === "string" || typeof key === "number" ? String(key) : `entry ${number}`;
        number += 1;
        look(key, { above, step });
        look(value, { above, step });
      }
    } else if (types.isSet(object)) {
      let step = 0;
      for (const value of object) {
        look(value, { above, step });
        step += 1;
      }
    } else if (types.isNativeError(object)) {
      if ("cause" in object) look(object.cause, { above, step: "cause" });
    } else if (Array.isArray(object) && isDense(object)) {
      for (let step = 0; step < object.length; step += 1) look(object[step], { above, step });
    } else {
      for (const name of Object.keys(object)) {
        const place = { above, step: name };
        let value: unknown;
        try {
          value = (object as Readonly<Record<string, unknown>>)[name];
        } catch (thrown) {
          throw refusal(place, `cannot be read: ${messageIn(thrown)}`);
        }
        look(value, place);
      }
    }
  };

  look(state, undefined);
  for (let next = open.pop(); next !== undefined; next = open.pop()) lookInside(next.value, next.place);
}

/** Returns why an object cannot be handed over, whatever its members are, or undefined if it can. */
function problemOf(object: object): string | undefined {
  if (types.isProxy(object)) return "is a Proxy, which cannot be handed over; convert it to a plain object";
  if (types.isSharedArrayBuffer(object)) return SHARED;
  if (types.isArrayBufferView(object)) return memoryProblem(object.buffer);
  if (types.isArrayBuffer(object)) return memoryProblem(object);
  if (types.isBoxedPrimitive(object)) return types.isSymbolObject(object) ? "is a symbol" : undefined;
  if (types.isMap(object) || types.isSet(object) || types.isDate(object) || types.isRegExp(object)) return undefined;
  if (types.isNativeError(object) || Array.isArray(object)) return undefined;
  if (types.isPromise(object)) return "is a promise, which cannot be handed over; await it first";
  if (types.isArgumentsObject(object) || types.isModuleNamespaceObject(object)) {
    return `is ${aName(object)}, which cannot be handed over; convert it to a list or a plain object`;
  }
  if (Object.keys(object).length > 0 || isPlainObject(object) || isEmpty(object)) return undefined;
  return `${hiddenProblem(object)}; hand over plain data, and create the object from it in importState`;
}

const SHARED = "is shared memory, which cannot be handed over; copy it first";

function memoryProblem(buffer: ArrayBufferLike): string | undefined {
  if (types.isSharedArrayBuffer(buffer)) return SHARED;
  return (buffer as ArrayBuffer).detached ? "is memory that was transferred" : undefined;
}

/** Whether an object has no members that must be checked. */
function isWhole(object: object): boolean {
  return (
    types.isArrayBufferView(object) ||
    types.isArrayBuffer(object) ||
    types.isDate(object) ||
    types.isRegExp(object) ||
    types.isBoxedPrimitive(object)
  );
}

/** Longest list whose items are always visited by index. */
const LOOKED_AT = 1000;

/** Whether a list is visited by index. A longer list is taken as sparse if its first or last item is missing. */
function isDense(list: readonly unknown[]): boolean {
  return list.length <= LOOKED_AT || (0 in list && list.length - 1 in list);
}
