import { afterAll, expect, vi } from "vitest";
import type * as Handler from "../../src/server/http/handler.ts";
import { made } from "./made.ts";

vi.mock("../../src/server/http/handler.ts", async (importOriginal) => {
  const original = await importOriginal<typeof Handler>();
  const { made } = await import("./made.ts");
  return {
    ...original,
    createHandler(options: Handler.HandlerOptions) {
      made.handlers += 1;
      return original.createHandler({ ...options, onlyConnect: true });
    },
  };
});

// A file that starts its servers in another way would test the same path twice.
const before = made.handlers;
afterAll(() => expect(made.handlers).toBeGreaterThan(before));
