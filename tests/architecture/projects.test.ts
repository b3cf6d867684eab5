import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LEFT_OUT, parityFiles } from "../parity/files.ts";
import { EFFORT, isTest, readTestFiles, SLOW, STARTS } from "../projects.ts";
import { filesBelow } from "./imports.ts";

const ROOT = join(import.meta.dirname, "../..");
const { projects, long } = readTestFiles();
const { unit, process: processes, soak } = projects;
/** In two parts, because vitest looks for the whole of it in each file, and would skip this one. */
const SOAK_TAG = ["// @module-tag", "soak\n"].join(" ");

describe("the projects of the tests", () => {
  it("have each test file once", () => {
    const expected = filesBelow(ROOT, "tests").filter(isTest);
    expect([...unit, ...processes, ...soak].toSorted()).toEqual(expected.toSorted());
    for (const files of [unit, processes, soak]) expect(files.length).toBeGreaterThan(20);
  });

  it.each([
    ["tests/kernel/flags/bucket.test.ts", unit],
    ["tests/core/flags/compile.property.test.ts", unit],
    ["tests/core/modules/host/host.test.ts", processes],
    ["tests/wire/rest.test.ts", processes],
    ["tests/core/store/kill.test.ts", processes],
    ["tests/soak/wire/kill.test.ts", soak],
  ])("have %s where a reader expects it", (path, project) => {
    expect(project).toContain(path);
  });

  it("have the tag by which npm run test:soak finds a test in each file of the soak", () => {
    const isTagged = (path: string): boolean => readFileSync(join(ROOT, path), "utf8").startsWith(SOAK_TAG);
    expect(soak.filter((path) => !isTagged(path))).toEqual([]);
  });

  it("name only files that exist", () => {
    const paths = STARTS.filter((one) => typeof one === "string" && one.startsWith("src/")) as readonly string[];
    expect(paths.length).toBeGreaterThan(1);
    expect([...paths, EFFORT, ...SLOW].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe("the long tests", () => {
  it("are those whose effort depends on it, directly or through a helper", () => {
    expect(long).toContain("tests/wire/fuzz.test.ts");
    // Its helper says how often.
    expect(long).toContain("tests/core/store/memory/store.test.ts");
    expect(long).not.toContain("tests/wire/rest.test.ts");
  });
});

describe("the tests that run on both paths", () => {
  it("are those that start servers in their own process, but for the ones that are left out", () => {
    const files = parityFiles();
    expect(files).toContain("tests/wire/protocols.test.ts");
    // Its helper starts the server.
    expect(files).toContain("tests/wire/abuse/frames.test.ts");
    // Its server is a process of its own.
    expect(files).not.toContain("tests/wire/grpc-js.test.ts");
    expect(Object.keys(LEFT_OUT).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});
