import { defineConfig } from "vitest/config";
import { TAGS } from "../projects.ts";
import { parityFiles } from "./files.ts";

// The tests of the wire once more, on servers that pass every call to Connect: setup.ts tells them to.
export default defineConfig({
  test: {
    include: [...parityFiles(), "tests/parity/*.test.ts"],
    setupFiles: ["tests/parity/setup.ts"],
    isolate: false,
    tags: TAGS,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 3,
  },
});
