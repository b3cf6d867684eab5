import { createEngine, type Payload, systemClock } from "../../src/core/index.ts";
import { Fence } from "../../src/core/modules/calls/generation/fence.ts";
import { Generation } from "../../src/core/modules/calls/generation/generation.ts";
import { HealthWatch } from "../../src/core/modules/calls/generation/health.ts";
import { BARE_TEST } from "../../src/core/modules/calls/generation/trial.ts";
import { createRouter } from "../../src/core/modules/calls/router.ts";
import { LiveInstance } from "../../src/core/modules/host/instance/instance.ts";
import type { Channel } from "../../src/core/modules/host/wire/channel.ts";
import type { ToInstance } from "../../src/core/modules/host/wire/protocol.ts";

const IN_FLIGHT = 64;
const ROUNDS = 12_000;

/**
 * Returns the time in µs that a call takes in the service itself, from the router to the instance and back: all but the
 * channel, which is replaced by a list of messages. It is the shortest of many rounds with 64 calls each, because all that
 * disturbs a round makes it longer.
 */
export async function measurePath(modulesRoot: string): Promise<number> {
  const engine = await createEngine({ modulesRoot });
  await engine.modules.register("echo", { modulePath: "echo" });
  const module = engine.modules.get("echo");
  await engine.breakers.getOrCreate("module:echo");
  let sent: ToInstance[] = [];
  const channel: Channel = {
    send: (message) => sent.push(message) > 0,
    unread: 0,
    isFull: false,
    kill() {},
    cutOff() {},
  };
  const shape = { methods: ["echo"], version: "1", hasHealth: false, hasState: false, stateSchema: undefined };
  const code = { modulePath: "echo", sha256: "", artifact: "" };
  const spec = {
    ...{ name: "echo", version: "1", defaultVersion: "1", generation: 1, module: code, isolation: "THREAD" as const },
    ...{ config: {}, env: {}, grants: { fsRead: [], fsWrite: [], net: false, childProcess: false }, maxHeapMb: 256 },
    ...{ startTimeoutMs: 10_000, blockTimeoutMs: 0 },
  };
  const instance = new LiveInstance(spec, channel, shape, systemClock);
  const health = new HealthWatch(instance, { clock: systemClock, intervalMs: 0, onChange: async () => {} });
  const running = { ...code, generation: 1, version: "1", methods: ["echo"], loadTime: 0 };
  const parts = { health, peers: new Map(), acts: true, trial: BARE_TEST, fence: new Fence("echo", 1) };
  const unknown = { expect() {}, arrived() {}, forget() {}, retryAfterMs: () => undefined };
  const found = { get: () => module } as unknown as Parameters<typeof createRouter>[0];
  const router = createRouter(found, engine.breakers, systemClock, unknown);
  router.lane("echo").route(new Generation("echo", running, code, instance, parts), IN_FLIGHT);

  const input: Payload = { json: 1 };
  let shortest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    const calls = Array.from({ length: IN_FLIGHT }, () => router.invoke("echo", "echo", input));
    const messages = sent;
    sent = [];
    for (const message of messages)
      if ("id" in message) instance.receive({ type: "output", id: message.id, output: input });
    for (const call of calls) await call;
    shortest = Math.min(shortest, performance.now() - start);
  }
  instance.end("measured");
  await engine.close();
  return (shortest * 1000) / IN_FLIGHT;
}
