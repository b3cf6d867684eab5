/** What a module's file exports cannot be run; for people. */
export class Unfit extends Error {}

/**
 * What a file exports: its default, or of CommonJS what it assigns to `module.exports` or `exports.default`, which
 * compilers write, too.
 */
export function exportedOf(namespace: { readonly default?: unknown }): unknown {
  const exported = namespace.default;
  if (exported === null || (typeof exported !== "object" && typeof exported !== "function")) return exported;
  if (Array.isArray(exported) || !Object.hasOwn(exported, "default")) return exported;
  const { default: inner, __esModule: compiled } = exported as {
    readonly default: unknown;
    readonly __esModule?: unknown;
  };
  // A function with a property `default` may well be the class itself.
  return typeof exported === "object" || compiled === true ? inner : exported;
}

/** A class, a constructor function or a factory. */
// biome-ignore lint/suspicious/noExplicitAny: what it takes and gives is its own.
export type Maker = (...args: any[]) => unknown;

/** Throws `Unfit` unless an instance can be made of it. */
export function checkExported(exported: unknown): asserts exported is Maker {
  if (typeof exported !== "function") {
    throw new Unfit(`it default-exports ${kindOf(exported)}, not a class or a function`);
  }
  if (/^\[object (Async)?GeneratorFunction\]$/.test(Object.prototype.toString.call(exported))) {
    throw new Unfit("it default-exports a generator function, not a class or a function that returns an object");
  }
}

/**
 * Makes the instance: of a class or a constructor function by `new`, by a call of any other function. Throws `Unfit`. It
 * is wrapped: one that has a method `then` is no promise.
 */
export async function construct(exported: Maker, ctx: unknown): Promise<{ readonly instance: object }> {
  const made: unknown = isConstructor(exported) ? Reflect.construct(exported, [ctx]) : exported(ctx);
  const instance: unknown = isClass(exported) ? made : await made;
  if (typeof instance !== "object" || instance === null) throw new Unfit("its factory returned no object");
  // To a function that returns nothing, `new` gives the object that it could have made something of.
  if (!isClass(exported) && isBare(instance, exported)) {
    throw new Unfit("its function returned no object, and has neither a prototype with methods nor set any on `this`");
  }
  return { instance };
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object") return `a value of type ${typeof value}`;
  if (typeof (value as { then?: unknown }).then === "function") return "a promise";
  const names = Object.keys(value).slice(0, MAX_TOLD_NAMES);
  return `an object${names.length === 0 ? "" : ` with ${names.join(", ")}`}`;
}

/** Exported names that the error for a file without a module lists; the others are omitted. @limit names */
const MAX_TOLD_NAMES = 5;

const isClass = (exported: object): boolean => /^class\b/.test(Function.prototype.toString.call(exported));

/** Arrow functions, async functions and methods cannot be used with `new`. */
function isConstructor(exported: object): boolean {
  try {
    // Runs nothing of it.
    Reflect.construct(Object, [], exported as new () => unknown);
    return true;
  } catch {
    return false;
  }
}

function isBare(instance: object, made: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(instance);
  if (prototype !== (made as { readonly prototype?: unknown }).prototype || prototype === null) return false;
  const isPlain = Object.getPrototypeOf(prototype) === Object.prototype;
  const inherited = Reflect.ownKeys(prototype as object).filter((key) => key !== "constructor");
  return isPlain && inherited.length === 0 && Reflect.ownKeys(instance).length === 0;
}
