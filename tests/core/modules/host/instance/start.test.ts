import { expect, it } from "vitest";
import { createManualClock } from "../../../../../src/core/index.ts";
import { type Launch, startInstance } from "../../../../../src/core/modules/host/instance/start.ts";
import type { InstanceServices } from "../../../../../src/core/modules/host/types/host.ts";
import type { ChannelEvents } from "../../../../../src/core/modules/host/wire/channel.ts";
import { spec } from "../../launch.ts";

const services: InstanceServices = {
  log: () => {},
  isFlagEnabled: () => false,
  call: async () => ({ json: null }),
};

it("a start that was given up is refused, even if the module's readiness message was on its way", async () => {
  const clock = createManualClock();
  let events: ChannelEvents | undefined;
  const open = (_: Launch, channelEvents: ChannelEvents) => {
    events = channelEvents;
    return { send: () => true, kill: () => {}, cutOff: () => {}, unread: 0, isFull: false };
  };
  const started = startInstance(spec, services, clock, open, () => {});
  clock.advance(1000);
  events?.message({ type: "ready", shape: { methods: [], version: undefined, hasHealth: false, hasState: false } });
  events?.ended("killed by SIGKILL");
  await expect(started).rejects.toMatchObject({
    reason: "MODULE_LOAD_FAILED",
    metadata: { error: "it took longer than 1 s" },
  });
});
