import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { change, closeWatchers, openWatchers } from "../../../bench/load/watch.ts";
import { enveloped } from "../../../bench/sides/envelope.ts";
import { EVALUATE_PATH, RULE } from "../../../bench/sides/flag.ts";
import { peerSide, type Running } from "../../../bench/sides/side.ts";
import { CHANGE_PATH, WATCH_PATH } from "../../../bench/sides/watching.ts";
import {
  SetPercentageRequestSchema,
  WatchFlagsRequestSchema,
  WatchFlagsResponseSchema,
} from "../../../gen/helios/v1/flag_service_pb.ts";

const WATCH = enveloped(toBinary(WatchFlagsRequestSchema, create(WatchFlagsRequestSchema, { names: [RULE.name] })));
const SET = enveloped(
  toBinary(SetPercentageRequestSchema, create(SetPercentageRequestSchema, { name: RULE.name, percentage: 7 })),
);
let running: Running | undefined;

afterEach(async () => {
  await closeWatchers({ port: running?.port ?? 0 });
  await running?.stop();
});

async function watched(file: string, args: readonly string[] = []): Promise<Running> {
  running = await peerSide("peer", file, args).start(undefined);
  const { port } = running;
  await openWatchers({ port, path: WATCH_PATH, request: WATCH, connections: 2, streams: 3 });
  return running;
}

describe("the load of watchers", () => {
  it.each([
    ["bare-http2.ts", []],
    ["connect-node.ts", ["h2"]],
  ])("sees that each watcher of %s receives each change once", async (file, args) => {
    const { port, program } = await watched(file, args);
    const job = { port, path: CHANGE_PATH, request: SET, timeoutMs: 20_000, serverPid: program.pid };
    for (let turn = 0; turn < 2; turn += 1) {
      const { missed, wrong, message, maxMs, p50Ms } = await change(job);
      expect([missed, wrong]).toEqual([0, 0]);
      expect(maxMs).toBeGreaterThanOrEqual(p50Ms);
      const { frame } = fromBinary(WatchFlagsResponseSchema, message);
      expect(frame).toMatchObject({ case: "changes", value: { changes: [{ change: { value: { percentage: 7 } } }] } });
    }
  });

  it("counts the watchers that receive nothing, and rejects a change that fails", async () => {
    const { port, program } = await watched("bare-http2.ts");
    const job = { port, request: WATCH, timeoutMs: 1, serverPid: program.pid };
    // An evaluation changes nothing.
    expect(await change({ ...job, path: EVALUATE_PATH })).toMatchObject({ missed: 6 });
    await expect(change({ ...job, path: "/nothing" })).rejects.toThrow("the change was refused");
  });
});
