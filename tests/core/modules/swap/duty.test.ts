import { expect, it } from "vitest";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { SOAK } from "../../../support/soak.ts";
import { until } from "../../../support/until.ts";
import { type Acting, acting, trader } from "../acting.ts";
import { refusing } from "../refusing.ts";
import { ownRoot } from "../rig.ts";

/** The source of a module that logs when it begins and ends to serve. */
const announcing = (version: number, more = ""): string =>
  trader(version, {
    construct: `ctx.onServe(() => ctx.log.info("serves ${version}")); ctx.onRetire(() => ctx.log.info("retires ${version}")); ${more}`,
  });

/** The logged messages about serving, retiring and stopping. */
const said = ({ logged }: Acting): readonly string[] =>
  logged.filter((line) => /^(serves|retires|stopped) \d$/.test(line));

/** A version on trial. */
async function onTrial(one: Acting) {
  const begun = Promise.withResolvers<void>();
  const swapped = one.swap({ bakeMs: 60_000 }, { bake: begun.resolve });
  // The end of the test may interrupt the swap.
  swapped.catch(() => {});
  await begun.promise;
  return { swapped, end: () => one.modules.rollBack("trader") };
}

describeInEach("a module in a %s", (isolation) => {
  it("is notified that it serves, and at the switch that it does not serve any more", async () => {
    const one = await acting({ isolation, v1: announcing(1), v2: announcing(2) });
    await one.call("trader", "which");
    expect(said(one)).toEqual(["serves 1"]);
    await one.swap();
    await one.modules.unload("trader");
    const lines = said(one);
    expect(lines.filter((line) => line.endsWith("1"))).toEqual(["serves 1", "retires 1", "stopped 1"]);
    expect(lines.filter((line) => line.endsWith("2"))).toEqual(["serves 2", "retires 2", "stopped 2"]);
  });

  it("is notified again that it serves when its successor is rolled back", async () => {
    const one = await acting({ isolation, v1: announcing(1), v2: announcing(2) });
    const { end, swapped } = await onTrial(one);
    await end();
    await swapped;
    expect(await one.call("trader", "which")).toBe("1");
    const lines = said(one);
    expect(lines.filter((line) => line.endsWith("1"))).toEqual(["serves 1", "retires 1", "serves 1"]);
    expect(lines.filter((line) => line.endsWith("2"))).toEqual(["serves 2", "retires 2", "stopped 2"]);
  });

  it("gets no notification if it never served", async () => {
    const v2 = announcing(2).replace("async importState(fills) {", "async importState(fills) { throw new Error('no');");
    const one = await acting({ isolation, v1: announcing(1), v2 });
    expect(await one.swap()).toMatchObject({ swapped: false, failedStep: "hand_over" });
    await one.call("trader", "which");
    expect(said(one)).toEqual(["serves 1"]);
  });

  it("does not serve again if its record changes between the switch and the write of the switch", SOAK, async () => {
    const { store, refuse, refused } = refusing();
    const more = `sick = false; async health() { if (this.sick) throw new Error("retired"); }`;
    const construct = "ctx.onServe(() => ctx.log.info('serves 1')); ctx.onRetire(() => { this.sick = true; });";
    const fields = { healthIntervalMs: 100 };
    const one = await acting({ isolation, store, v1: trader(1, { construct, more }), fields });
    let isSwitched = false;
    // The first write of the module's record fails, and is repeated half a second later.
    const swapped = one.swap({}, { commit: () => refuse("module/", 1), drain: () => (isSwitched = true) });
    await until(() => refused() !== 0);
    const answers: unknown[] = [];
    await until(async () => {
      answers.push(await one.call("trader", "which"));
      return isSwitched;
    });
    expect(await swapped).toMatchObject({ swapped: true });
    expect(one.logged).toContain("module trader is unhealthy");
    expect(new Set(answers)).toEqual(new Set(["2"]));
    expect(said(one).filter((line) => line === "serves 1")).toHaveLength(1);
  });

  it("serves from its activation on if it was loaded without traffic", async () => {
    const one = await acting({ isolation, files: { "other.js": announcing(3) } });
    await one.register("other", { isolation, dependencies: ["gateway"] });
    await one.modules.load("other", { activate: false });
    await one.modules.load("other", { forceReload: true, activate: false });
    expect(said(one)).toEqual(["stopped 3"]);
    await one.modules.load("other");
    await one.call("other", "which");
    expect(said(one)).toEqual(["stopped 3", "serves 3"]);
  });

  it("is notified at once if it subscribes late, unless it has unsubscribed", async () => {
    const more = `async ask() {
      const heard = [];
      const off = this.#ctx.onServe(() => heard.push("serves"));
      this.#ctx.onServe(() => heard.push("off"))();
      this.#ctx.onRetire(() => heard.push("retired"));
      await null;
      off();
      return heard;
    }`;
    const one = await acting({ isolation, v1: trader(1, { more }) });
    expect(await one.call("trader", "ask")).toEqual(["serves"]);
    const { instance } = one.modules.activeInstance("trader");
    await onTrial(one);
    expect(await instance.invoke("ask", { json: null }, { timeoutMs: 60_000 })).toEqual({ json: ["retired"] });
  });

  it("ends if its listener throws as it begins to serve, and answers on if one throws as it retires", async () => {
    const failing = trader(2, { construct: "ctx.onServe(async () => { throw new Error('no feed'); });" });
    const retiring = trader(1, {
      construct: "ctx.onRetire(() => { throw new Error('no end'); }); ctx.onRetire(() => ctx.log.info('retires 1'));",
    });
    const one = await acting({ isolation, v1: retiring, v2: failing });
    const result = await one.swap({ bakeMs: 60_000 });
    expect(result).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(result.failure).toContain("no feed");
    expect(await one.call("trader", "which")).toBe("1");
    expect(said(one)).toEqual(["retires 1"]);
    expect(one.logged).toContain("a listener of ctx.onRetire failed");
  });
});

describeInEach("a version in a %s that does not serve any more", (isolation) => {
  const more = `
    hold() { return new Promise((resolve) => { this.end = resolve; }); }
    letGo() { this.end(9); }
    #call() { return this.#ctx.call("gateway", "place_order", { id: 1, from: "1" }); }
    plain() { setTimeout(() => this.#call()); }
    wrapped() { setTimeout(async () => { try { await this.#call(); } catch (cause) { throw new Error("it failed", { cause }); } }); }
    several() { setTimeout(() => Promise.any([this.#call(), this.#call()])); }
    later() { setTimeout(() => this.#call().catch((error) => setTimeout(() => { throw error; }))); }
    handled() { setTimeout(() => this.#call().catch(() => setTimeout(() => this.#ctx.log.info("refused")))); }
    own() { setTimeout(async () => { await this.#call().catch(() => {}); throw new Error("its own fault"); }); }
    both() { setTimeout(() => Promise.any([this.#call(), Promise.reject(new Error("its own fault"))])); }`;

  itInRows(1, [["plain"], ["wrapped"], ["several"], ["later"]])(
    "does not end because of a refused call of its own that it did not handle (%s)",
    async (how) => {
      const one = await acting({ isolation, v1: trader(1, { more }) });
      const { instance } = one.modules.activeInstance("trader");
      const invoke = (method: string) => instance.invoke(method, { json: null }, { timeoutMs: 60_000 });
      const held = one.call("trader", "hold");
      const { end } = await onTrial({
        ...one,
        swap: (options, as) => one.swap({ ...options, discardState: true }, as),
      });
      const warned = one.logs(
        "a call that the module made of its own accord was refused, and the module did not handle the error",
      );
      await invoke(how);
      await warned;
      await invoke("letGo");
      expect(await held).toBe(9);
      expect(await end()).toMatchObject({ swapped: true, toVersion: "1" });
      expect(await one.call("trader", "which")).toBe("1");
      expect(await one.orders()).toEqual([]);
    },
  );

  it("logs a warning about that once, however many there are", async () => {
    const one = await acting({ isolation, v1: trader(1, { more }) });
    const { instance } = one.modules.activeInstance("trader");
    const invoke = (method: string) => instance.invoke(method, { json: null }, { timeoutMs: 60_000 });
    await onTrial(one);
    for (let count = 0; count < 10; count += 1) await invoke("plain");
    const refused = one.logs("refused");
    await invoke("handled");
    await refused;
    expect(one.logged.filter((line) => line.includes("of its own accord was refused"))).toHaveLength(1);
  });

  itInRows(1, [["own"], ["both"]])("ends because of an error of its own (%s)", async (how) => {
    const one = await acting({ isolation, v1: trader(1, { more }) });
    const { instance } = one.modules.activeInstance("trader");
    await onTrial(one);
    await instance.invoke(how, { json: null }, { timeoutMs: 60_000 });
    expect(await instance.ended).toMatchObject({ expected: false });
  });

  it("cannot call others in its stop either", async () => {
    const one = await acting({
      isolation,
      v1: trader(1, { stop: "await this.#trade(8).catch((error) => console.log(error.code));" }),
    });
    expect(await one.swap()).toMatchObject({ swapped: true });
    expect(one.logged).toContain("MODULE_FENCED");
    expect(await one.orders()).toEqual([]);
  });
});

describeInEach("a version in a %s that ends during its standby", (isolation) => {
  const endStandby = async (one: Acting) => {
    const { instance } = one.modules.activeInstance("trader");
    const trial = await onTrial(one);
    await errorOf(instance.invoke("exit", { json: null }, { timeoutMs: 60_000 }));
    await until(() => one.modules.get("trader").record.bake?.standbyEnd !== undefined);
    return trial;
  };

  it("is shown as ended", async () => {
    const one = await acting({ isolation });
    await endStandby(one);
    expect(one.modules.get("trader").record).toMatchObject({ generation: 2, bake: { standbyEnd: "exit code 7" } });
    const [serving, standby] = one.modules.generations("trader");
    expect(serving).toMatchObject({ number: 2, state: "CURRENT", endTime: undefined });
    expect(standby).toMatchObject({ number: 1, state: "FAILED", end: "crashed: exit code 7" });
    expect(standby?.endTime).toEqual(expect.any(Number));
  });

  it("is started again by a rollback before anything changes, and receives the new state", SOAK, async () => {
    const one = await acting({ isolation });
    const { swapped, end } = await endStandby(one);
    await one.call("trader", "trade", { id: 1 });
    const result = await end();
    expect(result).toMatchObject({ swapped: true, fromVersion: "2", toVersion: "1", stateLost: false });
    expect(result.steps.find(({ name, detail }) => name === "start" && detail.includes("stood by"))).toMatchObject({
      outcome: "done",
      detail: "generation 3, version 1: the one that stood by had ended: exit code 7",
    });
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(await one.call("trader", "fills")).toEqual([1]);
    const received = one.modules.generations("trader").map(({ number, state, end: why }) => [number, state, why]);
    expect(received).toEqual([
      [3, "CURRENT", ""],
      [2, "RETIRED", "bake: it was rolled back"],
      [1, "FAILED", "crashed: exit code 7"],
    ]);
    expect(one.modules.get("trader").record).toMatchObject({ generation: 3, starts: 3, restarts: 0 });
  });

  it("is started again even if its start makes calls that are allowed before it serves", SOAK, async () => {
    const v1 = trader(1, { construct: "", start: "await ctx.call('gateway', 'place_order', { id: 9 });" });
    const one = await acting({ isolation, v1, fields: { testAllowDependencies: ["gateway"] } });
    const { end } = await endStandby(one);
    expect(await end()).toMatchObject({ swapped: true, toVersion: "1" });
    expect(await one.call("trader", "which")).toBe("1");
  });

  it("is started again if a rollback names it after the version on trial has ended, whose state is lost", async () => {
    const one = await acting({ isolation });
    const { swapped } = await endStandby(one);
    await errorOf(one.call("trader", "exit"));
    expect(await one.call("trader", "which")).toBe("1");
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake", stateLost: true });
    expect(one.modules.get("trader").record).toMatchObject({ generation: 3, restarts: 0 });
  });

  it("leaves the version on trial serving if it does not start again, and the rollback says why", SOAK, async () => {
    const v1 = trader(1, {
      import: "import { existsSync } from 'node:fs';",
      start: "if (existsSync(ctx.config.flag)) throw new Error('no exchange');",
    });
    const { path, write } = await ownRoot({});
    const fields = { config: { flag: `${path}/broken` }, grants: { fsRead: [path] } };
    const one = await acting({ isolation, v1, fields });
    const { swapped } = await endStandby(one);
    await write("broken", "");
    const result = await one.modules.rollBack("trader", { generation: 1 });
    expect(result).toMatchObject({ swapped: false, failedStep: "start", fromVersion: "2", toVersion: "1" });
    expect(result.failure).toContain("version 1 of module trader, which stood by, had ended (exit code 7)");
    expect(result.failure).toContain("no exchange");
    expect(await swapped).toMatchObject({ swapped: true, toVersion: "2", stateLost: false });
    expect(await one.call("trader", "which")).toBe("2");
    expect(one.modules.get("trader").record).toMatchObject({ generation: 2, lifecycle: { state: "ACTIVE" } });
    expect(one.modules.get("trader").record.bake).toBeUndefined();
  });
});

describeInEach("a swap in a %s reports lost state", (isolation) => {
  it("if the old version ended when it was asked for its state", async () => {
    const one = await acting({ isolation, v1: trader(1, { exportState: "process.exit(7);" }) });
    expect(await one.swap()).toMatchObject({ swapped: true, stateLost: true });
    expect(one.modules.get("trader").record.lastSwap).toMatchObject({ swapped: true, stateLost: true });
  });

  it("if the new version does not import state", async () => {
    const v2 = trader(2).replace("importState", "ownImport");
    const one = await acting({ isolation, v2 });
    expect(await one.swap()).toMatchObject({ swapped: true, stateLost: true });
  });

  it("not if the request gave the state up", async () => {
    const one = await acting({ isolation });
    expect(await one.swap({ discardState: true })).toMatchObject({ swapped: true, stateLost: false });
  });

  it("if the version on trial ended with its new state", async () => {
    const one = await acting({ isolation });
    const { swapped } = await onTrial(one);
    await errorOf(one.call("trader", "exit"));
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake", stateLost: true });
  });
});
