import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { type Flag as FlagMessage, FlagSchema } from "../../../gen/helios/v1/flag_pb.ts";
import type { Flag } from "../../../src/core/index.ts";
import { toFlag } from "../../../src/server/map/flag/flag.ts";
import { fromUpdate } from "../../../src/server/map/flag/update.ts";

const FLAG: Flag = {
  name: "a",
  revision: 7,
  etag: "etag",
  size: 1,
  createTime: 1,
  updateTime: 2,
  record: {
    enabled: true,
    strategy: "ALL_ON",
    percentage: 0,
    whitelist: [],
    description: "",
    bucketBy: "SESSION_ID",
    salt: "a",
    bucketingVersion: 1,
    condition: "context.symbol.matches('^[a-z]+$')",
  },
};
/** Fields that only the server sets, most of which are compared with the stored flag. */
const OWN = ["revision", "condition_program", "create_time", "update_time", "current_percentage", "abridged", "killed"];
const repeated = (paths: readonly string[]): string[] =>
  Array.from({ length: 99 }, (_, at) => paths[at % paths.length] ?? "");

/** The result of an update, how often it reads the stored flag, and how often it reads the field of the message. */
function updated(
  paths: readonly string[],
  { message = toFlag(FLAG, 3), field = "description" as keyof FlagMessage, isStored = true } = {},
) {
  let [asked, read] = [0, 0];
  const counted = new Proxy(message, {
    get(target, key) {
      if (key === field) read += 1;
      return Reflect.get(target, key);
    },
  });
  const stored = (): Flag | undefined => {
    asked += 1;
    return isStored ? FLAG : undefined;
  };
  const fields = fromUpdate(counted, create(FieldMaskSchema, { paths: [...paths] }), stored, 3);
  return { fields, asked, read };
}

describe("the mask of an update", () => {
  it("reads the stored flag once, for any number of paths", () => {
    expect(updated(repeated(OWN))).toMatchObject({ fields: {}, asked: 1 });
    expect(updated(repeated([...OWN, "description"]))).toMatchObject({ fields: { description: "" }, asked: 1 });
    const gone = create(FlagSchema, { name: "a" });
    expect(updated(repeated(OWN), { message: gone, isStored: false })).toMatchObject({ fields: {}, asked: 1 });
    expect(updated(["enabled", "current_percentage"])).toMatchObject({ fields: { enabled: true }, asked: 0 });
  });

  it("reads a field once, however often the mask names it", () => {
    const message = create(FlagSchema, { name: "a", variants: [{ name: "x", weight: 1 }] });
    const { fields, read, asked } = updated(repeated(["variants"]), { message, field: "variants" });
    expect(fields).toEqual({ variants: [{ name: "x", weight: 1, value: true }] });
    expect([read, asked]).toEqual([1, 0]);
  });

  it.each(OWN.filter((path) => path !== "current_percentage"))(
    "refuses %s if it differs from the stored value",
    (path) => {
      const other = create(FlagSchema, {
        name: "a",
        revision: 8n,
        createTime: { seconds: 9n },
        updateTime: { seconds: 9n },
        conditionProgram: { version: 9 },
        abridged: true,
        killed: true,
      });
      const refused = expect.objectContaining({ reason: "ARGUMENT_INVALID" });
      expect(() => updated([...OWN, path].reverse(), { message: other })).toThrow(refused);
      expect(() => updated([path], { message: other })).toThrow(refused);
    },
  );
});
