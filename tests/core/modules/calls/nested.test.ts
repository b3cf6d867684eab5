import { expect, it } from "vitest";
import type { Log } from "../../../../src/core/log.ts";
import { describeInEither } from "../../../support/isolations.ts";
import { ownRoot, rig } from "../rig.ts";

/** Calls the dependency from a timer, and logs the outcome. */
const timer = (version: number, state = ""): string => `export default class Timer {
  static version = "${version}";
  #ctx;
  start(ctx) {
    this.#ctx = ctx;
    const tick = () => {
      if (ctx.signal.aborted) return;
      ctx.call("sink", "put", { from: ${version} })
        .catch((error) => ctx.log.info("refused", { version: ${version}, code: error.code }))
        .finally(() => setTimeout(tick, 2));
    };
    setTimeout(tick, 2);
  }
  hold(_, { signal }) { return new Promise((resolve) => signal.addEventListener("abort", resolve)); }
  async slow({ ms }) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.#ctx.call("sink", "put", { from: "call" });
  }
  ${state}
}`;

const SINK = `export default class Sink {
  #seen = [];
  put({ from }) { this.#seen.push(from); return this.#seen.length; }
  seen() { return this.#seen; }
}`;

async function timers(state = "") {
  const refused = Promise.withResolvers<string>();
  const log: Log = (_area, _level, message, fields) => {
    if (message === "refused" && fields?.version === 1) refused.resolve(String(fields?.code));
  };
  const { path } = await ownRoot({ "t1.js": timer(1, state), "t2.js": timer(2, state), "sink.js": SINK });
  const engine = await rig({ root: path, log });
  await engine.load("sink");
  await engine.load("t1", { dependencies: ["sink"] }, "timer");
  const seen = async (): Promise<unknown[]> => (await engine.call("sink", "seen")) as unknown[];
  const sees = async (what: unknown, after = 0): Promise<void> => {
    while (!(await seen()).slice(after).includes(what)) await engine.modules.invoke("sink", "seen", { json: null });
  };
  return { ...engine, refused: refused.promise, seen, sees };
}

describeInEither("a call that a module makes of its own accord", () => {
  it("is refused once the module was replaced, though it lives on to finish its calls", async () => {
    const { modules, sees, seen, refused } = await timers();
    await sees(1);
    const caller = new AbortController();
    const held = modules.invoke("timer", "hold", { json: null }, { signal: caller.signal });
    const swapped = modules.swap("timer", { newVersionPath: "t2" });
    expect(await refused).toBe("MODULE_FENCED");
    const from = (await seen()).length;
    await sees(2, from);
    expect((await seen()).slice(from)).not.toContain(1);
    caller.abort("enough");
    await held.catch(() => {});
    expect(await swapped).toMatchObject({ swapped: true });
  });

  it("waits during the hand-over of state, and continues if the swap fails", async () => {
    const { modules, sees, seen } = await timers("exportState() {} importState() { throw new Error('no'); }");
    await sees(1);
    expect(await modules.swap("timer", { newVersionPath: "t2" })).toMatchObject({
      swapped: false,
      failedStep: "hand_over",
    });
    await sees(1, (await seen()).length);
  });
});

describeInEither("a call that a module makes to answer another call", () => {
  it("is let through after the module was replaced", async () => {
    const { modules, call, seen } = await timers();
    const slow = call("timer", "slow", { ms: 100 });
    expect(await modules.swap("timer", { newVersionPath: "t2" })).toMatchObject({ swapped: true });
    expect(await slow).toEqual(expect.any(Number));
    expect(await seen()).toContain("call");
  });

  it("has no more time than the call that it helps to answer", async () => {
    const { path } = await ownRoot({
      "outer.js": `export default class Outer {
        #ctx;
        #code;
        constructor(ctx) { this.#ctx = ctx; }
        async ask() { await this.#ctx.call("inner", "hang").catch((error) => { this.#code = error.code; throw error; }); }
        code() { return this.#code; }
      }`,
      "inner.js":
        "export default class Inner { #ended = 0; ended() { return this.#ended; } hang(_, { signal }) { return new Promise(() => { signal.addEventListener('abort', () => { this.#ended += 1; }); }); } }",
    });
    const { modules, load, call } = await rig({ root: path });
    await load("inner");
    await load("outer", { dependencies: ["inner"] });
    const asked = modules.invoke("outer", "ask", { json: null }, { timeoutMs: 100 });
    await expect(asked).rejects.toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    while ((await call("inner", "ended")) !== 1) await call("inner", "ended");
    while ((await call("outer", "code")) === null) await call("outer", "code");
    expect(await call("outer", "code")).toBe("MODULE_DEADLINE_EXCEEDED");
  });
});
