import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { createEngine, type Isolation, type Payload, systemClock } from "../../src/core/index.ts";
import { createModuleHost } from "../../src/core/modules/host/index.ts";

/** A way to have a payload echoed. */
export interface Side {
  readonly name: string;
  call(payload: Payload): Promise<unknown>;
  close(): Promise<void>;
}

/** The modules of the benchmarks. */
export const ROOT = fileURLToPath(new URL("../modules", import.meta.url));
const ECHO = fileURLToPath(new URL("./echo.mjs", import.meta.url));

/** Bare messages to a forked process or a worker. Answers are matched by id. */
export function bareSide(isolation: Isolation): Side {
  const waiting = new Map<number, (value: unknown) => void>();
  const answer = (message: unknown): void => {
    const { id, value } = message as { readonly id: number; readonly value: unknown };
    waiting.get(id)?.(value);
    waiting.delete(id);
  };
  let lastId = 0;
  const calling = (send: (message: unknown) => void) => (value: unknown) =>
    new Promise<unknown>((resolve) => {
      lastId += 1;
      waiting.set(lastId, resolve);
      send({ id: lastId, value });
    });
  if (isolation === "THREAD") {
    const worker = new Worker(ECHO);
    worker.on("message", answer);
    const close = async (): Promise<void> => void (await worker.terminate());
    return { name: "bare", call: calling((message) => worker.postMessage(message)), close };
  }
  // Detached, in its own session like Helios' processes, because the kernel distributes CPU time by session.
  const child = fork(ECHO, { serialization: "advanced", detached: true });
  child.on("message", answer);
  const send = (message: unknown): void => void child.send(message as object);
  return { name: "bare", call: calling(send), close: async () => void child.kill("SIGKILL") };
}

/** Calls a module's method through router, lane, breaker and host. */
export async function engineSide(isolation: Isolation): Promise<Side> {
  const engine = await createEngine({ modulesRoot: ROOT });
  await engine.modules.register("echo", { modulePath: "echo", isolation, concurrency: 64 });
  await engine.modules.load("echo");
  return {
    name: "engine",
    call: (payload) => engine.modules.invoke("echo", "echo", payload),
    close: () => engine.close(),
  };
}

/** Calls a module's method in an instance without an engine. */
export async function hostSide(isolation: Isolation): Promise<Side> {
  const host = createModuleHost({ root: ROOT, clock: systemClock });
  const instance = await host.start(
    {
      name: "echo",
      version: "1",
      defaultVersion: "1",
      generation: 1,
      module: await host.resolve("echo"),
      isolation,
      config: {},
      env: {},
      grants: { fsRead: [], fsWrite: [], net: false, childProcess: false },
      maxHeapMb: 256,
      startTimeoutMs: 10_000,
      blockTimeoutMs: 30_000,
    },
    { log() {}, isFlagEnabled: () => false, call: async (_dependency, _method, input) => input },
  );
  return {
    name: "host",
    call: (payload) => instance.invoke("echo", payload, { timeoutMs: 30_000 }),
    close: () => host.close(),
  };
}
