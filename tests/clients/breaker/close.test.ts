import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { serviceRig } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

describe("breakers that were closed", () => {
  it("report all outcomes first, and leave no timer and no stream behind", async () => {
    const rig = await serviceRig();
    const before = rig.timers();
    const { breakers, link } = rig.connect("one");
    const api = breakers.breaker("api", FAST);
    await rig.quiet();
    api.tryAcquire()?.settle("SUCCESS");
    await breakers.close();
    await rig.quiet();
    expect(rig.service.get("api").counts.successes).toBe(1);
    expect(link.streams()).toBe(0);
    expect(rig.timers()).toBe(before);
    await breakers.close();
  });

  it("do not wait for a service that is unreachable", async () => {
    const rig = await serviceRig();
    const before = rig.timers();
    const { breakers, link } = rig.connect("one");
    const api = breakers.breaker("api", FAST);
    await rig.quiet();
    link.down();
    for (let call = 0; call < 3; call += 1) api.tryAcquire()?.settle("FAILURE");
    await rig.quiet();
    await breakers.close();
    expect(api.status()).toMatchObject({ unreported: 0, dropped: 3, connected: false });
    // From here on, only the service has timers.
    await rig.quiet();
    expect(rig.timers()).toBe(before);
  });

  it("wait at most 2 s for a service that does not answer", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one");
    const api = breakers.breaker("api", FAST);
    await rig.quiet();
    link.holdCalls("ReportOutcomes");
    api.tryAcquire()?.settle("SUCCESS");
    let closed = false;
    const closing = breakers.close().then(() => {
      closed = true;
    });
    await rig.pass(1950);
    expect(closed).toBe(false);
    await rig.pass(50);
    await closing;
  });

  it("go on as if the service were gone, and report nothing", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one");
    const api = breakers.breaker("api", FAST);
    await rig.quiet();
    await breakers.close();
    for (let call = 0; call < 3; call += 1) await api.call(() => Promise.reject(new Error("no"))).catch(() => {});
    expect(api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false, unreported: 0 });
    rig.clock.advance(1000);
    expect(await api.call(() => 1)).toBe(1);
    expect(api.status().state).toBe("CLOSED");
    expect(link.reports).toEqual([]);
    expect(breakers.breaker("api")).toBe(api);
    expect(() => breakers.breaker("new")).toThrow("closed");
  });

  it("open no stream even if a stream was about to open", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one");
    breakers.breaker("api", FAST);
    await breakers.close();
    await rig.quiet();
    expect(link.streams()).toBe(0);
  });
});

describe("an invalid name or configuration", () => {
  it.each([
    ["", {}],
    ["no spaces", {}],
    ["api", { failureThreshold: 0 }],
    ["api", { failureThreshold: 1.5 }],
    ["api", { timeoutMs: -1 }],
    ["api", { timeoutMs: Number.NaN }],
    ["api", { failureRate: 0 }],
    ["api", { failureRate: 1.01 }],
    ["api", { slowCallRate: Number.NaN }],
    ["api", { jitter: 2 }],
  ])("is refused at once (%j %j)", async (name, config) => {
    const { breakers } = (await serviceRig()).connect("one");
    expect(() => breakers.breaker(name, config)).toThrow(TypeError);
    expect(breakers.breaker("api").tryAcquire()).not.toBeNull();
  });
});

describe("a process", () => {
  it("ends by itself while the service is unreachable: the client keeps no process alive", async () => {
    const index = new URL("../../../clients/typescript/src/index.ts", import.meta.url).href;
    const program = `
      import { createBreakers, createHeliosClient } from ${JSON.stringify(index)};
      const breakers = createBreakers(createHeliosClient({ baseUrl: "http://127.0.0.1:1" }));
      const api = breakers.breaker("api", { failureThreshold: 2 });
      for (let call = 0; call < 5; call += 1) await api.call(() => { throw new Error("no"); }).catch(() => {});
      console.log(api.status().state);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    child.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
    const [code] = await once(child, "close");
    expect([printed.trim(), code]).toEqual(["OPEN", 0]);
  });
});
