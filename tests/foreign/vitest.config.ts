import { defineConfig } from "vitest/config";

// These tests need programs beyond Node. `npm run test:foreign` checks for them.
export default defineConfig({
  test: { include: ["tests/foreign/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000, maxWorkers: 2 },
});
