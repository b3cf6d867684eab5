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
import { describe, it, type TestContext } from "vitest";
import { SOAK, soakUnless } from "../support/soak.ts";
import { until } from "../support/until.ts";

const MAIN = join(import.meta.dirname, "../../src/server/main.ts");
const ROOT = join(import.meta.dirname, "../fixtures/modules");

/** Calls a function when the test has ended. The tests of this file wait most of the time, and therefore run at the same time. */
type AtEnd = TestContext["onTestFinished"];

function temporary(atEnd: AtEnd): string {
  const directory = mkdtempSync(join(tmpdir(), "helios-places-"));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A full pipe without a reader. */
function fullPipe(atEnd: AtEnd): number {
  const path = join(temporary(atEnd), "fifo");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  atEnd(() => closeSync(fd));
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096));
  } catch {
    // It is full.
  }
  // Opened as a shell does, so that a write blocks.
  const blocking = openSync(path, constants.O_WRONLY);
  atEnd(() => closeSync(blocking));
  return blocking;
}

function brokenPipe(atEnd: AtEnd): number {
  const path = join(temporary(atEnd), "fifo");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  closeSync(reader);
  atEnd(() => closeSync(writer));
  return writer;
}

function fullDisk(atEnd: AtEnd): number {
  const fd = openSync("/dev/full", "a");
  atEnd(() => closeSync(fd));
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
function hungDisk(atEnd: AtEnd): string | undefined {
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
  atEnd(() => {
    // All blocked accesses fail because the disk is gone.
    closeSync(fd);
    spawnSync("umount", ["-l", directory]);
    rmdirSync(directory);
  });
  return mount.status === 0 ? directory : undefined;
}

describe.skipIf(process.platform !== "linux")("a server whose log disk hangs", { concurrent: true }, () => {
  it("answers calls, and ends nevertheless", SOAK, async ({ skip, onTestFinished: atEnd, expect }) => {
    const disk = hungDisk(atEnd);
    if (disk === undefined) return skip("only root makes such a disk");
    const flags = { "--port": "0", "--data-dir": temporary(atEnd), "--modules-root": ROOT, "--log-dir": disk };
    const child = spawn(process.execPath, [MAIN, ...Object.entries(flags).flat()], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    atEnd(() => void child.kill("SIGKILL"));
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

describe.skipIf(process.platform !== "linux")("a server whose log output no one reads", { concurrent: true }, () => {
  for (const [name, output, problem] of [
    ["a full disk", fullDisk, "ENOSPC"],
    ["a full pipe", fullPipe, ""],
    ["a pipe whose reader has gone", brokenPipe, "EPIPE"],
  ] as const) {
    const options = soakUnless(name === "a full pipe");
    it(`answers calls, and ends in order: ${name}`, options, async ({ onTestFinished: atEnd, expect }) => {
      const directory = temporary(atEnd);
      const flags = { "--port": "0", "--data-dir": directory, "--log-level": "debug", "--modules-root": ROOT };
      // The log files have the same problem.
      const args = Object.entries({ ...flags, "--log-dir": "/dev/full/logs" }).flat();
      const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", output(atEnd), "inherit"] });
      atEnd(() => void child.kill("SIGKILL"));
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
  }
});
