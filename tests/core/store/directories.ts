import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const made: string[] = [];

afterAll(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A new directory, which is removed after the tests of the file. */
export function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "helios-store-"));
  made.push(directory);
  return directory;
}

/** The digests of the database's files, by name. A directory with equal digests was not changed. */
export function digests(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => name.startsWith("helios.db"));
  const digest = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(directory, name)))
      .digest("hex");
  return Object.fromEntries(names.sort().map((name) => [name, digest(name)]));
}
