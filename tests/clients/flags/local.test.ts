import { describe, expect, it } from "vitest";
import type { FlagContext } from "../../../clients/typescript/src/flags/context.ts";
import { type FlagChange, LocalFlags } from "../../../clients/typescript/src/flags/local.ts";
import { Warnings } from "../../../clients/typescript/src/flags/warnings.ts";
import type { Flag } from "../../../gen/helios/v1/flag_pb.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { turn } from "../../support/turns.ts";
import { received } from "./stored.ts";

const ON = { enabled: true, strategy: "all_on" };
const OFF = { enabled: false, strategy: "all_on" };
const DEPTH = { ...ON, variants: [{ name: "deep", weight: 1, value: 20 }] };

function rig(context: FlagContext = {}) {
  const clock = createManualClock();
  const logged: string[] = [];
  const failed: unknown[] = [];
  const counted: string[] = [];
  const flags = new LocalFlags({
    clock,
    serviceNow: () => clock.now(),
    context,
    warnings: new Warnings(clock, (_, message) => logged.push(message)),
    decided: ({ message }, answer) =>
      counted.push(`${message.name} ${answer === "UNSUPPORTED" ? answer : answer.variant}`),
    listenerFailed: (error) => failed.push(error),
  });
  return { clock, flags, logged, failed, counted };
}

const change = (name: string, fields: object, revision = 2): FlagChange => ({
  name,
  flag: received({ [name]: fields }, revision)[0] as Flag,
  cause: undefined,
});

describe("a local decision", () => {
  it("is the caller's default before anything is known, and says so", () => {
    const { flags } = rig();
    expect([flags.isEnabled("x"), flags.isEnabled("x", {}, true), flags.value("x", {}, 10)]).toEqual([false, true, 10]);
    expect(flags.details("x", {}, 10)).toMatchObject({
      ...{ value: 10, source: "DEFAULT", reason: "ERROR", errorCode: "NOT_READY" },
      ageMs: Number.POSITIVE_INFINITY,
    });
  });

  it("is that of the service once it is known", () => {
    const { flags } = rig();
    flags.replaced(received({ x: ON, depth: DEPTH, off: OFF }));
    expect([flags.isEnabled("x"), flags.isEnabled("off", {}, true), flags.value("depth", {}, 10)]).toEqual([
      true,
      false,
      20,
    ]);
    expect(flags.details("depth", {}, 10)).toMatchObject({ value: 20, variant: "deep", source: "LIVE", ageMs: 0 });
  });

  it("is the default for a flag that is off, a value of another type, and an unknown flag", () => {
    const { flags, logged } = rig();
    flags.replaced(received({ depth: DEPTH, off: OFF }));
    expect([flags.value("off", {}, 10), flags.value("depth", {}, "ten"), flags.value("none", {}, [1])]).toEqual([
      10,
      "ten",
      [1],
    ]);
    expect(flags.details("off", {}, 10)).toMatchObject({ reason: "DISABLED", errorCode: undefined, source: "DEFAULT" });
    expect(flags.details("depth", {}, "ten")).toMatchObject({ errorCode: "TYPE_MISMATCH", source: "DEFAULT" });
    expect(flags.details("none", {}, 1)).toMatchObject({ errorCode: "FLAG_NOT_FOUND", source: "DEFAULT" });
    expect(logged).toHaveLength(2);
  });

  it("is the default, and no error, whatever the context does", () => {
    const { flags } = rig();
    flags.replaced(received({ x: { enabled: true, strategy: "percentage", percentage: 50 } }));
    const hostile = {
      get sessionId(): string {
        throw new Error("no session");
      },
    };
    expect(flags.isEnabled("x", hostile, true)).toBe(true);
    expect(flags.details("x", hostile, 3)).toMatchObject({ value: 3, errorCode: "GENERAL" });
    expect(flags.isEnabled(undefined as unknown as string, null as unknown as FlagContext)).toBe(false);
  });

  it("is logged once a minute for each name and problem, and for a limited number of names", () => {
    const { flags, clock, logged } = rig();
    flags.replaced([]);
    for (let times = 0; times < 3; times += 1) flags.isEnabled("none");
    expect(logged).toEqual(["the flag none is answered with the caller's default: there is no such flag"]);
    clock.advance(60_000);
    for (let n = 0; n < 5000; n += 1) flags.isEnabled(`user-${n}`);
    expect(logged).toHaveLength(1001);
  });

  it("uses the context of the client where the call has none", () => {
    const { flags } = rig({ sessionId: "own", system: "paper", attributes: { desk: "fx" } });
    flags.replaced(
      received({
        own: { enabled: true, strategy: "whitelist", whitelist: ["session_id:own"] },
        both: { ...ON, condition: "context.attributes.desk == 'fx' && context.attributes.tier == 'gold'" },
        paper: { enabled: true, strategy: "whitelist", whitelist: ["system:paper"] },
      }),
    );
    const asked = { sessionId: "given", attributes: { tier: "gold" } };
    expect([flags.isEnabled("own"), flags.isEnabled("own", asked)]).toEqual([true, false]);
    expect([flags.isEnabled("both"), flags.isEnabled("both", asked)]).toEqual([false, true]);
    expect([flags.isEnabled("paper", asked), flags.isEnabled("paper", { system: "live" })]).toEqual([true, false]);
    expect(flags.isEnabled("own")).toBe(true);
  });

  it("says how old it is while the connection is lost, and follows the flag's policy for old copies", () => {
    const { flags, clock } = rig();
    const strict = { ...ON, on_stale: "off", max_staleness: "10s" };
    flags.replaced(received({ kept: { ...ON, max_staleness: "10s" }, strict }));
    flags.cut();
    clock.advance(10_000);
    expect(flags.details("strict", {}, false)).toMatchObject({ value: true, source: "STALE", ageMs: 10_000 });
    clock.advance(1);
    expect([flags.isEnabled("kept"), flags.isEnabled("strict")]).toEqual([true, false]);
    expect(flags.details("strict", {}, true)).toMatchObject({ value: false, source: "STALE", ageMs: 10_001 });
    flags.heard();
    expect(flags.details("strict", {}, false)).toMatchObject({ value: true, source: "LIVE", ageMs: 0 });
  });

  it("comes from the snapshot file until the service has answered, and never says that a killed flag is on", () => {
    const { flags, clock } = rig();
    const strict = { ...ON, on_stale: "off", max_staleness: "10s" };
    flags.loaded(received({ x: ON, killed: { ...OFF, killed: true }, strict }), 9000);
    expect(flags.details("x", {}, false)).toMatchObject({ value: true, source: "SNAPSHOT", ageMs: 9000 });
    expect([flags.isEnabled("killed", {}, true), flags.isEnabled("strict")]).toEqual([false, true]);
    clock.advance(1001);
    expect(flags.isEnabled("strict")).toBe(false);
    flags.replaced(received({ x: OFF }, 2));
    expect(flags.details("x", {}, true)).toMatchObject({ value: false, source: "LIVE" });
    flags.loaded(received({ x: ON }), 0);
    expect(flags.isEnabled("x")).toBe(false);
  });

  it("is counted by flag and variant, if the client knows the flag", () => {
    const { flags, counted } = rig();
    const [newer] = received({ newer: ON });
    flags.replaced([...received({ x: ON, depth: DEPTH }), Object.assign(newer as Flag, { kernelVersion: 99 })]);
    flags.isEnabled("x");
    flags.value("depth", {}, 1);
    flags.details("none", {}, 1);
    expect(flags.details("newer", {}, true)).toMatchObject({ value: true, errorCode: "UNSUPPORTED" });
    expect(counted).toEqual(["x on", "depth deep", "newer UNSUPPORTED"]);
  });
});

describe("a listener to changes", () => {
  it("learns of changes of its flags, also of those that a new snapshot shows, and of each once", () => {
    const { flags } = rig();
    flags.replaced(received({ x: ON, y: ON, gone: ON }));
    const seen: string[] = [];
    const stop = flags.onChange(["x", "gone"], ({ name, flag }) => seen.push(`${name} ${flag?.enabled}`));
    const all: string[] = [];
    flags.onChange([], ({ name }) => all.push(name));
    flags.changed([change("x", OFF), change("y", OFF)]);
    const [y] = received({ y: OFF }, 2);
    flags.replaced([...received({ x: ON }, 3), y as Flag]);
    expect(seen).toEqual(["x false", "gone undefined", "x true"]);
    expect(all).toEqual(["x", "y", "gone", "x"]);
    stop();
    flags.changed([change("x", OFF, 4)]);
    expect(seen).toHaveLength(3);
  });

  it("sees the flags as they are after all changes of a revision", () => {
    const { flags } = rig();
    flags.replaced(received({ x: OFF, y: OFF }));
    const seen: boolean[][] = [];
    flags.onChange([], () => seen.push([flags.isEnabled("x"), flags.isEnabled("y")]));
    flags.changed([change("x", ON), change("y", ON)]);
    expect(seen).toEqual([
      [true, true],
      [true, true],
    ]);
  });

  it("that throws or rejects disturbs nobody", async () => {
    const { flags, failed } = rig();
    const seen: string[] = [];
    flags.onChange([], () => {
      throw new Error("thrown");
    });
    flags.onChange([], () => Promise.reject(new Error("rejected")));
    flags.onChange([], ({ name }) => seen.push(name));
    flags.changed([change("x", ON)]);
    await turn();
    expect([seen, failed.map(String)]).toEqual([["x"], ["Error: thrown", "Error: rejected"]]);
  });
});
