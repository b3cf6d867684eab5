import { create, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { errorsPage } from "../../scripts/errors-doc.ts";
import { ERRORS, HeliosError, type Reason } from "../../src/core/index.ts";
import { fromHeliosError, MAX_ERROR_VIOLATIONS_BYTES, toConnectError } from "../../src/server/errors.ts";

const reasons = Object.keys(ERRORS) as Reason[];
const running = new AbortController().signal;

function sample(reason: Reason): { error: HeliosError; keys: string[] } {
  const keys = [...ERRORS[reason].message.matchAll(/\{(\w+)\}/g)].map(([, key]) => String(key));
  const metadata = Object.fromEntries(keys.map((key) => [key, `value of ${key}`]));
  return { error: HeliosError.of(reason, metadata as never), keys };
}

describe("an error in an answer", () => {
  it.each(reasons)("%s has its code, one ErrorInfo, and every value of its message in the metadata", (reason) => {
    const { error, keys } = sample(reason);
    const wire = fromHeliosError(error);
    const infos = wire.details.filter((detail) => "desc" in detail && detail.desc === ErrorInfoSchema);
    expect(infos).toHaveLength(1);
    expect(infos[0]).toMatchObject({ value: { reason, domain: "helios" } });
    for (const key of keys) {
      expect(wire.rawMessage).toContain(`value of ${key}`);
      expect(infos[0]).toMatchObject({ value: { metadata: { [key]: `value of ${key}` } } });
    }
    const code = Code[wire.code].replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();
    expect(code.replace("CANCELED", "CANCELLED")).toBe(ERRORS[reason].code);
  });

  it("says when to retry if that is known", () => {
    const error = HeliosError.of("BREAKER_OPEN", { name: "a", retry_after: "1.5 s" }, { retryAfterMs: 1500 });
    const retry = fromHeliosError(error).details.find((detail) => "desc" in detail && detail.desc === RetryInfoSchema);
    expect(retry).toMatchObject({ value: { retryDelay: { seconds: 1n, nanos: 500_000_000 } } });
  });

  it("stays in the log if it is unexpected, and the caller gets its id", () => {
    const reported: unknown[] = [];
    const wire = toConnectError(
      new Error("password 123"),
      running,
      () => "id-1",
      (...args) => reported.push(args),
    );
    expect(wire.code).toBe(Code.Internal);
    expect(wire.message).not.toContain("password");
    expect(wire.details).toMatchObject([{ value: { reason: "INTERNAL", metadata: { error_id: "id-1" } } }]);
    expect(reported).toMatchObject([["id-1", { message: "password 123" }]]);
  });

  it("has the code of a cancelled call if its caller ended it", () => {
    const gone = AbortSignal.abort(new ConnectError("deadline", Code.DeadlineExceeded));
    expect(
      toConnectError(
        new Error("aborted"),
        gone,
        () => "",
        () => {},
      ).code,
    ).toBe(Code.DeadlineExceeded);
  });

  it("is cut if a module made it too long for a header", () => {
    const wire = fromHeliosError(HeliosError.of("MODULE_NOT_FOUND", { name: "x".repeat(100_000) }));
    const values = wire.details.map((detail) =>
      "value" in detail ? (detail.value as { metadata?: { name: string } }) : {},
    );
    expect(values[0]?.metadata?.name.length).toBe(1024);
  });

  it("contains what a module threw as valid JSON, with a shorter stack and shorter texts if necessary", () => {
    const json = (bytes: number): string => JSON.stringify({ text: "x".repeat(bytes - 11) });
    const metadataOf = (error: string, fields: string): Record<string, string> => {
      const thrown = { error_name: "Error", stack: "s".repeat(4096), error_fields: fields, error_cause: json(900) };
      const error_ = HeliosError.of("MODULE_METHOD_FAILED", { name: "m", method: "m", error, ...thrown });
      const [detail] = fromHeliosError(error_).details;
      return (detail as unknown as { value: MessageShape<typeof ErrorInfoSchema> }).value.metadata;
    };
    const metadata = metadataOf("no", json(900));
    expect([metadata.error_fields, metadata.error_cause, metadata.stack?.length]).toEqual([json(900), json(900), 256]);
    expect(metadataOf("x".repeat(4096), json(900)).error_fields).toBeUndefined();
    expect(metadataOf("x".repeat(4096), json(300)).error_fields).toBe(json(300));
  });

  it("is described in the reference page", () => {
    for (const reason of reasons) expect(errorsPage()).toContain(`## ${reason}\n`);
  });
});

describe("an error with values of the greatest length", () => {
  const texts = {
    ascii: "x".repeat(100_000),
    blanks: " ".repeat(100_000),
    euros: "€".repeat(50_000),
    control: "\u0001".repeat(50_000),
    halves: "\ud800".repeat(5000),
  };

  it.each(Object.entries(texts))("%s: fits into the trailers that clients accept", (_, text) => {
    for (const reason of reasons) {
      const { message, extra = [] } = ERRORS[reason] as { message: string; extra?: readonly string[] };
      const keys = [...[...message.matchAll(/\{(\w+)\}/g)].map(([, key]) => String(key)), ...extra];
      const wire = fromHeliosError(HeliosError.of(reason, Object.fromEntries(keys.map((key) => [key, text])) as never));
      const info = wire.details.find((detail) => "desc" in detail && detail.desc === ErrorInfoSchema);
      const value = (info as unknown as { value: MessageShape<typeof ErrorInfoSchema> }).value;
      const cuttable = new Set(keys.filter((key) => key !== "error_fields" && key !== "error_cause"));
      expect(Object.keys(value.metadata).sort()).toEqual([...cuttable].sort());
      const details = toBinary(ErrorInfoSchema, create(ErrorInfoSchema, value)).length;
      const status = Buffer.byteLength(wire.rawMessage) + details + MAX_ERROR_VIOLATIONS_BYTES + 256;
      expect(encodeURIComponent(wire.rawMessage).length + (status * 4) / 3).toBeLessThan(8000);
    }
  });
});
