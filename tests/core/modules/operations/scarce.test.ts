import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { SOAK } from "../../../support/soak.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("../../../fixtures/scarce/main.ts", import.meta.url));

const source = (version: string): string =>
  `export default class A { static version = "${version}"; exit() { process.exit(1); } }`;

/** Code whose files are found in each of the possible ways. */
const FILES: Readonly<Record<string, string>> = {
  "a.js": source("1"),
  "b.js": source("2"),
  "packaged.js": `import { v } from "typed"; import w from "./lib.cjs"; ${source("3").replace("exit", "v = v + w; exit")}`,
  "lib.cjs": `module.exports = require("plain");`,
  "node_modules/typed/package.json": `{"name":"typed","type":"module","exports":"./index.js"}`,
  "node_modules/typed/index.js": "export const v = 1;",
  "node_modules/plain/package.json": `{"name":"plain","main":"./main.js"}`,
  "node_modules/plain/main.js": "module.exports = 1;",
};

describe("a service that has no file descriptors left", () => {
  it("reports a fault of the machine and not of the modules, keeps the swap_id free, and recovers", {
    ...SOAK,
    timeout: 120_000,
  }, async () => {
    const directory = await mkdtemp(join(tmpdir(), "helios-scarce-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
    for (const [path, text] of Object.entries(FILES)) {
      const file = join(directory, "modules", path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    const args = [SCRIPT, join(directory, "modules"), join(directory, "data")];
    const limited = `ulimit -n 160; exec "$0" "$@"`;
    const { stdout } = await run("bash", ["-c", limited, process.execPath, ...args]);
    const { scarce, state, plenty } = JSON.parse(stdout);
    const expected = { reason: "MACHINE_FAULT", code: "UNAVAILABLE", retryable: true, isOfFiles: true };
    for (const isolation of ["PROCESS", "THREAD"]) {
      for (const what of ["register", "load", "swap"]) {
        expect([what, scarce[`${what} ${isolation}`]]).toEqual([what, expected]);
        expect([what, plenty[`${what} ${isolation}`]]).toEqual([what, what === "swap" ? { swapped: true } : "done"]);
      }
      expect(scarce[`roll back ${isolation}`]).toEqual({ swapped: false, failedStep: "start" });
      expect(plenty[`roll back ${isolation}`]).toEqual({ swapped: true });
    }
    expect(["FAILED", "LOADING"]).toContain(state);
  });
});
