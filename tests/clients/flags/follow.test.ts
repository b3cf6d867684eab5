import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { FlagFrames } from "../../../clients/typescript/src/flags/follow.ts";
import type { FlagChange } from "../../../clients/typescript/src/flags/local.ts";
import type { Flag } from "../../../gen/helios/v1/flag_pb.ts";
import { WatchFlagsResponseSchema } from "../../../gen/helios/v1/flag_service_pb.ts";
import { received } from "./stored.ts";

const ON = { enabled: true, strategy: "all_on" };

function rig() {
  const applied: string[] = [];
  const names = (items: readonly { readonly name: string }[]): string => items.map(({ name }) => name).join();
  const frames = new FlagFrames({
    flags: {
      replaced: (flags: readonly Flag[]) => applied.push(`all: ${names(flags)}`),
      changed: (changes: readonly FlagChange[]) =>
        applied.push(`changed: ${changes.map(({ name, flag }) => (flag === undefined ? `-${name}` : name)).join()}`),
      heard: () => applied.push("heard"),
    },
    heardTime: (ms) => applied.push(`time ${ms}`),
  });
  type Frame = MessageInitShape<typeof WatchFlagsResponseSchema>["frame"];
  const apply = (revision: bigint, frame: Frame): boolean =>
    frames.apply(create(WatchFlagsResponseSchema, { revision, frame: frame as never }));
  const chunk = (complete: boolean, ...flags: string[]) =>
    apply(1n, {
      case: "snapshot",
      value: { flags: flags.flatMap((name) => received({ [name]: ON })), complete },
    });
  const put = (name: string, revision: bigint) => ({
    change: { case: "put" as const, value: { ...(received({ [name]: ON })[0] as Flag), revision } },
  });
  const deleted = (name: string, revision: bigint) => ({
    change: { case: "deleted" as const, value: { name, revision } },
  });
  return { frames, applied, apply, chunk, put, deleted };
}

describe("the frames of a watch of flags", () => {
  it("replace all flags when a snapshot is complete", () => {
    const { applied, chunk } = rig();
    expect([chunk(false, "a", "b"), applied.length]).toEqual([false, 0]);
    expect(chunk(true, "c")).toBe(true);
    expect(applied).toEqual(["all: a,b,c"]);
  });

  it("change the flags of a revision together, also if they come in several frames", () => {
    const { applied, apply, put, deleted } = rig();
    apply(1n, { case: "changes", value: { changes: [put("a", 2n), put("b", 2n)] } });
    expect(applied).toEqual([]);
    apply(2n, { case: "changes", value: { changes: [deleted("c", 2n)] } });
    apply(4n, { case: "changes", value: { changes: [put("a", 3n), put("b", 4n)] } });
    expect(applied).toEqual(["changed: a,b,-c", "changed: a,b"]);
  });

  it("confirm the flags by a heartbeat, unless the service still has changes to send", () => {
    const { applied, apply } = rig();
    const serverTime = { seconds: 5n, nanos: 500_000_000 };
    apply(4n, { case: "heartbeat", value: { serverTime, headRevision: 4n } });
    apply(4n, { case: "heartbeat", value: { serverTime, headRevision: 5n } });
    expect(applied).toEqual(["time 5500", "heard", "time 5500"]);
  });

  it("of a stream that was cut in the middle leave nothing behind", () => {
    const { frames, applied, apply, chunk, put } = rig();
    chunk(false, "a");
    apply(1n, { case: "changes", value: { changes: [put("b", 2n)] } });
    frames.restarted();
    chunk(true, "c");
    apply(3n, { case: "changes", value: { changes: [put("d", 3n)] } });
    expect(applied).toEqual(["all: c", "changed: d"]);
  });
});
