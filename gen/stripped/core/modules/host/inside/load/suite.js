                                                                                                      
import { toJson } from "../../values/json.js";
import { toWire } from "../../values/wire-error.js";

/** What a suite's tests are called with. */
                    
                        
                                        
                                      
 

/** A call that a stub answers: with a JSON value, or with bytes in base64. */
                     
                              
                          
                          
                          
 

/** A method of a stub, as it is listed. */
                                                                         

/**
 * Makes what a suite file exports a module: `list` tells its tests, and what stands in for the dependencies of the module that
 * is tested; `run` runs one, `stub` answers in the place of a dependency's method. Calls of the instance that is tested go
 * by the context, as calls of the dependency `module`, its health as one of `health`, and what stand-ins were called with as
 * those of `calls`.
 */
export function suiteModule(exported         , namespace        )                                 {
  const { stubs, allow } = standInsOf(exported, namespace);
  return (ctx) => ({
    list() {
      const tests = testsOf(exported).map((test) => {
        const { name, description, required, timeoutMs, run } = (test ?? {})                      ;
        return { name, description, required, timeoutMs, runs: typeof run === "function" };
      });
      return { tests, stubs: listStubs(stubs), allow };
    },

    async run({ name, methods }          , { signal }             ) {
      const module              = {
        methods,
        call: (method, input) => ctx.call("module", method, input),
        health: async () => void (await ctx.call("health", "health")),
        calls: async (dependency) => (await ctx.call("calls", dependency))                                             ,
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

    stub({ dependency, method, json, bytes }           , { signal }             ) {
      const stub = stubs?.[dependency]                                                 ;
      const answer = stub?.[method];
      if (typeof answer !== "function") throw new TypeError(`there is no stub ${method} of ${dependency}`);
      return answer.call(stub, bytes === undefined ? json : new Uint8Array(Buffer.from(bytes, "base64")), { signal });
    },
  });
}

function testsOf(exported         )                       {
  if (Array.isArray(exported)) return exported;
  const { tests } = (exported ?? {})                                ;
  if (Array.isArray(tests)) return tests;
  const what = exported === undefined ? "nothing" : `a value of type ${typeof exported}`;
  throw new TypeError(`it default-exports ${what}, not a list of tests`);
}

/** Members of the object with the tests, else exports of the file, which of a CommonJS file are members of its default. */
function standInsOf(
  exported         ,
  namespace        ,
)                                                                      {
  const { default: whole } = namespace                                  ;
  const places = [exported, namespace, whole].map((place) => (place ?? {})                                           );
  return {
    stubs: places.find(({ stubs }) => stubs !== undefined)?.stubs,
    allow: places.find(({ allow }) => allow !== undefined)?.allow ?? [],
  };
}

/** What is no stub is listed as it is: the service says what is wrong with it. */
function listStubs(stubs         )          {
  if (typeof stubs !== "object" || stubs === null || Array.isArray(stubs)) return stubs ?? {};
  return Object.fromEntries(Object.entries(stubs).map(([dependency, stub]) => [dependency, listStub(stub)]));
}

function listStub(stub         )          {
  if (typeof stub === "function") return null;
  if (typeof stub !== "object" || stub === null || Array.isArray(stub)) return stub;
  const methods                             = {};
  for (const name of namesOf(stub)) {
    const value = (stub                                     )[name];
    methods[name] = typeof value === "function" ? { runs: true } : { answer: value };
  }
  return methods;
}

/** Of its own members, and of the methods of its class, where it has one. */
function namesOf(stub        )                    {
  const names = new Set(Object.keys(stub));
  for (
    let level                = Object.getPrototypeOf(stub);
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const name of Object.getOwnPropertyNames(level)) if (name !== "constructor") names.add(name);
  }
  return [...names];
}

function tell(thrown         )         {
  const { name, message } = toWire(thrown);
  return message === "" ? name : message;
}
