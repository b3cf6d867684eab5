import { describe, expect, it } from "vitest";
import { isDeaf } from "../../../../../src/core/modules/host/wire/backlog.ts";

const MIB = 1024 * 1024;

describe("an instance that does not read its messages", () => {
  it.each<[string, boolean, { messages: number; bytes: number }]>([
    ["is treated as deaf at a limit of messages", true, { messages: 131_072, bytes: 0 }],
    ["is treated as deaf at a limit of bytes", true, { messages: 1, bytes: 512 * MIB }],
    [
      "is not treated as deaf while its code, or a state, and calls wait",
      false,
      { messages: 16_384, bytes: (256 + 64) * MIB },
    ],
  ])("%s", (_, deaf, unread) => {
    expect(isDeaf(unread)).toBe(deaf);
  });
});
