import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../support/until.ts";

const MAIN = join(import.meta.dirname, "../../src/server/main.ts");
const ROOT = join(import.meta.dirname, "../fixtures/modules");

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "helios-places-"));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A full pipe without a reader. */
function fullPipe(): number {
  const path = join(temporary(), "fifo");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  ends.push(() => closeSync(fd));
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096));
  } catch {
    // It is full.
  }
  // Opened as a shell does, so that a write blocks.
  const blocking = openSync(path, constants.O_WRONLY);
  ends.push(() => closeSync(blocking));
  return blocking;
}

function brokenPipe(): number {
  const path = join(temporary(), "fifo");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  closeSync(reader);
  ends.push(() => closeSync(writer));
  return writer;
}

function open(path: string): number {
  const fd = openSync(path, "a");
  ends.push(() => closeSync(fd));
  return fd;
}

/** The port at which a process listens, once it does. Its output cannot be read. */
function portOf(pid: number): number | undefined {
  const LISTENS = "0A";
  const sockets = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
    } catch {
      return undefined;
    }
  });
  const lines = readFileSync(`/proc/${pid}/net/tcp`, "latin1").split("\n").slice(1);
  for (const line of lines) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === LISTENS && sockets.includes(inode)) return Number.parseInt(local.split(":")[1] ?? "", 16);
  }
  return undefined;
}

/** A disk that does not answer any more, so that every access blocks. Only root can create one. */
function hungDisk(): string | undefined {
  let fd: number;
  try {
    fd = openSync("/dev/fuse", constants.O_RDWR);
  } catch {
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), "helios-hung-"));
  // No one reads the kernel's requests from this descriptor.
  const options = "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other";
  const mount = spawnSync("mount", ["-i", "-t", "fuse", "-o", options, "none", directory], {
    stdio: ["ignore", "ignore", "ignore", fd],
  });
  ends.push(() => {
    // All blocked accesses fail because the disk is gone.
    closeSync(fd);
    spawnSync("umount", ["-l", directory]);
    rmdirSync(directory);
  });
  return mount.status === 0 ? directory : undefined;
}

describe.skipIf(process.platform !== "linux")("a server whose log disk hangs", () => {
  it("answers calls, and ends nevertheless", async ({ skip }) => {
    const disk = hungDisk();
    if (disk === undefined) return skip("only root makes such a disk");
    const flags = { "--port": "0", "--data-dir": temporary(), "--modules-root": ROOT, "--log-dir": disk };
    const child = spawn(process.execPath, [MAIN, ...Object.entries(flags).flat()], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    ends.unshift(() => child.kill("SIGKILL"));
    let output = "";
    const { promise: serving, resolve } = Promise.withResolvers<void>();
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
      if (output.includes('"serving"')) resolve();
    });
    await serving;
    const [, url = ""] = /"url":"([^"]+)"/.exec(output) ?? [];
    for (let call = 0; call < 20; call += 1) {
      expect((await fetch(`${url}/api/modularity/feature-flags`)).status).toBe(200);
    }
    const closed = once(child, "close");
    child.kill("SIGTERM");
    expect(await closed).toEqual([null, "SIGKILL"]);
    expect(output).toContain('"stopped"');
    expect(output).toContain("the disk of a log file does not answer");
  });
});

describe.skipIf(process.platform !== "linux")("a server whose log output no one reads", () => {
  it.each([
    ["a full disk", () => open("/dev/full"), "ENOSPC"],
    ["a full pipe", fullPipe, ""],
    ["a pipe whose reader has gone", brokenPipe, "EPIPE"],
  ])("answers calls, and ends in order: %s", async (_, output, problem) => {
    const directory = temporary();
    const flags = { "--port": "0", "--data-dir": directory, "--log-level": "debug", "--modules-root": ROOT };
    // The log files have the same problem.
    const args = Object.entries({ ...flags, "--log-dir": "/dev/full/logs" }).flat();
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", output(), "inherit"] });
    ends.push(() => child.kill("SIGKILL"));
    let url = "";
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`exit code ${child.exitCode}`);
      const port = portOf(child.pid ?? 0);
      if (port === undefined) return false;
      url = `http://127.0.0.1:${port}`;
      return (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200;
    });
    for (let call = 0; call < 50; call += 1) {
      expect((await fetch(`${url}/api/modularity/feature-flags`)).status).toBe(200);
    }
    const readiness = (await (await fetch(`${url}/readyz`)).json()) as {
      degraded: { what: string; problem: string }[];
    };
    expect(readiness).toMatchObject({ status: "ready" });
    expect(JSON.stringify(readiness)).toContain("module_loader.log");
    if (problem !== "") expect(JSON.stringify(readiness)).toContain(problem);
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });
});
