import { expect, it } from "vitest";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { createShutdown, ServedStream } from "../../../src/server/calls/served-stream.ts";
import { MAX_MESSAGE_BYTES } from "../../../src/server/transport/limits.ts";
import { turns } from "../../support/turns.ts";
import { message, NOTHING } from "../../wire/abuse/frames.ts";
import { callRig } from "./rig.ts";

it("a stream with a message that is too large to be sent ends, and its producer learns that nobody reads on", async () => {
  const ends: string[] = [];
  async function* produce(): AsyncGenerator<Record<string, unknown>> {
    try {
      yield { resumeToken: "x".repeat(MAX_MESSAGE_BYTES + 1) };
    } finally {
      ends.push("producer");
    }
  }
  const shutdown = createShutdown(new AbortController().signal);
  const streaming = (): AsyncIterable<Record<string, unknown>> =>
    new ServedStream(produce, shutdown, {
      failed: (thrown) => thrown,
      ended: (isComplete) => void ends.push(isComplete ? "complete" : "left"),
    });
  const { call, sent } = callRig(FlagService.method.watchFlags, { streaming });
  call(1, message(NOTHING));
  await turns(3);
  expect(sent()).toContain("message%20size");
  expect(ends).toEqual(["left", "producer"]);
});
