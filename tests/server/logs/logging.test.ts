import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createManualClock, systemClock } from "../../../src/core/index.ts";
import { MAX_LOG_LINE_BYTES } from "../../../src/server/logs/line.ts";
import { createLogging, type Logging, type LoggingOptions } from "../../../src/server/logs/logging.ts";
import { type Destination, Sink } from "../../../src/server/logs/sink.ts";
import { turn, turns } from "../../support/turns.ts";
import { until } from "../../support/until.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are control sequences of terminals.
const COLOUR = /\u001b\[\d+m/g;

const opened: Logging[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((logging) => logging.close()));
});

function setUp(
  level: "debug" | "info" | "warn" = "info",
  directory = join(mkdtempSync(join(tmpdir(), "helios-logs-")), "logs"),
  options: Partial<LoggingOptions> = {},
) {
  let text = "";
  const output: Destination = {
    name: "output",
    async write(bytes) {
      text += Buffer.from(bytes).toString();
      return bytes.length;
    },
  };
  const logging = createLogging({ level, directory, terminal: false, output, ...options });
  opened.push(logging);
  const lines = () => text.split("\n").slice(0, -1);
  const entries = () => lines().map((line) => JSON.parse(line) as Record<string, unknown>);
  const file = (name: string) => (existsSync(join(directory, name)) ? readFileSync(join(directory, name), "utf8") : "");
  return { ...logging, directory, lines, text: () => text, entries, file };
}

describe("the logs", () => {
  it("are JSON on standard output, with area, level, time and fields", async () => {
    const { log, server, entries, flush } = setUp();
    log("flags", "info", "flag changed", { name: "a" });
    server("warn", "draining");
    await flush();
    expect(entries()).toMatchObject([
      { area: "flags", level: 30, msg: "flag changed", name: "a", time: expect.stringMatching(/^\d{4}-.*Z$/) },
      { area: "server", level: 40, msg: "draining" },
    ]);
  });

  it.skipIf(process.platform === "win32")(
    "say at once that a pipe in the place of a log file has no reader, and block no thread",
    async () => {
      const directory = mkdtempSync(join(tmpdir(), "helios-logs-"));
      for (const name of ["module_loader.log", "feature_flags.log", "circuit_breaker.log"]) {
        execFileSync("mkfifo", [join(directory, name)]);
      }
      const { log, status, flush } = setUp("info", directory);
      for (const area of ["modules", "flags", "breakers"] as const) log(area, "info", "a line");
      await flush(200);
      const problems = status().filter(({ problem }) => problem !== undefined);
      expect(problems.map(({ name, problem }) => [name, problem?.split(":")[0]])).toEqual(
        ["module_loader.log", "feature_flags.log", "circuit_breaker.log"].map((name) => [name, "ENXIO"]),
      );
      const reader = openSync(join(directory, "feature_flags.log"), constants.O_RDONLY | constants.O_NONBLOCK);
      await flush(500);
      const read = Buffer.alloc(4096);
      expect(read.toString("utf8", 0, readSync(reader, read))).toContain("a line");
      closeSync(reader);
    },
  );

  it("go also to the file of their area, and to no other", async () => {
    const { log, server, file, flush } = setUp();
    log("modules", "info", "of a module");
    log("flags", "info", "of a flag");
    log("breakers", "info", "of a breaker");
    log("testing", "info", "of a test");
    server("info", "of the server");
    await flush();
    const messages = (name: string) =>
      file(name)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).msg);
    expect(messages("module_loader.log")).toEqual(["of a module"]);
    expect(messages("feature_flags.log")).toEqual(["of a flag"]);
    expect(messages("circuit_breaker.log")).toEqual(["of a breaker"]);
  });

  it("omit entries below the level", async () => {
    const { log, entries, file, flush } = setUp("warn");
    log("flags", "info", "quiet");
    log("flags", "warn", "loud");
    await flush();
    expect(entries().map(({ msg }) => msg)).toEqual(["loud"]);
    expect(file("feature_flags.log")).not.toContain("quiet");
  });

  it("go on if a file cannot be written, report that, count dropped entries, and report the recovery", async () => {
    const occupied = join(mkdtempSync(join(tmpdir(), "helios-logs-")), "logs");
    writeFileSync(occupied, "a file");
    const { log, entries, status, flush, file } = setUp("info", occupied);
    const long = "x".repeat(60_000);
    for (let index = 0; index < 200; index += 1) {
      log("flags", "info", `${index} ${long}`);
      await turn();
    }
    await flush(200);
    const reported = entries().filter(({ area }) => area === "server");
    expect(reported.map(({ log: name, level }) => [name, level]).sort()).toEqual([
      ["circuit_breaker.log", 50],
      ["feature_flags.log", 50],
      ["module_loader.log", 50],
    ]);
    expect(entries().filter(({ area }) => area === "flags")).toHaveLength(200);
    const dropped = status().find(({ name }) => name === "feature_flags.log")?.dropped ?? 0;
    expect(dropped).toBeGreaterThan(50);

    rmSync(occupied);
    await flush();
    // The other logs had no entries. Each is retried within a second.
    await until(() => status().every(({ problem }) => problem === undefined));
    const written = file("feature_flags.log").trim().split("\n");
    expect(written).toHaveLength(200 - dropped + 1);
    expect(JSON.parse(written.at(-1) ?? "")).toMatchObject({ level: 40, dropped, msg: "lines were dropped here" });
    await flush();
    expect(entries().at(-1)).toMatchObject({ msg: "a log is written again" });
  });

  it.skipIf(process.platform !== "linux")("say at once that their directory cannot be created", async () => {
    const { status, entries, close } = setUp("info", "/proc/x/y");
    await until(() => status().every(({ name, problem }) => name === "output" || problem !== undefined));
    await close();
    expect(entries()).toHaveLength(3);
    for (const { problem } of entries()) expect(problem).toMatch(/ENOENT.*\/proc\/x/);
  });

  it("rotate by size, keep the configured number of files, and lose no line", async () => {
    const { log, directory, flush } = setUp("info", undefined, { maxBytes: 2000, keep: 3 });
    for (let index = 0; index < 100; index += 1) {
      log("flags", "info", `line ${index}`);
      if (index % 7 === 0) await flush();
    }
    await flush();
    const names = readdirSync(directory).filter((name) => name.startsWith("feature_flags"));
    expect(names.sort()).toEqual(["", ".1", ".2", ".3"].map((end) => `feature_flags.log${end}`));
    const texts = ["3", "2", "1"].map((end) => readFileSync(join(directory, `feature_flags.log.${end}`), "utf8"));
    texts.push(readFileSync(join(directory, "feature_flags.log"), "utf8"));
    for (const text of texts) expect(text.length).toBeLessThanOrEqual(2000);
    const numbers = texts.flatMap((text) => [...text.matchAll(/line (\d+)/g)].map(([, number]) => Number(number)));
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 100 - numbers.length + index));
  });

  it("go to a new file if somebody has deleted the directory or moved the file", async () => {
    const clock = createManualClock();
    const { log, directory, file, flush } = setUp("info", undefined, {
      clock: { ...systemClock, monotonic: clock.monotonic },
    });
    log("flags", "info", "before");
    await flush();
    // Detected at once: lines that are written to a deleted file are lost.
    rmSync(directory, { recursive: true });
    log("flags", "info", "after");
    await flush();
    expect(file("feature_flags.log")).toContain("after");
    renameSync(join(directory, "feature_flags.log"), join(directory, "moved"));
    clock.advance(1000);
    log("flags", "info", "later");
    await flush();
    expect(file("feature_flags.log")).not.toContain("after");
  });

  it.skipIf(process.platform === "win32")("rotate only ordinary files, and count the size of no other", async () => {
    const directory = mkdtempSync(join(tmpdir(), "helios-logs-"));
    const fifo = join(directory, "feature_flags.log");
    execFileSync("mkfifo", [fifo]);
    symlinkSync("/dev/null", join(directory, "module_loader.log"));
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const { log, status, flush } = setUp("info", directory, { maxBytes: 1000, keep: 2 });
    const read = Buffer.alloc(65_536);
    for (let index = 0; index < 30; index += 1) {
      log("flags", "info", `line ${index}`);
      log("modules", "info", `line ${index}`);
      await flush();
      expect(read.toString("utf8", 0, readSync(reader, read))).toContain(`line ${index}"`);
    }
    expect(status().map(({ problem }) => problem)).toEqual([undefined, undefined, undefined, undefined]);
    const names = ["circuit_breaker.log", "feature_flags.log", "module_loader.log"];
    expect(readdirSync(directory).sort()).toEqual(names);
    closeSync(reader);
  });

  it("have one line per entry for any contents, and send no control sequences to a terminal", async () => {
    const hostile = fc.string({
      unit: fc.constantFrom(
        "\n",
        "\r",
        "\u001b[2J",
        "\u009b31m",
        "\u2028",
        "\u0085",
        "\u202e",
        "\\",
        '"',
        "\\n",
        "\0",
        "\ud800",
        "a",
      ),
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(hostile, hostile, fc.boolean(), async (message, value, terminal) => {
        const { log, text, flush, directory, file } = setUp("info", undefined, { terminal });
        log("flags", "info", `m${message}`, {
          [`k${value}`]: { deep: [value] },
          level: 10,
          area: "server",
          time: value,
        });
        await flush();
        const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202e]/u;
        // On a terminal the logger itself adds colours, and a line for each field.
        const shown = terminal ? text().replace(COLOUR, "").replaceAll("\n", "") : text().slice(0, -1);
        expect(shown).not.toMatch(unsafe);
        expect(file("feature_flags.log").slice(0, -1)).not.toMatch(unsafe);
        const entry = JSON.parse(file("feature_flags.log")) as Record<string, unknown>;
        expect(entry).toMatchObject({ level: 30, area: "flags", field_level: 10, field_area: "server" });
        rmSync(directory, { recursive: true });
      }),
      { numRuns: 40 },
    );
  });

  it("are cut if they are too long, and written even if a field cannot be", async () => {
    const { log, lines, entries, flush } = setUp();
    log("modules", "warn", "é".repeat(3_000_000), { deep: "\u009b".repeat(100_000) });
    log("modules", "warn", "unreadable", {
      get field(): never {
        throw new Error("not to be read");
      },
    });
    await flush();
    expect(Math.max(...lines().map((line) => Buffer.byteLength(line) + 1))).toBeLessThanOrEqual(MAX_LOG_LINE_BYTES);
    expect(entries()).toMatchObject([
      { level: 40, area: "modules", msg: expect.stringMatching(/^é+$/), bytes: expect.any(Number) },
      { level: 40, area: "modules", msg: "unreadable" },
    ]);
  });
});

describe("a log target that accepts no lines", () => {
  const SMALL = { notice: (dropped: number) => `dropped ${dropped}\n`, maxBytes: 1000 };

  it.each(["EAGAIN", "ENOSPC", "EIO", "EPIPE", "EROFS", "EBADF"])(
    "for %s: lines wait in bounded memory, the others are counted, and all is reported once it accepts some",
    async (code) => {
      const clock = createManualClock();
      let text = "";
      let takes = 0;
      const changed: (string | undefined)[] = [];
      const write = async (bytes: Uint8Array): Promise<number> => {
        if (takes === 0) throw Object.assign(new Error(code), { code });
        const taken = Math.min(takes, bytes.length);
        text += Buffer.from(bytes.subarray(0, taken)).toString();
        return taken;
      };
      const sink = new Sink({
        ...SMALL,
        clock,
        destination: { name: "it", write },
        changed: ({ problem }) => changed.push(problem),
      });
      for (let index = 0; index < 1000; index += 1) sink.write(`line ${String(index).padStart(4, "0")}\n`);
      // Time passes with several retries.
      for (let step = 0; step < 600; step += 1) {
        clock.advance(10);
        await turn();
      }
      expect(sink.status).toEqual({ name: "it", dropped: 900, problem: expect.any(String) });
      expect(changed).toHaveLength(1);
      takes = 7;
      clock.advance(1000);
      await turns(300);
      const expected = Array.from({ length: 100 }, (_, index) => `line ${String(index).padStart(4, "0")}\n`).join("");
      expect(text).toBe(`${expected}dropped 900\n`);
      expect(sink.status).toEqual({ name: "it", dropped: 900, problem: undefined });
      expect(changed).toEqual([expect.any(String), undefined]);
    },
  );

  it("does not block the service or its end, even if it never answers", async () => {
    const sink = new Sink({
      ...SMALL,
      clock: systemClock,
      destination: { name: "it", write: () => new Promise(() => {}) },
    });
    for (let index = 0; index < 1000; index += 1) sink.write("a line\n");
    expect(await sink.flush(20)).toBe(false);
    expect(sink.status.dropped).toBeGreaterThan(800);
  });
});
