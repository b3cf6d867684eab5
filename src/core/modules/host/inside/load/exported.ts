/** The file's export cannot be run as a module. The message is for readers. */
export class Unfit extends Error {}

/**
 * Returns the export that is the module: the default export. In CommonJS, it is the value of `module.exports`, or of
 * `exports.default`, which compilers write.
 */
export function exportedOf(namespace: { readonly default?: unknown }): unknown {
  const exported = namespace.default;
  if (exported === null || (typeof exported !== "object" && typeof exported !== "function")) return exported;
  if (Array.isArray(exported) || !Object.hasOwn(exported, "default")) return exported;
  const { default: inner, __esModule: compiled } = exported as {
    readonly default: unknown;
    readonly __esModule?: unknown;
  };
  // A function with a property `default` may be the class itself.
  return typeof exported === "object" || compiled === true ? inner : exported;
}

/** A class, a constructor function or a factory. */
// biome-ignore lint/suspicious/noExplicitAny: its parameters and its result are its own.
export type Maker = (...args: any[]) => unknown;

/** Throws `Unfit` unless the export is a class or function that an instance can be created from. */
export function checkExported(exported: unknown): asserts exported is Maker {
  if (typeof exported !== "function") {
    throw new Unfit(`it default-exports ${kindOf(exported)}, not a class or a function`);
  }
  if (/^\[object (Async)?GeneratorFunction\]$/.test(Object.prototype.toString.call(exported))) {
    throw new Unfit("it default-exports a generator function, not a class or a function that returns an object");
  }
}

/**
 * Creates the instance: from a class or constructor function by `new`, and by a call of any other function. Throws `Unfit`.
 * The result is wrapped, because an instance with a method `then` would be awaited like a promise.
 */
export async function construct(exported: Maker, ctx: unknown): Promise<{ readonly instance: object }> {
  const made: unknown = isConstructor(exported) ? Reflect.construct(exported, [ctx]) : exported(ctx);
  const instance: unknown = isClass(exported) ? made : await made;
  if (typeof instance !== "object" || instance === null) throw new Unfit("its factory must return an object");
  // If a function returns nothing, `new` returns an empty object, which does not make it a module.
  if (!isClass(exported) && isBare(instance, exported)) {
    throw new Unfit("its function must return an object, have a prototype with methods, or set members on `this`");
  }
  return { instance };
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object") return `a value of type ${typeof value}`;
  if (typeof (value as { then?: unknown }).then === "function") return "a promise";
  const names = Object.keys(value).slice(0, MAX_LISTED_NAMES);
  return `an object${names.length === 0 ? "" : ` with ${names.join(", ")}`}`;
}

/** Exported names that the error for a file without a module lists; the others are omitted. @limit names */
const MAX_LISTED_NAMES = 5;

const isClass = (exported: object): boolean => /^class\b/.test(Function.prototype.toString.call(exported));

/** Whether `new` can be used. It cannot for arrow functions, async functions and methods. */
function isConstructor(exported: object): boolean {
  try {
    // This does not call the function.
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
