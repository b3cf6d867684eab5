import type { CallContext, ModuleContext, SuiteTarget, SuiteTest } from "../../api.ts";
import { toJson } from "./json.ts";
import { toWire } from "./wire.ts";

/** What a suite's tests are called with. */
interface RunInput {
  readonly name: string;
  /** Of the instance that is tested. */
  readonly methods: readonly string[];
}

/**
 * Makes what a suite file exports a module: `list` tells its tests, `run` runs one. Calls of the instance that is tested
 * go by the context, as calls of the dependency `module`, and its health as one of `health`.
 */
export function suiteModule(exported: unknown): (ctx: ModuleContext) => object {
  return (ctx) => ({
    list() {
      const tests = testsOf(exported);
      return tests.map((test) => {
        const { name, description, required, timeoutMs, run } = (test ?? {}) as Partial<SuiteTest>;
        return { name, description, required, timeoutMs, runs: typeof run === "function" };
      });
    },

    async run({ name, methods }: RunInput, { signal }: CallContext) {
      const module: SuiteTarget = {
        methods,
        call: (method, input) => ctx.call("module", method, input),
        health: async () => void (await ctx.call("health", "health")),
      };
      let output: unknown;
      try {
        output = await testsOf(exported)
          .find((test) => test.name === name)
          ?.run(module, { signal });
      } catch (thrown) {
        return { thrown: tell(thrown) };
      }
      // Bytes are no JSON, and nobody would read them.
      return { output: output instanceof Uint8Array ? undefined : toJson(output, "output") };
    },
  });
}

function testsOf(exported: unknown): readonly SuiteTest[] {
  if (Array.isArray(exported)) return exported;
  const what = exported === undefined ? "nothing" : `a value of type ${typeof exported}`;
  throw new TypeError(`it default-exports ${what}, not a list of tests`);
}

function tell(thrown: unknown): string {
  const { name, message } = toWire(thrown);
  return message === "" ? name : message;
}
