import { describe, expect, it } from "vitest";
import { coresOf, pinned } from "../../../bench/compare/cores.ts";

describe("cores", () => {
  it.each([
    [" 0,1\n", [0, 1]],
    ["0-3", [0, 1, 2, 3]],
    ["5,8-9", [5, 8, 9]],
  ])("are read from %j", (list, expected) => {
    expect(coresOf(list)).toEqual(expected);
  });

  it("hold a command, if they are known", () => {
    expect(pinned(1, ["node", "x"])).toEqual(["taskset", "-c", "1", "node", "x"]);
    expect(pinned(undefined, ["node", "x"])).toEqual(["node", "x"]);
  });
});
