import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as client from "../../clients/typescript/src/index.ts";

const ROOT = join(import.meta.dirname, "../..");
const PACKAGE = join(ROOT, "clients/typescript");
const run = promisify(execFile);

/** A user's project, with the published package and its dependencies. */
let project: string;
const installed = (path: string): string => join(project, "node_modules/@helios/client", path);

const PROGRAM = `
import { type BreakerCallOptions, CircuitOpenError, createBreakers, createHeliosClient } from "@helios/client";

const client = createHeliosClient({ baseUrl: "http://127.0.0.1:1" });
const breaker = createBreakers(client).breaker("api", { failureThreshold: 3 });
const options: BreakerCallOptions<number> = { signal: AbortSignal.timeout(100), fallback: () => 1 };
const length: Promise<number> = breaker.call(async (signal: AbortSignal) => (signal.aborted ? 0 : 2), options);
const isOpen = (error: unknown): boolean => error instanceof CircuitOpenError && error.retryAfterMs !== undefined;
export { client, isOpen, length };
`;

const SETTINGS = {
  compilerOptions: { module: "nodenext", target: "es2022", strict: true, noEmit: true, types: ["node"] },
  include: ["program.ts"],
};

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "helios-client-"));
  mkdirSync(installed(""), { recursive: true });
  copyFileSync(join(PACKAGE, "package.json"), installed("package.json"));
  for (const name of ["@bufbuild", "@connectrpc", "@types", "undici-types"])
    symlinkSync(join(ROOT, "node_modules", name), join(project, "node_modules", name));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  writeFileSync(join(project, "program.ts"), PROGRAM);
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(SETTINGS));
  await run(process.execPath, [join(PACKAGE, "build.js"), "--out", installed("dist")]);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the package @helios/client", () => {
  it("contains the files that its package.json names, and publishes their directory", () => {
    const { exports, files } = JSON.parse(readFileSync(installed("package.json"), "utf8"));
    expect(exports).toEqual({ ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } });
    expect(files).toEqual(["dist"]);
    for (const path of Object.values<string>(exports["."]))
      expect([path, existsSync(installed(path))]).toEqual([path, true]);
  });

  it("exports to plain JavaScript everything that its sources export", async () => {
    const print = `console.log(JSON.stringify(Object.keys(await import("@helios/client")).sort()));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", print], { cwd: project });
    expect(JSON.parse(stdout)).toEqual(Object.keys(client).sort());
  });

  it("has types for a strict program that knows nothing of how the package is built", async () => {
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    const problems = await run(tsc, ["-p", project]).catch((error: { stdout?: string }) => error);
    expect(problems.stdout).toBe("");
  });
});

describe("the build of the package", () => {
  it("fails if it cannot write, but does not fail an installation", async () => {
    const file = join(project, "package.json");
    const build = (...more: string[]): Promise<unknown> =>
      run(process.execPath, [join(PACKAGE, "build.js"), "--out", join(file, "dist"), ...more]);
    await expect(build()).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("was not built") });
    await expect(build("--optional")).resolves.toMatchObject({ stderr: expect.stringContaining("was not built") });
  });
});
