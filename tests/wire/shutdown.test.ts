import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createHeliosClient, errorInfo, type HeliosClient, invoke } from "../../clients/typescript/src/index.ts";
import { createManualClock } from "../../src/core/index.ts";
import { CLOSE_TIMEOUT_MS, createShutdown, SAME_SIGNAL_MS } from "../../src/server/process/shutdown.ts";
import { SOAK, soakUnless } from "../support/soak.ts";
import { until } from "../support/until.ts";

const HOME = join(import.meta.dirname, "../..");
const ROOT = join(HOME, "tests/fixtures/modules");
const GRACE_MS = 300;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function start(command: string, args: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), "helios-end-"));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  const flags = { port: 0, "data-dir": join(directory, "data"), "log-dir": join(directory, "logs") };
  const given = { ...flags, "modules-root": ROOT, "grace-ms": GRACE_MS };
  const settings = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(command, [...args, ...settings], {
    cwd: HOME,
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  ends.push(() => kill(-(child.pid ?? 0), "SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const serving = /"url":"([^"]+)".*"msg":"serving"/;
  await until(() => {
    if (child.exitCode !== null) throw new Error(`it ended: ${output}`);
    return serving.test(output);
  });
  return { child, baseUrl: serving.exec(output)?.[1] ?? "", output: () => output };
}

function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** The parent of every process. */
function descendants(pid: number): number[] {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/stat`))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/stat`, "utf8").replace(/^.*\)/s, "").split(" ")[2] === String(pid);
      } catch {
        return false;
      }
    })
    .map(Number);
  return [...children, ...children.flatMap(descendants)];
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

describe.skipIf(process.platform !== "linux")("the process on a signal", () => {
  it(
    "exits with 0 within the grace period and the time for stopping, whatever modules and callers do",
    SOAK,
    async () => {
      const { child, baseUrl, output } = await start(process.execPath, ["src/server/main.ts"]);
      const client: HeliosClient = createHeliosClient({ baseUrl });
      const web = createHeliosClient({ baseUrl, protocol: "grpc-web", httpVersion: "1.1" });
      const add = async (name: string, modulePath: string, more = {}): Promise<void> => {
        await client.modules.registerModule({ name, modulePath, blockTimeout: { seconds: 0n, nanos: 0 }, ...more });
      };
      const long = { startTimeout: { seconds: 600n, nanos: 0 }, callTimeout: { seconds: 3600n, nanos: 0 } };
      const reason = (call: Promise<unknown>): Promise<string | undefined> =>
        call.then(
          () => "answered",
          (error: unknown) => errorInfo(error)?.reason ?? String(error),
        );
      await add("stuck_at_start", "broken/hangs_at_start", long);
      await add("looping_at_start", "broken/loops_at_start", long);
      await add("stuck_at_stop", "broken/hangs_at_stop", { ...long, hotReloadable: true });
      await add("blocking", "blocking", long);
      await add("looping", "blocking", long);
      for (const name of ["stuck_at_stop", "blocking", "looping"]) await client.modules.loadModule({ name });

      const calls = [
        reason(client.modules.loadModule({ name: "stuck_at_start" })),
        reason(web.modules.loadModule({ name: "looping_at_start" })),
        reason(invoke(client, "blocking", "hang")),
        reason(invoke(web, "looping", "loop")),
        reason(client.modules.swapModule({ name: "stuck_at_stop", newVersionPath: "broken/hangs_at_start" })),
        reason(
          client.tests
            .runTests({ name: "blocking", modulePath: "broken/hangs_at_start" })
            [Symbol.asyncIterator]()
            .next(),
        ),
      ];
      const rest = fetch(`${baseUrl}/api/modularity/modules/blocking/invoke/hang`, { method: "POST", body: "{}" });
      const openBody = fetch(`${baseUrl}/api/modularity/modules/blocking/invoke/hang`, {
        method: "POST",
        body: new ReadableStream(),
        duplex: "half",
      } as RequestInit).catch(() => undefined);
      const [status] = [await client.status.getStatus({})];
      expect(status).toBeDefined();
      await until(() => descendants(child.pid ?? 0).length >= 7);
      const family = descendants(child.pid ?? 0);

      child.kill("SIGTERM");
      // npm sends the same signal again.
      child.kill("SIGINT");
      child.kill("SIGTERM");
      expect(await ended(child)).toBe(0);
      expect(await Promise.all(calls.slice(0, 4))).toEqual(Array(4).fill("SERVER_DRAINING"));
      expect((await rest).status).toBe(503);
      await openBody;
      await Promise.allSettled(calls);
      await expect.poll(() => family.filter((pid) => kill(pid, 0)), { timeout: 4000 }).toEqual([]);
      expect(output()).toContain('"stopped"');
      client.close();
      web.close();
    },
  );

  for (const [name, ofGroup, signal] of [
    ["SIGTERM to npm only", false, "SIGTERM"],
    ["Ctrl-C to the whole group, which npm passes on too", true, "SIGINT"],
  ] as const) {
    it(`ends in order under npm start, and leaves nothing behind: ${name}`, soakUnless(ofGroup), async () => {
      const { child, output } = await start("npm", ["start", "--"]);
      const family = descendants(child.pid ?? 0);
      expect(family.length).toBeGreaterThan(0);
      kill(ofGroup ? -(child.pid ?? 0) : (child.pid ?? 0), signal);
      await ended(child);
      await until(() => !family.some((pid) => kill(pid, 0)));
      expect(output()).toContain('"draining"');
      expect(output()).toContain('"stopped"');
    });
  }
});

describe("the shutdown", () => {
  function rig(running: Partial<Parameters<ReturnType<typeof createShutdown>["started"]>[0]> = {}) {
    const clock = createManualClock();
    const done: string[] = [];
    const shutdown = createShutdown({
      clock,
      log: (_, message) => done.push(message),
      flush: async () => void done.push("flushed"),
      exit: (code) => done.push(`exit ${code}`),
      kill: () => done.push("killed"),
    });
    const parts = {
      drain: async () => void done.push("drained"),
      close: async () => void done.push("closed"),
      strandedThreads: () => 0,
      ...running,
    };
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    return { clock, done, shutdown, turn, start: () => shutdown.started(parts) };
  }
  const never = (): Promise<void> => new Promise(() => {});

  it("stops everything in order", async () => {
    const { shutdown, done, turn, start: begin } = rig();
    begin();
    shutdown.signal("SIGTERM");
    await turn();
    expect(done).toEqual(["draining", "drained", "closed", "stopped", "flushed", "exit 0"]);
  });

  it("treats a signal within 2 s as the first one, and a later one as a demand to exit", async () => {
    const { shutdown, clock, done, turn, start: begin } = rig({ drain: never });
    begin();
    shutdown.signal("SIGINT");
    clock.advance(SAME_SIGNAL_MS - 1);
    shutdown.signal("SIGINT");
    await turn();
    expect(done).toEqual(["draining"]);
    clock.advance(1);
    shutdown.signal("SIGTERM");
    await turn();
    expect(done.slice(1)).toEqual(["the process ends at once, because of a second signal", "flushed", "killed"]);
  });

  it.each([
    ["does not close", { close: never }, "exit 0"],
    ["fails to close", { close: () => Promise.reject(new Error("no")) }, "exit 0"],
    ["has threads that cannot be ended", { strandedThreads: () => 1 }, "killed"],
  ])("happens even if something %s", async (_, parts, last) => {
    const { shutdown, clock, done, turn, start: begin } = rig(parts);
    begin();
    shutdown.signal("SIGTERM");
    await turn();
    clock.advance(CLOSE_TIMEOUT_MS);
    await turn();
    expect(done.at(-1)).toBe(last);
  });

  it("a shutdown that is requested before everything has started waits for that, or for a limited time", async () => {
    const early = rig();
    early.shutdown.signal("SIGTERM");
    early.start();
    await early.turn();
    expect(early.done.at(-1)).toBe("exit 0");
    const stuck = rig();
    stuck.shutdown.signal("SIGTERM");
    stuck.clock.advance(CLOSE_TIMEOUT_MS);
    await stuck.turn();
    expect(stuck.done).toEqual(["draining", "flushed", "exit 0"]);
  });
});
