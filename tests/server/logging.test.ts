import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLogging } from "../../src/server/logging.ts";

function setUp(
  level: "debug" | "info" | "warn" = "info",
  directory = join(mkdtempSync(join(tmpdir(), "helios-logs-")), "logs"),
) {
  const lines: string[] = [];
  const output = { write: (line: string) => void lines.push(line) };
  const logging = createLogging({ level, directory, terminal: false, output });
  const entries = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const file = (name: string) => (existsSync(join(directory, name)) ? readFileSync(join(directory, name), "utf8") : "");
  return { ...logging, entries, file };
}

describe("the logs", () => {
  it("are JSON on the output, with area, level, time and fields", () => {
    const { log, server, entries } = setUp();
    log("flags", "info", "flag changed", { name: "a" });
    server("warn", "draining");
    expect(entries()).toMatchObject([
      { area: "flags", level: 30, msg: "flag changed", name: "a", time: expect.stringMatching(/^\d{4}-.*Z$/) },
      { area: "server", level: 40, msg: "draining" },
    ]);
  });

  it("are in the file of their area too, and in no other", () => {
    const { log, server, file } = setUp();
    log("modules", "info", "of a module");
    log("flags", "info", "of a flag");
    log("breakers", "info", "of a breaker");
    log("testing", "info", "of a test");
    server("info", "of the server");
    const messages = (name: string) =>
      file(name)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).msg);
    expect(messages("module_loader.log")).toEqual(["of a module"]);
    expect(messages("feature_flags.log")).toEqual(["of a flag"]);
    expect(messages("circuit_breaker.log")).toEqual(["of a breaker"]);
  });

  it("leave out what is below the level", () => {
    const { log, entries, file } = setUp("warn");
    log("flags", "info", "quiet");
    log("flags", "warn", "loud");
    expect(entries().map(({ msg }) => msg)).toEqual(["loud"]);
    expect(file("feature_flags.log")).not.toContain("quiet");
  });

  it("do without files where the directory cannot be written, and say so", () => {
    const occupied = join(mkdtempSync(join(tmpdir(), "helios-logs-")), "logs");
    writeFileSync(occupied, "a file");
    const { log, entries } = setUp("info", occupied);
    log("flags", "info", "still told");
    expect(entries()).toMatchObject([
      { msg: expect.stringContaining("no log files"), directory: occupied },
      { msg: "still told" },
    ]);
  });
});
