import { join } from "node:path";
import { defineConfig } from "vitest/config";

const EVERYTHING = ["tests/**/*.test.ts", "clients/typescript/**/*.test.ts"];
const ELSEWHERE = ["tests/foreign/**", "**/node_modules/**"];
/** What looks at the memory, the threads, the children or the open files of its whole process. */
const ALONE = [
  "tests/core/modules/matrix/*.test.ts",
  "tests/core/modules/host-*.test.ts",
  "tests/wire/watch.test.ts",
  "tests/wire/watch-faults.test.ts",
];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Tests start real servers and module processes: two files at a time is what two cores carry.
    maxWorkers: 2,
    // The servers that tests start find here what the first of them has compiled.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    projects: [
      { extends: true, test: { name: "alone", include: ALONE, exclude: ELSEWHERE } },
      // To start a process and to load all code anew for each file takes longer than most files do.
      {
        extends: true,
        test: { name: "together", isolate: false, include: EVERYTHING, exclude: [...ELSEWHERE, ...ALONE] },
      },
    ],
  },
});
