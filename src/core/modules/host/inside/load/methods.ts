import type { InstanceShape } from "../../types/host.ts";
import { spellingsOf } from "../../values/names.ts";
import type { Maker } from "./exported.ts";
import type { Hidden } from "./hidden.ts";

type Method = (input: unknown, context: unknown) => unknown;

const LIFECYCLE: ReadonlySet<string> = new Set(["start", "health", "exportState", "importState", "stop"]);

/** What of an instance can be invoked, and what else it offers. */
export interface Methods {
  readonly shape: InstanceShape;
  /** By the name as the class spells it, in camelCase or in snake_case. */
  find(name: string): Method | undefined;
  /** One of the lifecycle, bound; undefined where the module has none of that name. */
  lifecycle(name: string): ((...args: readonly unknown[]) => unknown) | undefined;
}

/**
 * Looks at an instance: the public methods of its classes, own ones of an object that a factory made included.
 *
 * @param exported what it was made of.
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

/** What the class says of itself; a constructor function whose prototype was replaced is not its instance's `constructor`. */
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

/** `then` would make an awaited instance a promise. */
const isClassPart = (name: string): boolean => name === "constructor" || name === "then";
