import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts", "clients/typescript/**/*.test.ts"],
    exclude: ["tests/foreign/**", "node_modules/**"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Tests start real servers and module processes: two files at a time is what two cores carry.
    maxWorkers: 2,
  },
});
