import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { IS_LONG } from "./tests/effort.ts";
import { readTestFiles, SLOW, TAGS } from "./tests/projects.ts";

const { projects, long } = readTestFiles();
const { process: processes, soak } = projects;
const EVERYTHING = ["tests/**/*.test.ts"];
const ELSEWHERE = ["tests/foreign/**", "tests/parity/**", "**/node_modules/**"];

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const slow = SLOW.flatMap((path) => sorted.filter(({ moduleId }) => moduleId.endsWith(`/${path}`)));
    const others = sorted.filter((file) => !slow.includes(file));
    const projects = new Set(sorted.map(({ project }) => project));
    return [...projects].flatMap((one) => [...slow, ...others].filter(({ project }) => project === one));
  }
}

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Tests start real servers and module processes, and wait for them: three files at a time are what two cores carry.
    maxWorkers: 3,
    // The servers that tests start find here what the first of them has compiled.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    tags: TAGS,
    sequence: { sequencer: SlowFirst },
    // tests/projects.ts says what is in each. To start a process and to load all code anew for each file takes longer than
    // most files do; those of `soak` look at the memory, the threads and the children of their whole process.
    projects: [
      {
        extends: true,
        test: { name: "unit", isolate: false, include: EVERYTHING, exclude: [...ELSEWHERE, ...processes, ...soak] },
      },
      { extends: true, test: { name: "process", isolate: false, include: [...processes] } },
      { extends: true, test: { name: "soak", include: [...soak] } },
      ...(IS_LONG ? [{ extends: true as const, test: { name: "long", include: [...long] } }] : []),
    ],
  },
});
