import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createHeliosClient, type HeliosClient, invoke } from "../../clients/typescript/src/index.ts";
import { Isolation } from "../../gen/helios/v1/module_pb.ts";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";
import { allGone, childrenOf, marked, newMarker } from "../core/modules/processes.ts";
import { SOAK } from "../support/soak.ts";
import { until } from "../support/until.ts";

const ROOT = join(import.meta.dirname, "../fixtures/modules");

let own: OwnServer;
let client: HeliosClient;

async function serve(flags: readonly string[] = []): Promise<void> {
  own = await startOwnServer(["--modules-root", ROOT, "--log-level", "silent", ...flags]);
  client = createHeliosClient({ baseUrl: own.baseUrl });
}

afterEach(async () => {
  client.close();
  await own.stop();
});

const isGone = (pid: number): boolean => {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true;
  }
};

describe("a service that is killed", () => {
  it("leaves nothing behind: no blocked module, no process of a module, no process of its own", async () => {
    await serve();
    const marker = newMarker();
    const env = { PATH: process.env.PATH ?? "" };
    const grants = { childProcess: true };
    for (const [name, modulePath] of [
      ["loops", "blocking"],
      ["waits", "blocking"],
      ["idle", "echo"],
      ["spawns", "spawning"],
    ] as const) {
      await client.modules.registerModule({ name, modulePath, grants, env });
      await client.modules.loadModule({ name });
    }
    const isolation = Isolation.THREAD;
    await client.modules.registerModule({ name: "spawns_too", modulePath: "spawning", grants, env, isolation });
    await client.modules.loadModule({ name: "spawns_too" });
    for (const method of ["plain", "detached", "daemon", "stubborn"]) {
      for (const name of ["spawns", "spawns_too"]) {
        await invoke(client, name, method, marker);
      }
    }
    void invoke(client, "loops", "loop").catch(() => {});
    void invoke(client, "waits", "wait").catch(() => {});
    const children = childrenOf(own.process.pid ?? 0);
    expect(children.length).toBeGreaterThanOrEqual(5);
    await until(() => marked(marker).length >= 8);
    const exited = once(own.process, "exit");
    own.process.kill("SIGKILL");
    await exited;
    await allGone(marker);
    await until(() => children.every(isGone));
  });
});

describe("a service with a thread that nothing can end", () => {
  it("restarts the module, and ends itself by SIGKILL instead of waiting for the thread for ever", SOAK, async () => {
    await serve();
    const name = "native";
    await client.modules.registerModule({ name, modulePath: "blocking", isolation: Isolation.THREAD });
    await client.modules.loadModule({ name });
    const deriving = invoke(client, name, "derive").catch((error: unknown) => error);
    expect(String(await deriving)).toContain("event loop blocked for 5 s");
    await until(async () => (await invoke(client, name, "echo", 1).catch(() => undefined)) !== undefined);
    const exited = once(own.process, "exit");
    own.process.kill("SIGTERM");
    expect(await exited).toEqual([null, "SIGKILL"]);
  });
});
