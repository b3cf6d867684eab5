import type { InstanceShape } from "../../types/host.ts";
import { spellingsOf } from "../../values/names.ts";
import type { Maker } from "./exported.ts";
import type { Hidden } from "./hidden.ts";

type Method = (input: unknown, context: unknown) => unknown;

const LIFECYCLE: ReadonlySet<string> = new Set(["start", "health", "exportState", "importState", "stop"]);

/** The methods of an instance, and its shape. */
export interface Methods {
  readonly shape: InstanceShape;
  /** Finds a method by its name, as the class spells it, in camelCase or in snake_case. */
  find(name: string): Method | undefined;
  /** Finds a lifecycle method, bound to the instance. Returns undefined if the module does not have it. */
  lifecycle(name: string): ((...args: readonly unknown[]) => unknown) | undefined;
}

/**
 * Finds the public methods of an instance: those of its classes, and functions that are own members of the object.
 *
 * @param exported the class or function that the instance was created from.
 */
export function methodsOf(instance: object, exported: Maker, hidden: Hidden): Methods {
  const methods = new Map<string, Method>();
  const all = new Map<string, Method>();
  for (
    let level: object | null = instance;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value !== "function" || all.has(name) || isClassPart(name)) continue;
      const bound = value.bind(instance) as Method;
      all.set(name, bound);
      if (name.startsWith("_") || LIFECYCLE.has(name)) continue;
      const isHidden = level === instance ? hidden.isProperty(instance, name) : hidden.isMethod(level, name, value);
      if (!isHidden) methods.set(name, bound);
    }
  }
  const bySpelling = new Map<string, Method>();
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
    lifecycle: (name) => (LIFECYCLE.has(name) ? (all.get(name) as ReturnType<Methods["lifecycle"]>) : undefined),
  };
}

/**
 * Reads the static members of the class. If a constructor function's prototype was replaced, the instance's `constructor`
 * is another function, so both are read.
 */
function staticsOf(exported: Maker, instance: object): Statics {
  const own = exported as Statics;
  const made = (instance.constructor ?? {}) as Statics;
  return {
    version: own.version ?? made.version,
    stateSchema: own.stateSchema ?? made.stateSchema,
    pureMethods: own.pureMethods ?? made.pureMethods,
  };
}

interface Statics {
  readonly version?: unknown;
  readonly stateSchema?: unknown;
  readonly pureMethods?: unknown;
}

/** An instance with a method `then` would be awaited like a promise. */
const isClassPart = (name: string): boolean => name === "constructor" || name === "then";
