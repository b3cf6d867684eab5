import { Code, ConnectError } from "@connectrpc/connect";
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

it("a stream ends by its deadline also while it waits for its client's window, and its producer learns of it", async () => {
  let hasEnded = false;
  async function* produce(): AsyncGenerator<Record<string, unknown>> {
    try {
      for (;;) yield { resumeToken: "x".repeat(20_000) };
    } finally {
      hasEnded = true;
    }
  }
  const { call, direct, clock, sent, calls } = callRig(FlagService.method.watchFlags, { streaming: () => produce() });
  direct.setInitialWindow(10);
  call(1, message(NOTHING), { headers: ["grpc-timeout", "50m"] });
  await turns(3);
  clock.advance(49);
  await turns(3);
  expect([hasEnded, direct.size]).toEqual([false, 1]);
  clock.advance(1);
  await turns(3);
  expect(hasEnded).toBe(true);
  direct.widen(1, 30_000);
  await turns(3);
  expect(sent()).toContain("the operation timed out".replaceAll(" ", "%20"));
  expect([direct.size, calls()]).toEqual([0, 0]);
});

it("streams of a client that reads nothing make no more messages than there is space for, and the others later", async () => {
  const MESSAGE = 300 * 1024;
  let made = 0;
  async function* produce(): AsyncGenerator<Record<string, unknown>> {
    made += 1;
    yield { resumeToken: "x".repeat(MESSAGE) };
  }
  const rig = callRig(FlagService.method.watchFlags, { streaming: () => produce() }, 3 * MESSAGE);
  const { call, direct, clock, calls } = rig;
  direct.setInitialWindow(0);
  const ids = [1, 3, 5, 7, 9];
  for (const id of ids) {
    call(id, message(NOTHING));
    await turns(3);
  }
  clock.advance(20);
  await turns(3);
  expect([made < ids.length, calls()]).toEqual([true, ids.length]);
  direct.widenConnection(2 ** 24);
  direct.setInitialWindow(2 ** 24);
  for (let checks = 0; checks < 5; checks += 1) {
    await turns(3);
    clock.advance(20);
  }
  expect([made, calls()]).toEqual([ids.length, 0]);
});

it("a stream that begins after the server must end fails, and its end is known", async () => {
  const ends: string[] = [];
  const streaming = (): AsyncIterable<Record<string, unknown>> =>
    new ServedStream(async function* () {}, createShutdown(new AbortController().signal), {
      failed: (thrown) => thrown,
      ended: (isComplete) => void ends.push(isComplete ? "complete" : "left"),
    });
  const { call, over, sent, direct, calls } = callRig(FlagService.method.watchFlags, { streaming });
  over.abort(new ConnectError("the server ends", Code.Unavailable));
  call(1, message(NOTHING));
  await turns(3);
  expect(sent()).toContain("the%20server%20ends");
  expect([ends, direct.size, calls()]).toEqual([["left"], 0, 0]);
});
