import { afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  createEngine,
  createManualClock,
  type Engine,
  isReason,
  type RegistrationFields,
  type Run,
} from "../../../../src/core/index.ts";
import { SOAK } from "../../../support/soak.ts";
import { ownRoot } from "../../modules/rig.ts";
import { sharedEngine } from "../engine-rig.ts";

const shared = sharedEngine({}, ["gateway"]);

/** Remembers all orders that have reached it. */
const GATEWAY = `export default class Gateway {
  #orders = [];
  place_order(order) { this.#orders.push(order); return { id: this.#orders.length }; }
  quote() { return { bid: 1 }; }
  orders() { return this.#orders; }
  forget() { this.#orders = []; }
}`;

const TRADER = `export default class Trader {
  #ctx;
  async start(ctx) { this.#ctx = ctx; this.opened = await ctx.call("gateway", "placeOrder", { from: "start" }).catch(({ code }) => code); }
  how_it_opened() { return this.opened; }
  place_order(order) { return this.#ctx.call("gateway", "place_order", order); }
  quote() { return this.#ctx.call("gateway", "quote"); }
  async refusal(order) { return await this.#ctx.call("gateway", "place_order", order).catch(({ code, message }) => ({ code, message })); }
}`;

const FAKE = `export default class Fake {
  #ctx;
  constructor(ctx) { this.#ctx = ctx; }
  place_order() { return { id: "of the fake" }; }
  quote() { return this.#ctx.call("gateway", "quote"); }
}`;

beforeAll(async () => {
  shared.write({ "gateway.js": GATEWAY });
  const { modules } = shared.engine();
  await modules.register("gateway", { modulePath: "gateway" });
  await modules.load("gateway");
});

afterEach(async () => {
  await shared.engine().modules.invoke("gateway", "forget", { json: null });
});

interface Desk extends Engine {
  /** Runs a suite on the trader. */
  test(suite: string, options?: Parameters<Engine["testing"]["run"]>[2]): Promise<Run>;
  /** The orders that reached the serving gateway. */
  orders(): Promise<unknown>;
}

async function desk(files: Record<string, string> = {}, fields: Partial<RegistrationFields> = {}): Promise<Desk> {
  shared.write({ "gateway.js": GATEWAY, "trader.js": TRADER, "fake.js": FAKE, ...files });
  const engine = shared.engine();
  await engine.modules.register("trader", { modulePath: "trader", dependencies: ["gateway"], ...fields });
  return {
    ...engine,
    test: (suite, options) => engine.testing.run("trader", suite, options),
    async orders() {
      const { output } = await engine.modules.invoke("gateway", "orders", { json: null });
      return "json" in output ? output.json : undefined;
    },
  };
}

const outputs = ({ record }: Run): unknown[] =>
  record.tests.map(({ outcome, message, output }) => message || output || outcome);

const errorOf = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "it was not refused",
    (error: unknown) => error,
  );

const BUY = { name: "buy", method: "place_order", input: { quantity: 2 } };
const OPENED = { name: "opened", method: "how_it_opened" };
const NOT_STUBBED = (method: string): unknown =>
  expect.stringContaining(`a test of module trader called ${method} of gateway, which is neither stubbed nor allowed`);

describe("the stubs of a suite that is a file", () => {
  const TESTS = `[
    { name: "opened", run: (module) => module.call("how_it_opened") },
    { name: "buy", run: async (module) => [await module.call("place_order", { quantity: 2 }), await module.calls("gateway")] },
    { name: "quote", run: (module) => module.call("quote") },
    { name: "refusal", run: (module) => module.call("refusal", { quantity: -1 }) },
  ]`;
  const STUBS = `{ gateway: {
    placeOrder({ quantity = 0 }) {
      if (quantity < 0) throw Object.assign(new RangeError("no such quantity"), { callerFault: true });
      return { id: "stub-" + quantity };
    },
    quote: { bid: 7 },
  } }`;
  const answers = [
    { id: "stub-0" },
    [{ id: "stub-2" }, [{ method: "place_order", input: { quantity: 2 } }]],
    { bid: 7 },
    { code: "MODULE_METHOD_FAILED", message: "place_order of module gateway failed: no such quantity" },
  ];

  it.each([
    ["separate exports", `export const stubs = ${STUBS}; export default ${TESTS};`],
    ["members next to the tests", `export default { stubs: ${STUBS}, tests: ${TESTS} };`],
    [
      "an instance of a class",
      `class Gateway {
        placeOrder(order) { return this.of(order.quantity); }
        of(quantity = 0) {
          if (quantity < 0) throw new RangeError("no such quantity");
          return { id: "stub-" + quantity };
        }
        quote() { return { bid: 7 }; }
      }
      export const stubs = { gateway: new Gateway() };
      export default ${TESTS};`,
    ],
  ])("are %s, functions and values, and answer in place of the serving modules", async (_, suite) => {
    const { test, orders } = await desk({ "s.js": suite });
    expect(outputs(await test("s.js"))).toEqual(answers);
    expect(await orders()).toEqual([]);
  });

  it("may be exports of a CommonJS file", async () => {
    const { test } = await desk({ "s.cjs": `exports.stubs = ${STUBS}; exports.tests = ${TESTS};` });
    expect(outputs(await test("s.cjs"))).toEqual(answers);
  });

  it("receive and return bytes, and report values that are not JSON as an error", async () => {
    const suite = `export const stubs = { gateway: {
      place_order: (order) => order instanceof Uint8Array ? order.map((byte) => byte + 1) : { id: 1 },
      quote: () => { const answer = {}; answer.answer = answer; return answer; },
    } };
    export default [
      { name: "bytes", run: async (module) => [[...(await module.call("place_order", new Uint8Array([1, 2])))], await module.calls("gateway")] },
      { name: "cycle", run: (module) => module.call("quote") },
    ];`;
    const { test } = await desk({ "s.js": suite });
    const [bytes, cycle] = outputs(await test("s.js"));
    expect(bytes).toEqual([[2, 3], [{ method: "place_order", input: { bytes: 2 } }]]);
    expect(cycle).toContain("quote of module gateway failed");
  });

  it("stubs that never answer end with the test", async () => {
    const suite = `export const stubs = { gateway: { place_order: (order) => order.from ? {} : new Promise(() => {}) } };
      export default [{ name: "hangs", timeoutMs: 100, run: (module) => module.call("place_order", {}) }, { name: "next", run: () => "well" }];`;
    const { test } = await desk({ "s.js": suite });
    expect(outputs(await test("s.js"))).toEqual(["it took longer than 0.1 s", "well"]);
  });

  const areRefused = async (exported: string, problem: string): Promise<void> => {
    const { test } = await desk({ "s.js": `export const ${exported}; export default ${TESTS};` });
    const error = await errorOf(test("s.js"));
    expect(isReason(error, "SUITE_INVALID") && error.metadata.problem).toContain(problem);
  };

  it.each([
    [
      "stubs = { gateway: 3 }",
      "stubs.gateway: 3 is not allowed; expected an object of answers by method, or the path of a module",
    ],
    ["allow = 'gateway'", 'allow: "gateway" is not allowed; expected a list of dependencies'],
  ])("are refused if they are wrong: %s", areRefused);

  it.each([
    ["stubs = 3", "stubs: 3 is not allowed; expected an object of stubs by dependency"],
    [
      "stubs = { gateway: () => 1 }",
      "stubs.gateway: null is not allowed; expected an object of answers by method, or the path of a module",
    ],
    ["stubs = { 'a b': {} }", 'stubs["a b"]: "a b" is not allowed'],
  ])("are refused if they are wrong: %s", SOAK, areRefused);
});

describe("the stubs of a created suite", () => {
  it("are values, stored with the suite", async () => {
    const { testing, test, orders } = await desk();
    const standIns = { stubs: { gateway: { place_order: { id: 5 } } }, allowDependencies: ["gateway"] };
    const suite = await testing.createSuite("s", { tests: [OPENED, BUY], ...standIns });
    expect(suite.resource?.record).toMatchObject(standIns);
    expect(outputs(await test("s"))).toEqual([{ id: 5 }, { id: 5 }]);
    expect(await orders()).toEqual([]);
  });

  it("are refused if they are wrong", async () => {
    const { testing } = await desk();
    const create = (stubs: unknown) =>
      testing.createSuite("s", { tests: [BUY], stubs: stubs as Record<string, string> });
    expect(await errorOf(create({ gateway: "" }))).toMatchObject({ metadata: { field: "suite.stubs.gateway" } });
    expect(await errorOf(create({ gateway: { place_order: Number.NaN } }))).toMatchObject({
      reason: "ARGUMENT_INVALID",
    });
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`m${index}`, "fake"]));
    expect(await errorOf(create(many))).toMatchObject({ message: expect.stringContaining("at most 16") });
    const long = { gateway: { place_order: "x".repeat(1024 * 1024) } };
    expect(await errorOf(create(long))).toMatchObject({ reason: "RESOURCE_TOO_LARGE" });
  });
});

describe("a run", () => {
  it("starts a module as a stand-in for another, which calls no other module, and ends it", async () => {
    const { testing, test, orders } = await desk();
    await testing.createSuite("s", { tests: [OPENED, BUY, { name: "quote", method: "quote" }] });
    const [opened, buy, quote] = outputs(await test("s", { stubs: { gateway: "fake" } }));
    expect([opened, buy]).toEqual([{ id: "of the fake" }, { id: "of the fake" }]);
    expect(quote).toContain("module gateway does not declare gateway; it declares no dependencies");
    expect(await orders()).toEqual([]);
  });

  it("has no report if a stand-in does not start", async () => {
    const { testing, test } = await desk({
      "broken.js": "export default class { start() { throw new Error('no fake'); } }",
    });
    await testing.createSuite("s", { tests: [BUY] });
    expect(await errorOf(test("s", { stubs: { gateway: "broken" } }))).toMatchObject({
      message: expect.stringContaining("no fake"),
    });
    expect(await errorOf(test("s", { stubs: { gateway: "none" } }))).toMatchObject({ reason: "MODULE_FILE_NOT_FOUND" });
  });

  it("may really call the allowed methods, except for the stubbed ones", async () => {
    const { testing, test, orders } = await desk();
    await testing.createSuite("s", { tests: [OPENED, BUY, { name: "quote", method: "quote" }] });
    const run = await test("s", { stubs: { gateway: { quote: { bid: 9 } } }, allowDependencies: ["gateway"] });
    expect(outputs(run)).toEqual([{ id: 1 }, { id: 2 }, { bid: 9 }]);
    expect(await orders()).toEqual([{ from: "start" }, { quantity: 2 }]);
  });

  it("refuses methods that a stub lacks, by name", async () => {
    const { testing, test } = await desk();
    await testing.createSuite("s", { tests: [BUY, { name: "quote", method: "quote" }] });
    expect(outputs(await test("s", { stubs: { gateway: { place_order: null } } }))).toEqual([
      "PASSED",
      NOT_STUBBED("quote"),
    ]);
  });

  it("uses the caller's stub of a dependency, else the suite's, else the registration's", async () => {
    const stub = (id: string) => ({ stubs: { gateway: { place_order: { id } } } });
    const { testing, test, orders } = await desk({}, { testStubs: stub("of the registration").stubs });
    await testing.createSuite("plain", { tests: [BUY] });
    await testing.createSuite("stubbed", { tests: [BUY], ...stub("of the suite") });
    expect(outputs(await test("plain"))).toEqual([{ id: "of the registration" }]);
    expect(outputs(await test("stubbed"))).toEqual([{ id: "of the suite" }]);
    expect(outputs(await test("stubbed", stub("of the caller")))).toEqual([{ id: "of the caller" }]);
    expect(outputs(await test("stubbed", { stubs: { gateway: {} } }))).toEqual([NOT_STUBBED("place_order")]);
    expect(await orders()).toEqual([]);
  });

  it("refuses stand-ins for unknown dependencies, and stubs for a run on the serving instance", async () => {
    const { modules, testing, test, orders } = await desk({
      "s.js": "export const stubs = { gateway: {} }; export default [{ name: 't', run() {} }];",
    });
    await testing.createSuite("s", { tests: [BUY], stubs: { gateway: {} } });
    await testing.createSuite("plain", { tests: [BUY] });
    const misspelt = await errorOf(test("plain", { stubs: { gatway: {} } }));
    expect(misspelt).toMatchObject({ reason: "ARGUMENT_INVALID", message: expect.stringContaining("gatway") });
    expect(await errorOf(test("plain", { allowDependencies: ["gatway"] }))).toMatchObject({
      reason: "ARGUMENT_INVALID",
    });
    await modules.load("trader");
    const active = (options: object) => test("plain", { target: "ACTIVE", ...options });
    expect(await errorOf(active({ stubs: { gateway: {} } }))).toMatchObject({ metadata: { field: "stubs" } });
    expect(await errorOf(active({ allowDependencies: ["gateway"] }))).toMatchObject({
      metadata: { field: "allow_dependencies" },
    });
    for (const suite of ["s", "s.js"]) {
      expect(await errorOf(test(suite, { target: "ACTIVE" }))).toMatchObject({
        reason: "SUITE_INVALID",
        message: expect.stringContaining("stubs gateway"),
      });
    }
    expect((await active({})).record.passed).toBe(true);
    expect(await orders()).toEqual([{ from: "start" }, { quantity: 2 }]);
  });
});

describe("a registration", () => {
  it("defines stand-ins for gates, and the calls that a new version may make before it serves", async () => {
    const stubs = { gateway: { place_order: { id: "stub" } } };
    const fields = { testSuite: "gate", testStubs: stubs, testAllowDependencies: ["prices"] };
    const start = `export default class Trader {
      static version = "2";
      async start(ctx) { this.ctx = ctx; this.price = await ctx.call("prices", "next"); }
      place_order(order) { return this.ctx.call("gateway", "place_order", order); }
      price_at_start() { return this.price; }
    }`;
    const prices = "export default class Prices { #price = 0; next() { return ++this.#price; } }";
    const { modules, testing, orders } = await desk({ "trader2.js": start, "prices.js": prices });
    await modules.register("prices", { modulePath: "prices" });
    await modules.load("prices");
    await modules.register("desk", { modulePath: "trader", dependencies: ["gateway", "prices"], ...fields });
    await modules.load("desk");
    await testing.createSuite("gate", { tests: [{ ...BUY, expect: "" }] });
    expect(await modules.swap("desk", { newVersionPath: "trader2" })).toMatchObject({ swapped: true, toVersion: "2" });
    expect((await modules.invoke("desk", "price_at_start", { json: null })).output).toEqual({ json: 1 });
    expect(await orders()).toEqual([{ from: "start" }]);
  });

  it.each([
    [{ testStubs: { other: {} } }, "test_stubs"],
    [{ testStubs: { gateway: 3 } }, "test_stubs.gateway"],
    [{ testAllowDependencies: ["other"] }, "test_allow_dependencies[0]"],
  ] as const)("is refused with %j", async (fields, field) => {
    const { modules } = await desk();
    const registered = modules.register("t", {
      modulePath: "trader",
      dependencies: ["gateway"],
      ...(fields as object),
    });
    expect(await errorOf(registered)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
  });

  it("a registration with other stubs is a different registration", async () => {
    const { modules } = await desk();
    const register = (testStubs: RegistrationFields["testStubs"]) =>
      modules.register("trader", { modulePath: "trader", dependencies: ["gateway"], testStubs });
    await register({});
    expect(await errorOf(register({ gateway: {} }))).toMatchObject({
      reason: "MODULE_ALREADY_EXISTS",
      metadata: { differences: "test_stubs" },
    });
  });
});

describe("a tester", () => {
  it("stubs with functions and values, and knows the calls of each stub", async () => {
    const { testing, orders } = await desk();
    const asked: unknown[] = [];
    const place_order = async (order: unknown): Promise<unknown> => {
      asked.push(order);
      if ((order as { quantity?: number }).quantity === 0) throw new RangeError("nothing to buy");
      return { id: asked.length };
    };
    const tester = testing.createTester("trader", undefined, {
      stubs: { gateway: { place_order, quote: { bid: 3 } } },
    });
    tester
      .addTest("buys", async (module) => {
        const answer = await module.call("place_order", { quantity: 1 });
        return (
          JSON.stringify([answer, module.calls("gateway")]) ===
          '[{"id":2},[{"method":"place_order","input":{"quantity":1}}]]'
        );
      })
      .addTest("quotes", async (module) => ((await module.call("quote")) as { bid: number }).bid === 3)
      .addTest("refuses", async (module) => {
        const { code, message } = (await module.call("refusal", { quantity: 0 })) as Record<string, string>;
        return code === "MODULE_METHOD_FAILED" && message === "place_order of module gateway failed: nothing to buy";
      });
    await tester.runTests();
    expect(tester.getTestReport()?.run.record.tests.map(({ message }) => message)).toEqual(["", "", ""]);
    expect(asked[0]).toEqual({ from: "start" });
    expect(await orders()).toEqual([]);
  });
});

it("fails a module's own call after 30 s if the stand-in does not answer", async () => {
  const clock = createManualClock();
  const { path } = await ownRoot({
    "gateway.js": GATEWAY,
    "trader.js": `export default class Trader {
      #ctx;
      #told = Promise.withResolvers();
      constructor(ctx) { this.#ctx = ctx; }
      begin() {
        setTimeout(() => this.#ctx.call("gateway", "quote").catch(({ code, message }) => this.#told.resolve({ code, message })), 1);
      }
      told() { return this.#told.promise; }
    }`,
  });
  const engine = await createEngine({ modulesRoot: path, clock });
  onTestFinished(() => engine.close());
  await engine.modules.register("gateway", { modulePath: "gateway" });
  await engine.modules.register("trader", { modulePath: "trader", dependencies: ["gateway"] });
  const called = Promise.withResolvers<void>();
  const quote = (): Promise<unknown> => {
    called.resolve();
    return new Promise(() => {});
  };
  let received: unknown;
  const tester = engine.testing.createTester("trader", undefined, { stubs: { gateway: { quote } } }).addTest(
    "gives up",
    async (instance) => {
      await instance.call("begin");
      await called.promise;
      clock.advance(30_000);
      received = await instance.call("told");
      return true;
    },
    { timeoutMs: Number.POSITIVE_INFINITY },
  );
  await tester.runTests();
  expect(received).toEqual({
    code: "MODULE_DEADLINE_EXCEEDED",
    message: expect.stringContaining("quote of module gateway did not answer within 30 s"),
  });
});
