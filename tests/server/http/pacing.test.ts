import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { createPacing } from "../../../src/server/http/pacing.ts";
import { watchedClock } from "../../support/clocks.ts";
import { turn } from "../../support/turns.ts";

it("streams that wait to write share one timer, for any number and duration", async () => {
  const { clock, timers } = watchedClock();
  let hasRoom = false;
  const pacing = createPacing(clock, () => () => hasRoom);
  const frame = { frame: { case: "testStarted" as const, value: { name: "t" } } };
  let begun = 0;
  let made = 0;
  const transport = createRouterTransport(
    (router) =>
      router.service(TestService, {
        runTests() {
          begun += 1;
          return (async function* () {
            made += 1;
            yield frame;
          })();
        },
      }),
    { router: { interceptors: [pacing.interceptor] } },
  );
  let received = 0;
  const streams: Promise<void>[] = [];
  const begin = async (): Promise<void> => {
    for await (const _ of createClient(TestService, transport).runTests({ name: "m" })) received += 1;
  };
  for (let stream = 1; stream <= 20; stream += 1) {
    streams.push(begin());
    while (begun < stream) await turn();
    await turn();
  }
  // Turns in which no stream may continue, driven only by timers.
  for (let check = 0; check < 20; check += 1) {
    // A message that cannot be written is not made either.
    expect([timers(), made, received]).toEqual([1, 0, 0]);
    clock.advance(20);
    await turn();
  }
  hasRoom = true;
  clock.advance(20);
  await Promise.all(streams);
  expect(received).toBe(streams.length);
});
