import { expect, it } from "vitest";
import { createManualClock } from "../../../../../src/core/index.ts";
import { Builder } from "../../../../../src/core/modules/host/artifact/builder.ts";
import { turn } from "../../../../support/turns.ts";

const SCRIPT = new URL("../../../../fixtures/builder/worker.mjs", import.meta.url);

/** `build`: the number of builds that its thread has done so far, or the error. */
function rig() {
  const clock = createManualClock();
  const builder = new Builder(SCRIPT, clock);
  const build = (entry: string): Promise<string> =>
    builder.build({ root: "", entry, assets: [] }).then(
      ({ sha256 }) => sha256,
      (error: Error) => error.message,
    );
  return { clock, build };
}

it("one thread does one build after another", async () => {
  const { build } = rig();
  expect(await Promise.all([build("a"), build("b"), build("problem"), build("c")])).toEqual([
    "1",
    "2",
    "not good",
    "4",
  ]);
});

it("a thread that has read packages does no other build", async () => {
  const { build } = rig();
  expect(await Promise.all([build("a"), build("once"), build("b"), build("c")])).toEqual(["1", "2", "1", "2"]);
});

it.each([
  ["exit", "exit code 3"],
  ["throw", "broken"],
])("a thread that ends by %s fails its current build and no other", async (entry, why) => {
  const { build } = rig();
  expect(await Promise.all([build("a"), build(entry), build("b")])).toEqual([
    "1",
    `its code cannot be read: the parser ended (${why})`,
    "1",
  ]);
});

it("a build that does not end is given up after 10 s, and the next one has its own 10 s", async () => {
  const { clock, build } = rig();
  const before = build("a");
  const hanging = [build("hang"), build("hang")];
  const after = build("b");
  await before;
  clock.advance(9_999);
  clock.advance(1);
  expect(await hanging[0]).toBe("reading its code took longer than 10 s");
  let second: string | undefined;
  void hanging[1]?.then((outcome) => {
    second = outcome;
  });
  clock.advance(9_999);
  await turn();
  expect(second).toBeUndefined();
  clock.advance(1);
  expect(await hanging[1]).toBe("reading its code took longer than 10 s");
  expect(await after).toBe("1");
});

it("a thread that was idle for 5 s ends", async () => {
  const { clock, build } = rig();
  expect(await build("a")).toBe("1");
  clock.advance(4_999);
  expect(await build("a")).toBe("2");
  clock.advance(4_999);
  expect(await build("a")).toBe("3");
  clock.advance(5_000);
  expect(await build("a")).toBe("1");
});
