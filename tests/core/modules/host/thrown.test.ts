import { expect, it } from "vitest";
import { HeliosError } from "../../../../src/core/errors/error.ts";
import type { Instance, Isolation } from "../../../../src/core/modules/host/types/host.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { call, hostRig } from "../host-rig.ts";

/** Shares an instance whose calls to others return to itself. */
function share(isolation: Isolation): () => Promise<Instance> {
  const rig = hostRig({
    call: async (_dependency, method, input) => (await shared()).invoke(method, input, { timeoutMs: 10_000 }),
  });
  const shared = rig.share(isolation, "answering", { maxHeapMb: 256 });
  return shared;
}

describeInEach("an error thrown by a module in a %s", (isolation) => {
  const shared = share(isolation);

  it("reaches its caller with its code, its cause and its own members that are JSON", async () => {
    const { reason, code, metadata } = await errorOf(call(await shared(), "fail", "margin"));
    expect([reason, code]).toEqual(["MODULE_METHOD_FAILED", "INTERNAL"]);
    expect(metadata).toMatchObject({
      error: "margin is short",
      error_name: "MarginError",
      error_code: "insufficient_margin",
    });
    expect(metadata.stack).toContain("answering.ts");
    // The frames of Helios that call the module are not the author's.
    expect(metadata.stack).not.toMatch(/bootstrap|node:internal/);
    expect(JSON.parse(metadata.error_fields ?? "")).toEqual({
      required: 1200.5,
      account: { id: "acc-1" },
      at: "1970-01-01T00:00:00.000Z",
      metadata: { a: 1 },
    });
    expect(JSON.parse(metadata.error_cause ?? "")).toEqual({ name: "RangeError", message: "ratio", cause: "limits" });
  });

  it.each([
    ["number", "INTERNAL"],
    ["caller", "FAILED_PRECONDITION"],
    ["callerType", "INVALID_ARGUMENT"],
    ["callerRange", "INVALID_ARGUMENT"],
    ["callerCode", "INVALID_ARGUMENT"],
    ["callerTruthy", "INTERNAL"],
  ])("an error thrown as %s has the code %s, which says whose fault it is", async (name, code) => {
    const error = await errorOf(call(await shared(), "fail", name));
    expect(error).toMatchObject({ reason: "MODULE_METHOD_FAILED", code });
    expect(error.metadata.caller_fault).toBe(code === "INTERNAL" ? undefined : "true");
    // The kept part is enough to recreate the error.
    const kept = JSON.parse(JSON.stringify({ ...error.metadata, name: "m", method: "m", error: "e" }));
    expect(HeliosError.of("MODULE_METHOD_FAILED", kept).code).toBe(code);
  });

  it("may be any value, and is described as far as possible", async () => {
    const instance = await shared();
    const thrownBy = async (name: string): Promise<Record<string, unknown>> => {
      const { metadata } = await errorOf(call(instance, "fail", name));
      const { error, error_name, error_code } = metadata;
      const fields = metadata.error_fields === undefined ? {} : { fields: JSON.parse(metadata.error_fields) };
      return {
        error,
        ...(error_name === "Error" ? {} : { error_name }),
        ...(error_code ? { error_code } : {}),
        ...fields,
      };
    };
    expect(await thrownBy("null")).toEqual({ error: "null" });
    expect(await thrownBy("undefined")).toEqual({ error: "undefined" });
    expect(await thrownBy("text")).toEqual({ error: "just a text" });
    expect(await thrownBy("symbol")).toEqual({ error: "Symbol(s)" });
    expect(await thrownBy("object")).toEqual({
      error: '{"code":"ODD","status":7}',
      error_code: "ODD",
      fields: { status: 7 },
    });
    expect(await thrownBy("number")).toEqual({ error: "rate limited", error_code: "429", fields: { code: 429 } });
    expect(await thrownBy("frozen")).toEqual({ error: "frozen", error_code: "F" });
    expect(await thrownBy("proxy")).toEqual({ error: "behind a proxy" });
    expect(await thrownBy("trap")).toEqual({ error: "the module threw a value that cannot be read" });
    expect(await thrownBy("brokenCode")).toEqual({ error: "half broken" });
    expect(await thrownBy("noPrototype")).toEqual({ error: "{}" });
    expect(await thrownBy("circular")).toEqual({ error: "circular" });
    expect(await thrownBy("half")).toEqual({ error: "BTC\ufffd", fields: { ok: 1 } });
    expect(await thrownBy("aggregate")).toEqual({
      error: "no venue",
      error_name: "AggregateError",
      fields: { errors: [{ name: "Error", message: "venue A", code: "A" }, "venue B"] },
    });
  });

  it("has a bounded size, however large it is", async () => {
    const { metadata } = await errorOf(call(await shared(), "fail", "huge"));
    expect(metadata.error).toHaveLength(4096);
    expect(JSON.parse(metadata.error_fields ?? "")).toEqual({ small: 1 });
    expect(Buffer.byteLength(metadata.error_cause ?? "")).toBeLessThanOrEqual(1024);
    expect(JSON.parse(metadata.error_cause ?? "")).toMatchObject({ name: "Error", message: expect.any(String) });
    expect(JSON.stringify(metadata).length).toBeLessThan(12_000);
  });

  it("becomes the cause of the error in a module that called it, with the reason as code", async () => {
    const instance = await shared();
    expect(await call(instance, "tell_failure", "margin")).toEqual({
      kind: "HeliosError",
      message: "fail of module under_test failed: margin is short",
      code: "MODULE_METHOD_FAILED",
      isError: true,
      cause: {
        name: "MarginError",
        message: "margin is short",
        code: "insufficient_margin",
        required: 1200.5,
        account: { id: "acc-1" },
        at: "1970-01-01T00:00:00.000Z",
        metadata: { a: 1 },
        cause: { name: "RangeError", message: "ratio", cause: "limits" },
      },
      metadata: expect.objectContaining({ error_code: "insufficient_margin", name: "under_test", method: "fail" }),
    });
    expect(await call(instance, "tell_failure", "number")).toMatchObject({ cause: { code: 429 } });
    const through = await errorOf(call(instance, "fail_through", "margin"));
    expect(through.metadata.error_code).toBe("MODULE_METHOD_FAILED");
    expect(JSON.parse(through.metadata.error_cause ?? "")).toMatchObject({
      code: "insufficient_margin",
      required: 1200.5,
    });
  });
});
