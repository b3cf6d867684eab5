import { expect, it } from "vitest";
import { createMemoryStore } from "../../../../../src/core/store/memory/store.ts";
import { createManualClock } from "../../../../../src/kernel/clock.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../../support/isolations.ts";
import { SOAK } from "../../../../support/soak.ts";
import { turn } from "../../../../support/turns.ts";
import { until } from "../../../../support/until.ts";
import { ORDERS_ROOT, ordersFields, ordersRig, ownLedger } from "../../orders-rig.ts";
import { ownRoot, rig } from "../../rig.ts";

const WINDOW_MS = 600_000;
const storeError = new Error("the disk is full");

describeInEach("a call with a key to a module in a %s", (isolation) => {
  it("continues after its caller's deadline, and repetitions wait for it or get its answer", async () => {
    const { clock, place, holds, waitsFor, call, ledger, modules } = await ordersRig({ isolation });
    const order = { id: "a", ending: "hold" };
    const first = errorOf(place(order, { timeoutMs: 200 }));
    await holds("a");
    clock.advance(200);
    expect(await first).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED", metadata: { timeout: "0.2 s" } });
    expect(modules.inFlight("orders")).toBe(1);
    const impatient = errorOf(place(order, { timeoutMs: 100 }));
    const patient = place(order, { timeoutMs: 60_000 });
    await Promise.all([waitsFor(100), waitsFor(60_000)]);
    clock.advance(100);
    expect(await impatient).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    await call("orders", "release", "a");
    expect(await patient).toEqual({ placed: "a", by: "0.0.0" });
    expect(await place(order)).toEqual({ placed: "a", by: "0.0.0" });
    expect(await ledger()).toEqual(["a"]);
  });

  it("continues when its caller leaves, and the module does not notice", async () => {
    const { place, holds, call, ledger, breakers } = await ordersRig({ isolation });
    const caller = new AbortController();
    const order = { id: "a", ending: "hold" };
    const left = place(order, { signal: caller.signal });
    await holds("a");
    caller.abort(new Error("away"));
    await expect(left).rejects.toThrow("away");
    const again = place(order);
    await call("orders", "release", "a");
    expect(await again).toMatchObject({ placed: "a" });
    expect(await ledger()).toEqual(["a"]);
    expect(breakers.get("module:orders").counts).toMatchObject({ failures: 0, ignored: 0 });
  });

  it("repeats the error of the method with all its details, and does not run the method again", async () => {
    const { place, ledger } = await ordersRig({ isolation });
    const order = { id: "a", ending: "throw" };
    const [first, joined] = await Promise.all([errorOf(place(order)), errorOf(place(order))]);
    const again = await errorOf(place(order));
    expect(first).toMatchObject({ reason: "MODULE_METHOD_FAILED", metadata: { error: "the exchange refused a" } });
    for (const other of [joined, again]) {
      expect(other.message).toBe(first.message);
      expect(other.metadata).toEqual(first.metadata);
      expect(other.code).toBe(first.code);
    }
    expect(await ledger()).toEqual(["a"]);
  });

  it("has an unknown outcome for ten minutes if the module ended during it, and is not run again", async () => {
    const { clock, place, ledger, reaches } = await ordersRig({ isolation });
    const order = { id: "a", ending: "exit" };
    expect(await errorOf(place(order))).toMatchObject({ reason: "MODULE_CRASHED" });
    const time = new Date(clock.now()).toISOString().replace(".000Z", "Z");
    await reaches("orders", "FAILED");
    clock.advance(200);
    await reaches("orders", "ACTIVE");
    const unknown = await errorOf(place(order));
    expect(unknown).toMatchObject({
      reason: "IDEMPOTENCY_OUTCOME_UNKNOWN",
      code: "FAILED_PRECONDITION",
      retryable: false,
      metadata: { name: "orders", method: "place", key: "a", when: time },
    });
    expect(unknown.metadata.why).toContain("module orders ended while it was needed: exit code 3");
    expect(await ledger()).toEqual(["a"]);
    clock.advance(WINDOW_MS - 200);
    expect(await errorOf(place(order))).toMatchObject({ reason: "IDEMPOTENCY_OUTCOME_UNKNOWN" });
    clock.advance(1);
    expect(await errorOf(place(order))).toMatchObject({ reason: "MODULE_CRASHED" });
    expect(await ledger()).toEqual(["a", "a"]);
  });

  it("has an unknown outcome if it exceeds the module's call_timeout, whatever the method returns later", async () => {
    const hostClock = createManualClock();
    const { place, holds, call, ledger } = await ordersRig({ isolation, callTimeoutMs: 5000 }, { hostClock });
    const order = { id: "a", ending: "hold" };
    const late = errorOf(place(order, { timeoutMs: 60_000 }));
    await holds("a");
    hostClock.advance(5000);
    expect(await late).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    const unknown = await errorOf(place(order));
    expect(unknown).toMatchObject({ reason: "IDEMPOTENCY_OUTCOME_UNKNOWN" });
    expect(unknown.metadata.why).toContain("did not answer within");
    await call("orders", "release", "a");
    expect(await errorOf(place(order))).toMatchObject({ reason: "IDEMPOTENCY_OUTCOME_UNKNOWN" });
    expect(await ledger()).toEqual(["a"]);
  });

  it("is dropped from the queue with its last caller, and runs when it is sent again", async () => {
    const { modules, place, waitsFor, ledger } = await ordersRig({ isolation, concurrency: 1 });
    const first = place({ id: "a", ending: "hold" });
    await until(async () => (await ledger()).length !== 0);
    const caller = new AbortController();
    const leaving = [1000, 2000].map((timeoutMs) => place({ id: "b" }, { signal: caller.signal, timeoutMs }));
    const outcomes = Promise.allSettled(leaving);
    // A call waits in the queue for at most the module's call_timeout.
    await Promise.all([waitsFor(1000), waitsFor(2000), waitsFor(30_000)]);
    caller.abort(new Error("away"));
    const again = place({ id: "b" });
    const reasons = (await outcomes).map((outcome) => outcome.status === "rejected" && String(outcome.reason));
    expect(reasons).toEqual(["Error: away", "Error: away"]);
    const { instance } = modules.activeInstance("orders");
    await instance.invoke("release", { json: "a" }, { timeoutMs: 10_000 });
    expect(await first).toMatchObject({ placed: "a" });
    expect(await again).toMatchObject({ placed: "b" });
    expect(await ledger()).toEqual(["a", "b"]);
  });

  it("runs when it is sent again after its blocked module had dropped it unstarted", async () => {
    const { place, call, ledger } = await ordersRig({ isolation, callTimeoutMs: 150 });
    const blocked = errorOf(call("orders", "block", 500));
    expect(await errorOf(place({ id: "a" }))).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(await blocked).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(await ledger()).toEqual([]);
    let answer: unknown;
    while (answer === undefined) {
      answer = await place({ id: "a" }).catch((error: unknown) => {
        // Until the module has reported that it dropped the call.
        expect(error).toMatchObject({ reason: "IDEMPOTENCY_OUTCOME_UNKNOWN" });
      });
      await turn();
    }
    expect(answer).toMatchObject({ placed: "a" });
    expect(await ledger()).toEqual(["a"]);
  });

  it(
    "frees its key at once if the module drops it unstarted before the service's own timer has run",
    SOAK,
    async () => {
      // No time passes on the service's clock. The module has a clock of its own.
      const hostClock = createManualClock();
      const { place, call, ledger } = await ordersRig({ isolation, callTimeoutMs: 150 }, { hostClock });
      const blocked = call("orders", "block", 500);
      expect(await errorOf(place({ id: "a" }))).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
      expect(await place({ id: "a" })).toMatchObject({ placed: "a" });
      await blocked;
      expect(await ledger()).toEqual(["a"]);
    },
  );

  it("returns bytes unchanged", async () => {
    const { modules, ledger } = await ordersRig({ isolation });
    const binary = Uint8Array.from({ length: 256 }, (_, index) => index);
    const options = { idempotencyKey: "k" };
    for (let n = 0; n < 2; n += 1) {
      const { output, ...rest } = await modules.invoke("orders", "bytes", { binary }, options);
      expect("binary" in output && Uint8Array.from(output.binary)).toEqual(binary);
      expect(rest).toMatchObject({ version: "0.0.0", generation: 1, answeredBy: "orders" });
    }
    expect(await ledger()).toEqual(["bytes"]);
  });
});

describeInEither("a call with a key", () => {
  it("leaves its key unused, and nothing in the store, if it is refused before the module gets it", async () => {
    const { place, ledger, breakers, modules, store, call } = await ordersRig({});
    const refusals: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
      [
        "BREAKER_OPEN",
        () => breakers.open("module:orders", {}, { actor: "test" }),
        () => breakers.reset("module:orders", { actor: "test" }),
      ],
      ["MODULE_NOT_LOADED", () => modules.unload("orders"), () => modules.load("orders")],
    ];
    for (const [reason, refuse, permit] of refusals) {
      await refuse();
      expect(await errorOf(place({ id: reason }))).toMatchObject({ reason });
      expect(store.answers.find(`orders:${reason}`)).toBeUndefined();
      await permit();
      expect(await place({ id: reason })).toMatchObject({ placed: reason });
    }
    const options = { idempotencyKey: "wrong" };
    expect(await errorOf(modules.invoke("orders", "none", { json: null }, options))).toMatchObject({
      reason: "MODULE_METHOD_NOT_FOUND",
    });
    expect(store.answers.find("orders:wrong")).toBeUndefined();
    expect(await place({ id: "c" }, { key: "wrong" })).toMatchObject({ placed: "c" });
    expect(await ledger()).toEqual(["BREAKER_OPEN", "MODULE_NOT_LOADED", "c"]);
    expect(await call("orders", "held")).toEqual([]);
  });

  it("is the same in either spelling of its method and any order of its input, and differs with another input", async () => {
    const { modules, ledger } = await ordersRig({});
    const later = (method: string, json: unknown) =>
      modules.invoke("orders", method, { json }, { idempotencyKey: "k" }).then(({ output }) => output);
    expect(await later("placeLater", { id: "a", ms: 0 })).toEqual({ json: "a" });
    expect(await later("place_later", { ms: -0, id: "a" })).toEqual({ json: "a" });
    for (const [method, json] of [
      ["place_later", { id: "b", ms: 0 }],
      ["place", { id: "a", ms: 0 }],
    ] as const) {
      const error = await errorOf(later(method, json));
      expect(error).toMatchObject({ reason: "REQUEST_ID_REUSED", metadata: { request_id: "orders:k" } });
    }
    expect(await ledger()).toEqual(["a"]);
  });

  it("differs from a call to another method whose name differs only in spelling", async () => {
    const { path: root } = await ownRoot({
      "twins.mjs": `export default class {
        placeOrder() { return "one"; }
        place_order() { return "other"; }
        cancelOrder() { return "cancelled"; }
      }`,
    });
    const { modules, load } = await rig({ root });
    await load("twins");
    const twin = (method: string, idempotencyKey: string) =>
      modules.invoke("twins", method, { json: null }, { idempotencyKey }).then(({ output }) => output);
    expect(await twin("placeOrder", "k")).toEqual({ json: "one" });
    expect(await twin("placeOrder", "k")).toEqual({ json: "one" });
    expect(await errorOf(twin("place_order", "k"))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
    expect(await twin("place_order", "l")).toEqual({ json: "other" });
    for (const method of ["cancel_order", "cancelOrder"])
      expect(await twin(method, "m")).toEqual({ json: "cancelled" });
  });

  it("is refused with the fault of its key or its input, and runs nothing", async () => {
    const { place, modules, ledger } = await ordersRig({});
    for (const key of ["k".repeat(129), "\ud800"]) {
      const error = await errorOf(place({ id: "a" }, { key }));
      expect(error).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field: "idempotency_key" } });
    }
    const cyclic: Record<string, unknown> = { id: "a" };
    cyclic.self = cyclic;
    for (const json of [cyclic, { id: 1n }, { id: new Map() }]) {
      const error = await errorOf(modules.invoke("orders", "place", { json }, { idempotencyKey: "k" }));
      expect(error).toMatchObject({ reason: "ARGUMENT_INVALID" });
      expect(error.metadata.field).toMatch(/^input/);
    }
    expect(await ledger()).toEqual([]);
  });

  it("is refused and not run if the store cannot record that it is about to run", async () => {
    const { place, store, ledger } = await ordersRig({});
    const { put } = store.answers;
    Object.assign(store.answers, { put: () => Promise.reject(storeError) });
    await expect(place({ id: "a" })).rejects.toBe(storeError);
    expect(await ledger()).toEqual([]);
    Object.assign(store.answers, { put });
    expect(await place({ id: "a" })).toMatchObject({ placed: "a" });
    expect(await ledger()).toEqual(["a"]);
  });

  it("does not delay later callers beyond their deadlines if it was given up while the store stood still", async () => {
    const { clock, place, waitsFor, store, ledger } = await ordersRig({});
    const { put } = store.answers;
    const asked = Promise.withResolvers<void>();
    const storing = Promise.withResolvers<void>();
    const standing: typeof put = async (...args) => {
      asked.resolve();
      await storing.promise;
      return put(...args);
    };
    Object.assign(store.answers, { put: standing });
    const callers = [new AbortController(), new AbortController()] as const;
    const first = place({ id: "a" }, { signal: callers[0].signal });
    await asked.promise;
    callers[0].abort(new Error("away"));
    await expect(first).rejects.toThrow("away");
    const late = errorOf(place({ id: "a" }, { timeoutMs: 700 }));
    const left = place({ id: "a" }, { signal: callers[1].signal, timeoutMs: 900 });
    const patient = place({ id: "a" });
    await Promise.all([waitsFor(700), waitsFor(900)]);
    clock.advance(700);
    expect(await late).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED", metadata: { timeout: "0.7 s" } });
    callers[1].abort(new Error("away, too"));
    await expect(left).rejects.toThrow("away, too");
    storing.resolve();
    expect(await patient).toMatchObject({ placed: "a" });
    expect(await ledger()).toEqual(["a"]);
  });

  it("leaves its key unused if its method was pure in the version that ended, and the next version refuses it", async () => {
    const first = `export default class {
      static pureMethods = ["quote"];
      quote() { return new Promise(() => {}); }
    }`;
    const { path } = await ownRoot({
      "v1.js": first,
      "v2.js": "export default class {}",
      "v3.js": "export default class { quote() { return 3; } }",
    });
    const { load, modules } = await rig({ root: path });
    await load("v1", { isolation: "THREAD" }, "a");
    const quote = () => modules.invoke("a", "quote", { json: null }, { idempotencyKey: "k" });
    const { instance } = modules.activeInstance("a");
    const cut = errorOf(quote());
    await until(() => instance.busy !== 0);
    await modules.swap("a", { newVersionPath: "v2" }, {}, (event) => {
      if (event.type === "started" && event.name === "drain") instance.kill();
    });
    expect(await cut).toMatchObject({ reason: "MODULE_METHOD_NOT_FOUND" });
    await modules.swap("a", { newVersionPath: "v3" });
    expect((await quote()).output).toEqual({ json: 3 });
  });

  it("is answered if its answer cannot be stored, and a repetition learns that the outcome is unknown", async () => {
    const { place, store, ledger } = await ordersRig({});
    const { put } = store.answers;
    let puts = 0;
    const failing: typeof put = (...args) => (++puts === 1 ? put(...args) : Promise.reject(storeError));
    Object.assign(store.answers, { put: failing });
    expect(await place({ id: "a" })).toMatchObject({ placed: "a" });
    const unknown = await errorOf(place({ id: "a" }));
    expect(unknown).toMatchObject({ reason: "IDEMPOTENCY_OUTCOME_UNKNOWN" });
    expect(unknown.metadata.why).toBe("the service ended while the call ran, or could not store its result");
    expect(puts).toBe(2);
    expect(await ledger()).toEqual(["a"]);
  });

  it("fails with ANSWER_NOT_KEPT, and is not run again, if its answer was dropped for newer ones", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock, incarnation: "one", answerBytes: 300 });
    const { place, ledger } = await ordersRig({}, { store, clock });
    for (const id of ["a", "b", "c"]) await place({ id });
    const error = await errorOf(place({ id: "a" }));
    expect(error).toMatchObject({ reason: "ANSWER_NOT_KEPT", metadata: { request_id: "orders:a" } });
    expect(await place({ id: "c" })).toMatchObject({ placed: "c" });
    expect(await ledger()).toEqual(["a", "b", "c"]);
  });

  it("a call to a pure method stores nothing before it runs, and is repeated if its module ended during it", async () => {
    const { modules, store, ledger, reaches, clock } = await ordersRig({ pureMethods: ["quote"] });
    const quote = (id: string, ending: string) =>
      modules.invoke("orders", "quote", { json: { id, ending } }, { idempotencyKey: id });
    const { put } = store.answers;
    let puts = 0;
    const counting: typeof put = (...args) => {
      puts += 1;
      return put(...args);
    };
    Object.assign(store.answers, { put: counting });
    await quote("a", "answer");
    await quote("a", "answer");
    expect(puts).toBe(1);
    expect(await ledger()).toEqual(["a"]);
    expect(await errorOf(quote("b", "exit"))).toMatchObject({ reason: "MODULE_CRASHED" });
    await reaches("orders", "FAILED");
    clock.advance(200);
    await reaches("orders", "ACTIVE");
    expect(await errorOf(quote("b", "exit"))).toMatchObject({ reason: "MODULE_CRASHED" });
    expect(await ledger()).toEqual(["a", "b", "b"]);
  });

  it("a call that the fallback answered gets that answer again, although the module serves again", async () => {
    const spare = await ownLedger();
    const { place, load, breakers, ledger } = await ordersRig({ fallbackModule: "spare" });
    await load("orders", { ...ordersFields(spare.file), version: "spare" }, "spare");
    await breakers.open("module:orders", {}, { actor: "test" });
    expect(await place({ id: "a" })).toEqual({ placed: "a", by: "spare" });
    await breakers.reset("module:orders", { actor: "test" });
    expect(await place({ id: "a" })).toEqual({ placed: "a", by: "spare" });
    expect([await ledger(), await spare.read()]).toEqual([[], ["a"]]);
  });

  it("a call that was under way when the service ended has an unknown outcome after the restart", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock, incarnation: "one" });
    const first = await ordersRig({}, { store, clock });
    const cut = errorOf(first.place({ id: "a", ending: "hold" }));
    await first.holds("a");
    await first.close();
    expect(await cut).toMatchObject({ reason: "MODULE_CRASHED" });
    const second = await rig({ store, clock, root: ORDERS_ROOT });
    await second.modules.settled;
    const order = { json: { id: "a", ending: "hold" } };
    expect(await errorOf(second.modules.invoke("orders", "place", order, { idempotencyKey: "a" }))).toMatchObject({
      reason: "IDEMPOTENCY_OUTCOME_UNKNOWN",
    });
    expect(await first.ledger()).toEqual(["a"]);
  });
});
