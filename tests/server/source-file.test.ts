import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sourceFile, utf8 } from "../../src/server/source-file.ts";

describe("a file of flags or modules", () => {
  it("is read as it was written, whatever it says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8(new TextEncoder().encode(text))).toBe(text);
      }),
    );
    expect(utf8(Buffer.from("\ufeff{}"))).toBe("\ufeff{}");
  });

  it.each([
    ["Latin-1", Buffer.from('{\n"J\xfcrg": true}', "latin1"), 2],
    ["UTF-16", Buffer.from("\ufeff{}", "utf16le"), 1],
    ["after what was damaged before", Buffer.concat([Buffer.from("\ufffd\n"), Buffer.of(0xc3)]), 2],
    ["cut in a character", Buffer.from("a\nb\nü").subarray(0, 5), 3],
  ])("is refused with the line where it is not UTF-8: %s", async (_, bytes, line) => {
    const directory = mkdtempSync(join(tmpdir(), "helios-source-"));
    const name = join(directory, "flags.json");
    writeFileSync(name, bytes);
    await expect(sourceFile(name, () => {}).read()).rejects.toThrow(`line ${line} is not UTF-8`);
    rmSync(directory, { recursive: true });
  });

  it("is nothing where it is missing, which is logged once", async () => {
    const logged: string[] = [];
    const file = sourceFile("/nowhere/flags.json", (level, message) => logged.push(`${level} ${message}`));
    expect([await file.read(), await file.read()]).toEqual([undefined, undefined]);
    expect(logged).toEqual(["warn there is no such file"]);
  });
});
