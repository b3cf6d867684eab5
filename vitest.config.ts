import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const EVERYTHING = ["tests/**/*.test.ts"];
const ELSEWHERE = ["tests/foreign/**", "**/node_modules/**"];
/** What looks at the memory, the threads, the children or the open files of its whole process. */
const ALONE = [
  "tests/core/modules/swap/matrix/*.test.ts",
  "tests/core/modules/host/alone/*.test.ts",
  "tests/core/modules/realistic/*.test.ts",
  "tests/server/config/source-file.test.ts",
  "tests/wire/stream-bodies.test.ts",
  "tests/wire/watch.test.ts",
  "tests/wire/watch-faults.test.ts",
];
/** Those that take 10 s and more: begun last, one of them would run when all others are done. */
const SLOW = [
  "tests/core/modules/swap/matrix/candidate.test.ts",
  "tests/core/modules/realistic/realistic.test.ts",
  "tests/core/modules/swap/matrix/acting.test.ts",
  "tests/core/modules/host/alone/memory.test.ts",
  "tests/wire/watch-faults.test.ts",
  "tests/core/modules/swap/matrix/old.test.ts",
  "tests/wire/readme.test.ts",
  "tests/core/modules/host/host.test.ts",
  "tests/wire/swap-kill.test.ts",
  "tests/wire/acting-kill.test.ts",
  "tests/core/testing/suites/suites.test.ts",
  "tests/wire/drain.test.ts",
  "tests/wire/at-most-once.test.ts",
  "tests/wire/kill.test.ts",
  "tests/wire/readme-code.test.ts",
  "tests/wire/module-ends.test.ts",
  "tests/wire/shutdown.test.ts",
];

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
    sequence: { sequencer: SlowFirst },
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
