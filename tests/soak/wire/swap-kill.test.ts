// @module-tag soak

import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { createHeliosClient, type HeliosClient, invoke } from "../../../clients/typescript/src/index.ts";
import { ModuleState } from "../../../gen/helios/v1/module_pb.ts";
import { TestCaseSchema } from "../../../gen/helios/v1/test_pb.ts";
import { startOwnServer } from "../../../scripts/demo/server.ts";
import { until } from "../../support/until.ts";

const ROOT = fileURLToPath(new URL("../../fixtures/modules/matrix", import.meta.url));
const name = "slow";

const STEPS = ["start", "health", "gate", "warm_up", "shadow", "hand_over", "commit", "drain", "bake", "stop"] as const;
type Step = (typeof STEPS)[number];

/** A swap of a module that hangs in that step. */
function swapIn(step: Step) {
  const hour = { seconds: 3600n, nanos: 0 };
  return {
    name,
    version: `in-${step}`,
    swapId: `kill-in-${step}`,
    config: { slow: step },
    // A call that never ends must not prevent the hand-over.
    discardState: step === "drain",
    ...(step === "shadow" && { shadow: { duration: hour } }),
    ...(step === "bake" && { bakeDuration: hour }),
    ...(step === "gate" && { testSuite: "own" }),
  };
}

/** The code with which the serving version makes the step last. */
async function prepare(client: HeliosClient, step: Step): Promise<void> {
  if (step === "drain") void invoke(client, name, "hold").catch(() => {});
  if (step === "stop") await invoke(client, name, "stop_slowly");
}

/** The versions that may serve after the service was killed in a step. */
function servingAfter(step: Step, before: string): readonly string[] {
  const after = `in-${step}`;
  if (step === "commit") return [before, after];
  return step === "drain" || step === "stop" ? [after] : [before];
}

it("a service that is killed in any step of a swap serves the last permanent version after its restart", {
  timeout: 120_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "helios-swap-kill-"));
  const flags = ["--data-dir", directory, "--modules-root", ROOT, "--log-level", "silent"];
  let server = await startOwnServer(flags);
  let client = createHeliosClient({ baseUrl: server.baseUrl });
  await client.tests.createSuite({
    suite: { name: "own", tests: [create(TestCaseSchema, { name: "proves", method: "prove" })] },
  });
  await client.modules.registerModule({
    name,
    modulePath: "slow",
    version: "first",
    reloadHooks: [{ method: "warm_up" }],
    pureMethods: ["which"],
  });
  await client.modules.loadModule({ name });

  for (const step of STEPS) {
    const before = String(await which(client));
    await prepare(client, step);
    const pid = server.process.pid ?? 0;
    await reaches(client, step);
    const processes = await modulesOf(pid);
    expect(processes.length).toBeGreaterThan(0);
    const exited = once(server.process, "exit");
    server.process.kill("SIGKILL");
    await exited;
    client.close();
    await server.stop();

    server = await startOwnServer(flags);
    client = createHeliosClient({ baseUrl: server.baseUrl });
    const module = await settled(client);
    expect(servingAfter(step, before), step).toContain(module?.version);
    expect(await which(client)).toBe(module?.version);
    const swapped = module?.version === `in-${step}`;
    expect(module?.lastSwap, step).toMatchObject({ swapId: `kill-in-${step}`, swapped });
    if (!swapped) {
      expect(module?.lastSwap).toMatchObject({ failedStep: step, failure: "the service ended in this step" });
    }
    const retried = await client.modules.swapModule(swapIn(step));
    expect(retried, step).toMatchObject({ swapped, swapId: `kill-in-${step}`, unchanged: false });
    expect(retried.module?.generation).toBe(module?.generation);

    const further = await client.modules.swapModule({ name, version: `after-${step}`, config: {} });
    expect(further, step).toMatchObject({ swapped: true, module: { version: `after-${step}` } });
    expect(await which(client)).toBe(`after-${step}`);
    await gone(processes);
  }
  client.close();
  expect(await server.stop()).toBe(0);
  await rm(directory, { recursive: true, force: true });
});

async function which(client: HeliosClient): Promise<unknown> {
  return (await invoke(client, name, "which")).output;
}

/** Starts the swap, and resolves when it has reached the step. */
async function reaches(client: HeliosClient, step: Step): Promise<void> {
  const reached = Promise.withResolvers<void>();
  const follow = async (): Promise<void> => {
    for await (const { event } of client.modules.swapModuleStream(swapIn(step))) {
      if (event.case === "stepStarted" && event.value.name === step) reached.resolve();
      if (event.case === "result") reached.reject(new Error(`it did not stay in ${step}: ${event.value.failure}`));
    }
  };
  // The connection breaks when the service is killed.
  follow().catch((error: unknown) => reached.reject(error));
  await reached.promise;
}

/** Resolves to the module once it serves. */
async function settled(client: HeliosClient) {
  const present = async () => (await client.modules.getModule({ name })).module;
  await until(async () => (await present())?.state === ModuleState.ACTIVE);
  return present();
}

/** The processes of modules that a service has started. */
async function modulesOf(service: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(parent) === service && (await isModule(pid))) found.push(pid);
  }
  return found;
}

async function isModule(pid: string): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return line.includes("host/inside/main.js");
}

/** Resolves when none of the processes is left. */
async function gone(processes: readonly string[]): Promise<void> {
  await until(async () => !(await Promise.all(processes.map(isModule))).includes(true));
}
