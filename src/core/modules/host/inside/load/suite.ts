import type { CallContext, ModuleContext, SuiteStubs, SuiteTarget, SuiteTest } from "../../../api.ts";
import { toJson } from "../../values/json.ts";
import { toWire } from "../../values/wire-error.ts";

/** Input of `run`. */
interface RunInput {
  readonly name: string;
  /** Methods of the tested instance. */
  readonly methods: readonly string[];
}

/** Input of `stub`: a call, with its input as a JSON value, or as bytes in base64. */
interface StubInput {
  readonly dependency: string;
  readonly method: string;
  readonly json?: unknown;
  readonly bytes?: string;
}

/** A method of a stub, as `list` returns it. */
type ListedStub = { readonly runs: true } | { readonly answer: unknown };

/**
 * Makes a module of a suite file's exports. It has three methods: `list` returns the tests and the stubs, `run` runs a
 * test, and `stub` answers a call in the place of a dependency. A test reaches the tested instance by calls of `ctx`: the
 * dependency `module` stands for its methods, `health` for its health, and `calls` for the recorded calls of the stand-ins.
 */
export function suiteModule(exported: unknown, namespace: object): (ctx: ModuleContext) => object {
  const { stubs, allow } = standInsOf(exported, namespace);
  return (ctx) => ({
    list() {
      const tests = testsOf(exported).map((test) => {
        const { name, description, required, timeoutMs, run } = (test ?? {}) as Partial<SuiteTest>;
        return { name, description, required, timeoutMs, runs: typeof run === "function" };
      });
      return { tests, stubs: listStubs(stubs), allow };
    },

    async run({ name, methods }: RunInput, { signal }: CallContext) {
      const module: SuiteTarget = {
        methods,
        call: (method, input) => ctx.call("module", method, input),
        health: async () => void (await ctx.call("health", "health")),
        calls: async (dependency) => (await ctx.call("calls", dependency)) as Awaited<ReturnType<SuiteTarget["calls"]>>,
      };
      let output: unknown;
      try {
        output = await testsOf(exported)
          .find((test) => test.name === name)
          ?.run(module, { signal });
      } catch (thrown) {
        return { thrown: messageOf(thrown) };
      }
      // Bytes are omitted: JSON does not have them, and nothing reads them.
      return { output: output instanceof Uint8Array ? undefined : toJson(output, "output") };
    },

    stub({ dependency, method, json, bytes }: StubInput, { signal }: CallContext) {
      const stub = stubs?.[dependency] as Readonly<Record<string, unknown>> | undefined;
      const answer = stub?.[method];
      if (typeof answer !== "function")
        throw new TypeError(`there is no stub for method ${method} of dependency ${dependency}`);
      return answer.call(stub, bytes === undefined ? json : new Uint8Array(Buffer.from(bytes, "base64")), { signal });
    },
  });
}

function testsOf(exported: unknown): readonly SuiteTest[] {
  if (Array.isArray(exported)) return exported;
  const { tests } = (exported ?? {}) as { readonly tests?: unknown };
  if (Array.isArray(tests)) return tests;
  const what = exported === undefined ? "nothing" : `a value of type ${typeof exported}`;
  throw new TypeError(`it default-exports ${what}, not a list of tests`);
}

/**
 * Finds the stubs and `allow`: members of the object with the tests, or otherwise exports of the file. In CommonJS, exports
 * are members of the default export.
 */
function standInsOf(
  exported: unknown,
  namespace: object,
): { readonly stubs: SuiteStubs | undefined; readonly allow: unknown } {
  const { default: whole } = namespace as { readonly default?: unknown };
  const places = [exported, namespace, whole].map((place) => (place ?? {}) as { stubs?: SuiteStubs; allow?: unknown });
  return {
    stubs: places.find(({ stubs }) => stubs !== undefined)?.stubs,
    allow: places.find(({ allow }) => allow !== undefined)?.allow ?? [],
  };
}

/** An invalid stub is listed unchanged, so that the service can describe the problem. */
function listStubs(stubs: unknown): unknown {
  if (typeof stubs !== "object" || stubs === null || Array.isArray(stubs)) return stubs ?? {};
  return Object.fromEntries(Object.entries(stubs).map(([dependency, stub]) => [dependency, listStub(stub)]));
}

function listStub(stub: unknown): unknown {
  if (typeof stub === "function") return null;
  if (typeof stub !== "object" || stub === null || Array.isArray(stub)) return stub;
  const methods: Record<string, ListedStub> = {};
  for (const name of namesOf(stub)) {
    const value = (stub as Readonly<Record<string, unknown>>)[name];
    methods[name] = typeof value === "function" ? { runs: true } : { answer: value };
  }
  return methods;
}

/** Returns the names of a stub's own members, and of its class's methods. */
function namesOf(stub: object): readonly string[] {
  const names = new Set(Object.keys(stub));
  for (
    let level: object | null = Object.getPrototypeOf(stub);
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const name of Object.getOwnPropertyNames(level)) if (name !== "constructor") names.add(name);
  }
  return [...names];
}

function messageOf(thrown: unknown): string {
  const { name, message } = toWire(thrown);
  return message === "" ? name : message;
}
