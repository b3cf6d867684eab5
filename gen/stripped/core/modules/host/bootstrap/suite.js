                                                                                       
import { toJson } from "./json.js";
import { toWire } from "./wire.js";

/** What a suite's tests are called with. */
                    
                        
                                        
                                      
 

/**
 * Makes what a suite file exports a module: `list` tells its tests, `run` runs one. Calls of the instance that is tested
 * go by the context, as calls of the dependency `module`, and its health as one of `health`.
 */
export function suiteModule(exported         )                                 {
  return (ctx) => ({
    list() {
      const tests = testsOf(exported);
      return tests.map((test) => {
        const { name, description, required, timeoutMs, run } = (test ?? {})                      ;
        return { name, description, required, timeoutMs, runs: typeof run === "function" };
      });
    },

    async run({ name, methods }          , { signal }             ) {
      const module              = {
        methods,
        call: (method, input) => ctx.call("module", method, input),
        health: async () => void (await ctx.call("health", "health")),
      };
      let output         ;
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

function testsOf(exported         )                       {
  if (Array.isArray(exported)) return exported;
  const what = exported === undefined ? "nothing" : `a value of type ${typeof exported}`;
  throw new TypeError(`it default-exports ${what}, not a list of tests`);
}

function tell(thrown         )         {
  const { name, message } = toWire(thrown);
  return message === "" ? name : message;
}
