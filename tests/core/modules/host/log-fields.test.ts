import { describe, expect, it } from "vitest";
import { toLogFields, toLogMessage } from "../../../../src/core/modules/host/inside/log.ts";
import type { Isolation } from "../../../../src/core/modules/host/types/host.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { call, hostRig } from "../host-rig.ts";

type Entry = { readonly message: string; readonly fields: Record<string, unknown> };

async function logOf(isolation: Isolation): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const { start } = hostRig({ log: (_level, message, fields) => void entries.push({ message, fields }) });
  await call(await start(isolation, "answering", { maxHeapMb: 256 }), "log");
  return entries;
}

const ERROR = {
  name: "RangeError",
  message: "no quote",
  stack: expect.stringContaining("answering.ts"),
  code: "NO_QUOTE",
  cause: { name: "Error", message: "feed is down", stack: expect.stringContaining("answering.ts") },
};

describeInEach("a log entry of a module in a %s", (isolation) => {
  it("contains errors in full, and each field independently of the others", async () => {
    const [rich, byItself, messages, none, text, huge] = await logOf(isolation);
    expect(rich).toEqual({
      message: "rich",
      fields: {
        error: ERROR,
        deep: { list: [ERROR] },
        big: String(2n ** 70n),
        map: { a: 1 },
        objects: [[{ a: 1 }, 2]],
        set: [1],
        fn: "[function place]",
        symbol: "[Symbol(s)]",
        circular: { a: { b: "[circular]" } },
        date: "1970-01-01T00:00:00.000Z",
        never: "[invalid date]",
        nan: "NaN",
        promise: "[Promise]",
        hidden: "[Hidden]",
        broken: "[cannot be read: no price yet]",
        half: "BTC\ufffd",
        plain: { a: [1, null, "x"] },
      },
    });
    expect(byItself).toEqual({ message: "an error by itself", fields: { error: ERROR } });
    expect(messages).toEqual({ message: "no quote", fields: { fields: [1, 2] } });
    expect(none).toEqual({ message: "null", fields: {} });
    expect(text).toEqual({ message: '{"toString":null}', fields: { fields: "text" } });
    expect(huge?.message.length).toBeLessThan(9000);
    expect(JSON.stringify(huge?.fields).length).toBeLessThan(40_000);
  });
});

describe("log fields", () => {
  it("fields that are huge are cut, and later ones are logged as far as they fit", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 1000; level += 1) deep = { deep };
    const many = Array.from({ length: 100_000 }, (_, index) => index);
    const fields = toLogFields({ deep, many, sparse: new Array(2 ** 32 - 1), big: 1n << 1_000_000n, last: "told" });
    expect(JSON.stringify(fields.deep)).toMatch(/^({"deep":){7}"\[Object\]"}{7}$/);
    expect(fields.many).toHaveLength(101);
    expect(fields.sparse).toHaveLength(101);
    expect(fields).toMatchObject({ big: "[bigint]", last: "told" });
    const wide = Array.from({ length: 50 }, () => Array.from({ length: 50 }, () => "x".repeat(50)));
    expect(JSON.stringify(toLogFields({ wide })).length).toBeLessThan(25_000);
  });

  it("never throw, whatever their values are", () => {
    const trap = new Proxy(
      {},
      {
        get() {
          throw new Error("trap");
        },
        ownKeys() {
          throw new Error("trap");
        },
        getPrototypeOf() {
          throw new Error("trap");
        },
      },
    );
    expect(toLogFields({ trap, ok: 1 })).toEqual({ trap: "[cannot be read: trap]", ok: 1 });
    expect(toLogFields(trap)).toEqual({ fields: "[cannot be read: trap]" });
    expect(toLogMessage(trap)).toBe('"[cannot be read: trap]"');
    expect(toLogMessage(Symbol("s"))).toBe("Symbol(s)");
  });
});
