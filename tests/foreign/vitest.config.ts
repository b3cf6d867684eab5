import { defineConfig } from "vitest/config";

// Needs what a machine with Node alone may not have: `npm run test:foreign` looks whether it is there.
export default defineConfig({
  test: { include: ["tests/foreign/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000, maxWorkers: 2 },
});
