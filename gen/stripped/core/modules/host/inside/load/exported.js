/** What a module's file exports cannot be run; for people. */
export class Unfit extends Error {}

/**
 * What a file exports: its default, or of CommonJS what it assigns to `module.exports` or `exports.default`, which
 * compilers write, too.
 */
export function exportedOf(namespace                                )          {
  const exported = namespace.default;
  if (exported === null || (typeof exported !== "object" && typeof exported !== "function")) return exported;
  if (Array.isArray(exported) || !Object.hasOwn(exported, "default")) return exported;
  const { default: inner, __esModule: compiled } = exported     
                              
                                  
   ;
  // A function with a property `default` may well be the class itself.
  return typeof exported === "object" || compiled === true ? inner : exported;
}

/** A class, a constructor function or a factory. */
// biome-ignore lint/suspicious/noExplicitAny: what it takes and gives is its own.
                                                

/** Throws `Unfit` unless an instance can be made of it. */
export function checkExported(exported         )                            {
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
export async function construct(exported       , ctx         )                                         {
  const made          = isConstructor(exported) ? Reflect.construct(exported, [ctx]) : exported(ctx);
  const instance          = isClass(exported) ? made : await made;
  if (typeof instance !== "object" || instance === null) throw new Unfit("its factory returned no object");
  // To a function that returns nothing, `new` gives the object that it could have made something of.
  if (!isClass(exported) && isBare(instance, exported)) {
    throw new Unfit("its function returned no object, and has neither a prototype with methods nor set any on `this`");
  }
  return { instance };
}

function kindOf(value         )         {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object") return `a value of type ${typeof value}`;
  if (typeof (value                      ).then === "function") return "a promise";
  const names = Object.keys(value).slice(0, MAX_TOLD_NAMES);
  return `an object${names.length === 0 ? "" : ` with ${names.join(", ")}`}`;
}

/** Exported names that the error for a file without a module lists; the others are omitted. @limit names */
const MAX_TOLD_NAMES = 5;

const isClass = (exported        )          => /^class\b/.test(Function.prototype.toString.call(exported));

/** Arrow functions, async functions and methods cannot be used with `new`. */
function isConstructor(exported        )          {
  try {
    // Runs nothing of it.
    Reflect.construct(Object, [], exported                     );
    return true;
  } catch {
    return false;
  }
}

function isBare(instance        , made        )          {
  const prototype          = Object.getPrototypeOf(instance);
  if (prototype !== (made                                    ).prototype || prototype === null) return false;
  const isPlain = Object.getPrototypeOf(prototype) === Object.prototype;
  const inherited = Reflect.ownKeys(prototype          ).filter((key) => key !== "constructor");
  return isPlain && inherited.length === 0 && Reflect.ownKeys(instance).length === 0;
}
