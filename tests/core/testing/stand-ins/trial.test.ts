import { expect, it } from "vitest";
import { createTestTrial, layerOf, type StartStandIn } from "../../../../src/core/testing/stand-ins/trial.ts";

const stubs = { one: "stand-in", two: "stand-in" };
const SAYS = { dependencies: ["one", "two"], layers: [layerOf({ stubs })] };

/** Starts nothing until it is aborted. `broken` fails at once. */
const startsOf = (broken?: string): { readonly start: StartStandIn; readonly ended: string[] } => {
  const ended: string[] = [];
  const start: StartStandIn = (dependency, _, signal) => {
    if (dependency === broken) return Promise.reject(new Error(`${dependency} is broken`));
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        ended.push(dependency);
        reject(signal.reason);
      });
    });
  };
  return { start, ended };
};

it("stand-ins that start are ended when the run is cancelled", async () => {
  const { start, ended } = startsOf();
  const run = new AbortController();
  const made = createTestTrial(SAYS, start, { signal: run.signal });
  run.abort(new Error("cancelled"));
  await expect(made).rejects.toThrow("cancelled");
  expect(ended).toEqual(["one", "two"]);
});

it("stand-ins that start are ended when another one does not start", async () => {
  const { start, ended } = startsOf("two");
  await expect(createTestTrial(SAYS, start)).rejects.toThrow("two is broken");
  expect(ended).toEqual(["one"]);
});
