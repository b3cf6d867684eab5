// @module-tag soak

import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { createHeliosClient, type HeliosClient } from "../../../clients/typescript/src/index.ts";
import { Isolation, ModuleState } from "../../../gen/helios/v1/module_pb.ts";
import { type OwnServer, startOwnServer } from "../../../scripts/demo/server.ts";
import { itInEach } from "../../support/isolations.ts";
import { until } from "../../support/until.ts";
import { feed, GATEWAY, ordersIn } from "../matrix/feed.ts";

const HANG = "await new Promise(() => {});";

const FILES = {
  "gateway.js": GATEWAY,
  "v1.js": feed(1, { stop: HANG }),
  "v2.js": feed(2),
  "v2_health.js": feed(2, { health: HANG }),
  "v2_hand_over.js": feed(2, { importState: HANG }),
};

/** The steps in which the service is killed, the new version's file, and the version that serves after a restart. */
const KILLS = [
  ["health", "v2_health", "1"],
  ["hand_over", "v2_hand_over", "1"],
  ["bake", "v2", "1"],
  ["stop", "v2", "2"],
] as const;

itInEach(
  "a kill of the service during swaps of a module in a %s repeats and loses none of the orders that it places of its own accord",
  { timeout: 240_000 },
  async (isolation) => {
    const directory = await mkdtemp(join(tmpdir(), "helios-acting-kill-"));
    const modules = join(directory, "modules");
    await mkdir(modules);
    for (const [file, text] of Object.entries(FILES)) await writeFile(join(modules, file), text);
    const file = join(directory, "orders");
    const flags = ["--data-dir", join(directory, "data"), "--modules-root", modules, "--log-level", "silent"];
    let server = await startOwnServer(flags);
    let client = createHeliosClient({ baseUrl: server.baseUrl });
    const places = async (version: string): Promise<void> => {
      const before = ordersIn(file).length;
      const since = (): number =>
        ordersIn(file)
          .slice(before)
          .filter(({ from }) => from === version).length;
      await until(() => since() >= 3);
    };
    await client.modules.registerModule({
      name: "gateway",
      modulePath: "gateway",
      config: { file },
      grants: { fsRead: [directory], fsWrite: [directory] },
    });
    await client.modules.registerModule({
      name: "feed",
      modulePath: "v1",
      dependencies: ["gateway"],
      isolation: Isolation[isolation],
    });
    await client.modules.loadModule({ name: "feed", loadDependencies: true });
    await places("1");

    for (const [step, newVersionPath, version] of KILLS) {
      await reaches(client, newVersionPath, step);
      // The orders of the version that serves now.
      await places(step === "bake" || step === "stop" ? "2" : "1");
      const exited = once(server.process, "exit");
      server.process.kill("SIGKILL");
      await exited;
      client.close();
      await server.stop();
      server = await startOwnServer(flags);
      client = createHeliosClient({ baseUrl: server.baseUrl });
      await places(version);
      const { module } = await client.modules.getModule({ name: "feed" });
      expect(module, step).toMatchObject({ state: ModuleState.ACTIVE, version });
    }
    client.close();
    await stop(server);
    const orders = ordersIn(file);
    expect(orders.map(({ id }) => id)).toEqual(orders.map((_, index) => index + 1));
    const senders = orders.map(({ from }) => from);
    expect(senders.filter((from, index) => from !== senders[index - 1])).toEqual(["1", "2", "1", "2"]);
    await rm(directory, { recursive: true, force: true });
  },
);

async function stop(server: OwnServer): Promise<void> {
  expect(await server.stop()).toBe(0);
}

/** Starts the swap, and resolves when it has reached the step. */
async function reaches(client: HeliosClient, newVersionPath: string, step: string): Promise<void> {
  const reached = Promise.withResolvers<void>();
  const bakeDuration = step === "bake" ? { seconds: 3600n, nanos: 0 } : undefined;
  const swap = { name: "feed", newVersionPath, ...(bakeDuration && { bakeDuration }) };
  const follow = async (): Promise<void> => {
    for await (const { event } of client.modules.swapModuleStream(swap)) {
      if (event.case === "stepStarted" && event.value.name === step) reached.resolve();
      if (event.case === "result") reached.reject(new Error(`it did not stay in ${step}: ${event.value.failure}`));
    }
  };
  // The connection breaks when the service is killed.
  follow().catch((error: unknown) => reached.reject(error));
  await reached.promise;
}
