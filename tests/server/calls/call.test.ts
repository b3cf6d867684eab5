import { create, type Message, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { type InvokeModuleRequest, ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { mayHaveBytes } from "../../../src/server/calls/route.ts";
import { REQUEST_BODY_TIMEOUT_MS } from "../../../src/server/transport/limits.ts";
import { turns } from "../../support/turns.ts";
import { message, NOTHING } from "../../wire/abuse/frames.ts";
import { callRig } from "./rig.ts";

const INVOKE = ModuleService.method.invokeModule;
const GET = FlagService.method.getFlag;

/** A method that answers when the test says so. */
function pending() {
  const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
  const seen: { request: Message; context: HandlerContext }[] = [];
  const unary = (request: Message, context: HandlerContext): Promise<Record<string, unknown>> => {
    seen.push({ request, context });
    return promise;
  };
  return { unary, seen, answer: () => resolve({}) };
}

const invocation = (bytes: number): Buffer => {
  const input = { case: "binary" as const, value: new Uint8Array(bytes).fill(7) };
  return message(Buffer.from(toBinary(INVOKE.input, create(INVOKE.input, { name: "m", method: "x", input }))));
};

describe("a call that is served directly", () => {
  it("does not keep the chunk from the socket in memory for the bytes in its request", () => {
    expect([mayHaveBytes(INVOKE.input), mayHaveBytes(FlagService.method.evaluateFlag.input)]).toEqual([true, false]);
    const { unary, seen } = pending();
    const { call } = callRig(INVOKE, { unary });
    const body = invocation(10);
    const chunk = Buffer.concat([Buffer.alloc(60_000), body]);
    call(1, chunk.subarray(60_000));
    chunk.fill(0);
    const value = (seen[0]?.request as InvokeModuleRequest | undefined)?.input.value as Uint8Array;
    expect([...value]).toEqual(Array(10).fill(7));
    expect(value.buffer.byteLength).toBeLessThan(200);
  });

  it("counts its body from the first part until the answer is sent, however it arrives", async () => {
    const body = invocation(50_000);
    for (const cut of [0, 20_000]) {
      const { unary, answer } = pending();
      const { call, direct, bodies, calls } = callRig(INVOKE, { unary });
      if (cut === 0) call(1, body);
      else {
        call(1, body.subarray(0, cut), { isLast: false });
        expect(bodies.bytes).toBe(cut);
        direct.data(1, body.subarray(cut), true);
      }
      expect(bodies.bytes).toBeGreaterThan(50_000);
      expect(bodies.bytes).toBeLessThan(50_100);
      expect(calls()).toBe(1);
      answer();
      await turns(3);
      expect([bodies.bytes, calls(), direct.size]).toEqual([0, 0, 0]);
    }
  });

  it("leaves nothing behind when its caller resets it at any point", async () => {
    for (const point of ["before the body", "in the body", "while it runs", "after the answer"]) {
      const { unary, answer, seen } = pending();
      const { call, direct, bodies, calls, clock } = callRig(INVOKE, { unary });
      const body = invocation(3000);
      if (point === "before the body") call(1, NOTHING, { isLast: false });
      else if (point === "in the body") call(1, body.subarray(0, 100), { isLast: false });
      else call(1, body);
      if (point === "after the answer") answer();
      if (point === "after the answer") await turns(3);
      direct.wasReset(1);
      expect(seen[0]?.context.signal.aborted ?? true).toBe(true);
      answer();
      await turns(3);
      clock.advance(2 * REQUEST_BODY_TIMEOUT_MS);
      expect([point, bodies.bytes, calls(), direct.size]).toEqual([point, 0, 0, 0]);
    }
  });

  it("fails if its body does not end in time, and its connection goes on", async () => {
    const { call, clock, sent, direct, calls } = callRig(GET, { unary: () => ({}) });
    call(1, message(NOTHING).subarray(0, 3), { isLast: false });
    clock.advance(REQUEST_BODY_TIMEOUT_MS);
    await turns(3);
    expect(sent()).toContain("grpc-status");
    expect(calls()).toBe(0);
    call(3, message(NOTHING));
    await turns(3);
    expect(direct.has(3)).toBe(false);
  });

  it.each([
    ["0m", true],
    ["5m", false],
  ])("with the deadline %s ends by it", async (timeout, isRefused) => {
    const { unary, seen } = pending();
    const { call, clock, calls } = callRig(GET, { unary });
    call(1, message(NOTHING), { headers: ["grpc-timeout", timeout] });
    expect(seen).toHaveLength(isRefused ? 0 : 1);
    if (isRefused) return;
    const { context } = seen[0] as (typeof seen)[0];
    expect(context.timeoutMs()).toBe(5);
    clock.advance(4);
    expect([context.signal.aborted, context.timeoutMs()]).toEqual([false, 1]);
    clock.advance(1);
    expect(context.signal.aborted).toBe(true);
    expect(calls()).toBe(1);
  });

  it.each(["before the body", "in the body"])("ends by its deadline %s, and leaves nothing behind", async (point) => {
    const { call, clock, sent, direct, bodies, calls } = callRig(GET, { unary: () => ({}) });
    const part = point === "in the body" ? message(NOTHING).subarray(0, 3) : NOTHING;
    call(1, part, { headers: ["grpc-timeout", "5m"], isLast: false });
    await turns(1);
    clock.advance(4);
    await turns(1);
    expect(sent()).not.toContain("grpc-status");
    clock.advance(1);
    await turns(1);
    expect(sent()).toContain("timed%20out");
    expect([bodies.bytes, calls()]).toEqual([0, 0]);
    // The rest of the request changes nothing.
    direct.data(1, message(NOTHING).subarray(part.length), true);
    expect(direct.size).toBe(0);
  });

  it("with a deadline sets no timer if its body and its answer come at once", async () => {
    const { call, clock, sent } = callRig(GET, { unary: () => ({}) });
    const { setTimer } = clock;
    const delays: number[] = [];
    clock.setTimer = (delayMs, run) => {
      delays.push(delayMs);
      return setTimer(delayMs, run);
    };
    call(1, message(NOTHING), { headers: ["grpc-timeout", "5m"] });
    await turns(1);
    expect(sent()).toContain("grpc-status");
    expect(delays).not.toContain(5);
  });
});
