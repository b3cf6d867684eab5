import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Failure,
  isDown,
  isRunning,
  type Lifecycle,
  type LifecycleEvent,
  type Running,
  transition,
} from "../../../../src/core/modules/record/lifecycle.ts";

const failure: Failure = { step: "start", message: "boom", time: 1 };

const running = (generation: number): Running => ({
  generation,
  modulePath: "src.a",
  version: "1.0.0",
  sha256: "00",
  artifact: "00",
  methods: ["echo"],
  loadTime: 1,
});

const events: fc.Arbitrary<LifecycleEvent> = fc.oneof(
  fc.record({
    type: fc.constantFrom("started" as const, "replace" as const),
    running: fc.integer({ min: 1, max: 4 }).map(running),
    activate: fc.boolean(),
  }),
  fc.record({ type: fc.constant("failed" as const), failure: fc.constant(failure) }),
  fc.record({
    type: fc.constant("crash" as const),
    generation: fc.integer({ min: 1, max: 4 }),
    failure: fc.constant(failure),
  }),
  fc.record({ type: fc.constant("activate" as const), time: fc.nat() }),
  fc.record({ type: fc.constantFrom("load" as const, "unload" as const, "stopped" as const, "boot" as const) }),
);

const run = (sequence: readonly LifecycleEvent[]): Lifecycle =>
  sequence.reduce<Lifecycle>((state, event) => transition(state, event) ?? state, { state: "UNLOADED" });

describe("the lifecycle of a module", () => {
  it("goes from UNLOADED through LOADING to ACTIVE, and back through UNLOADING", () => {
    const load = transition({ state: "UNLOADED" }, { type: "load" });
    expect(load).toEqual({ state: "LOADING" });
    const active = transition(load as Lifecycle, { type: "started", running: running(1), activate: true });
    expect(active).toEqual({ state: "ACTIVE", running: running(1) });
    const unloading = transition(active as Lifecycle, { type: "unload" });
    expect(unloading).toEqual({ state: "UNLOADING", running: running(1) });
    expect(transition(unloading as Lifecycle, { type: "stopped" })).toEqual({ state: "UNLOADED" });
  });

  it("lets a LOADED module serve from the given time on", () => {
    const active = transition({ state: "LOADED", running: running(1) }, { type: "activate", time: 9 });
    expect(active).toEqual({ state: "ACTIVE", running: { ...running(1), loadTime: 9 } });
  });

  it("keeps the failure while it restarts a crashed module", () => {
    const crashed = transition({ state: "ACTIVE", running: running(3) }, { type: "crash", generation: 3, failure });
    expect(crashed).toEqual({ state: "FAILED", failure, last: running(3) });
    expect(transition(crashed as Lifecycle, { type: "load" })).toEqual({ state: "LOADING", failure });
  });

  it("ignores the end of a generation other than the running one", () => {
    fc.assert(
      fc.property(fc.array(events), fc.integer({ min: 5, max: 9 }), (sequence, generation) => {
        expect(transition(run(sequence), { type: "crash", generation, failure })).toBeUndefined();
      }),
    );
  });

  it("has an instance only after a start, and shows it until the instance is stopped or ends", () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), events, (sequence, event) => {
        const before = run(sequence);
        const after = transition(before, event) ?? before;
        if (isRunning(after) && !isRunning(before)) expect(["started", "replace"]).toContain(event.type);
        if (isRunning(before) && isDown(after)) expect(["crash", "boot"]).toContain(event.type);
        if (isRunning(before) && !isRunning(after)) expect(["crash", "boot", "unload"]).toContain(event.type);
      }),
    );
  });

  it("accepts a new generation only for a module that runs or has failed", () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (sequence) => {
        const before = run(sequence);
        const after = transition(before, { type: "replace", running: running(9), activate: false });
        const hadOne = isRunning(before) || before.state === "FAILED";
        expect(after !== undefined).toBe(hadOne);
        if (before.state === "ACTIVE") expect(after?.state).toBe("ACTIVE");
      }),
    );
  });

  it("has no instance after a start of the service, and can always be loaded then", () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (sequence) => {
        const left = run(sequence);
        const booted = transition(left, { type: "boot" }) ?? left;
        expect(isDown(booted)).toBe(true);
        expect(transition(booted, { type: "load" })?.state).toBe("LOADING");
      }),
    );
  });
});
