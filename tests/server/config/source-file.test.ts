import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../../src/core/index.ts";
import { MAX_SOURCE_BYTES, SOURCE_TIMEOUT_MS, sourceFile, utf8 } from "../../../src/server/config/source-file.ts";
import { anyCharacter } from "../../support/texts.ts";
import { turn } from "../../support/turns.ts";

describe("a file of flags or modules", () => {
  it("is read as it was written, whatever its contents", () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        expect(utf8(new TextEncoder().encode(text))).toBe(text);
      }),
    );
    expect(utf8(Buffer.from("\ufeff{}"))).toBe("\ufeff{}");
  });

  it.each([
    ["Latin-1", Buffer.from('{\n"J\xfcrg": true}', "latin1"), 2],
    ["UTF-16", Buffer.from("\ufeff{}", "utf16le"), 1],
    ["after a replacement character in the text", Buffer.concat([Buffer.from("\ufffd\n"), Buffer.of(0xc3)]), 2],
    ["truncated inside a character", Buffer.from("a\nb\nü").subarray(0, 5), 3],
  ])("is refused with the line if it is not UTF-8: %s", async (_, bytes, line) => {
    const directory = mkdtempSync(join(tmpdir(), "helios-source-"));
    const name = join(directory, "flags.json");
    writeFileSync(name, bytes);
    await expect(sourceFile(name, () => {}).read()).rejects.toThrow(`line ${line} is not UTF-8`);
    rmSync(directory, { recursive: true });
  });

  it("reads as undefined if it is missing, which is logged once", async () => {
    const logged: string[] = [];
    const file = sourceFile("/nowhere/flags.json", (level, message) => logged.push(`${level} ${message}`));
    expect([await file.read(), await file.read()]).toEqual([undefined, undefined]);
    expect(logged).toEqual(["warn there is no such file"]);
  });

  it("is read up to its limit, whatever its reported size is", async () => {
    const name = join(mkdtempSync(join(tmpdir(), "helios-source-")), "flags.json");
    const file = sourceFile(name, () => {});
    writeFileSync(name, "{}");
    truncateSync(name, MAX_SOURCE_BYTES);
    expect(await file.read()).toHaveLength(MAX_SOURCE_BYTES);
    truncateSync(name, 400 * 1024 * 1024);
    await expect(file.read()).rejects.toThrow(`it has more than ${MAX_SOURCE_BYTES} bytes`);
    rmSync(name);
    if (process.platform !== "linux") return;
    // It reports a size of 0 bytes.
    symlinkSync("/proc/self/status", name);
    expect(await file.read()).toContain("VmRSS");
  });

  it.skipIf(process.platform !== "linux")("is read only if it is an ordinary file", async () => {
    const directory = mkdtempSync(join(tmpdir(), "helios-source-"));
    const name = join(directory, "flags.json");
    const file = sourceFile(name, () => {});
    execFileSync("mkfifo", [name]);
    // More reads than there are threads.
    const pipes = await Promise.allSettled(Array.from({ length: 20 }, () => file.read()));
    expect(pipes.every((read) => read.status === "rejected" && read.reason.message === "it is not a file")).toBe(true);
    writeFileSync(`${name}.new`, "{}");
    await rename(`${name}.new`, name);
    expect(await file.read()).toBe("{}");
    for (const other of ["/dev/zero", directory]) {
      rmSync(name);
      symlinkSync(other, name);
      await expect(file.read()).rejects.toThrow("it is not a file");
    }
    rmSync(directory, { recursive: true });
  });

  it.skipIf(process.platform !== "linux")(
    "times out if the file system does not answer, and is read again only after it has answered",
    async () => {
      const directory = mkdtempSync(join(tmpdir(), "helios-source-"));
      const [name, pipe] = [join(directory, "flags.json"), join(directory, "pipe")];
      writeFileSync(name, "{}");
      execFileSync("mkfifo", [pipe]);
      const underWay = (): number => process.getActiveResourcesInfo().filter((kind) => kind.startsWith("FSReq")).length;
      const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
      // No one writes to the pipe, so these reads occupy every thread that opens files.
      const holding = Array.from({ length: threads }, () => open(pipe));
      const clock = createManualClock();
      const file = sourceFile(name, () => {}, clock);
      const first = file.read();
      await turn();
      const held = underWay();
      const reads = Promise.allSettled([first, file.read()]);
      clock.advance(SOURCE_TIMEOUT_MS);
      const late = file.read();
      clock.advance(SOURCE_TIMEOUT_MS);
      for (const read of [...(await reads), ...(await Promise.allSettled([late]))]) {
        expect(read).toMatchObject({ reason: new Error("the file system did not return it within 5000 ms") });
      }
      expect(underWay()).toBeLessThanOrEqual(held);
      const release = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      for (const held of await Promise.all(holding)) await held.close();
      let text: string | undefined;
      while (text === undefined) {
        await turn();
        text = await file.read().catch(() => undefined);
      }
      expect(text).toBe("{}");
      closeSync(release);
      rmSync(directory, { recursive: true });
    },
  );
});

describe.skipIf(process.platform === "win32")("the end of the process", () => {
  it.each([
    ["in order if no thread is blocked", "", 1, { status: 3, signal: null }],
    [
      "nevertheless if a thread is blocked",
      "open(process.argv[1], () => {});",
      100,
      { status: null, signal: "SIGKILL" },
    ],
  ])("happens %s", (_, before, speed, expected) => {
    const directory = mkdtempSync(join(tmpdir(), "helios-end-"));
    const pipe = join(directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    const module = join(import.meta.dirname, "../../../src/server/process/end.ts");
    const code = `import { open } from "node:fs"; import { endProcess } from ${JSON.stringify(module)};
      ${before} const hurry = (delayMs, run) => setTimeout(run, delayMs);
      endProcess(3, { monotonic: () => ${speed} * performance.now(), setTimer: hurry }, async () => {});`;
    const { status, signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code, pipe]);
    expect({ status, signal, stderr: stderr.toString() }).toEqual({ ...expected, stderr: "" });
    rmSync(directory, { recursive: true });
  });
});
