import { expect, it } from "vitest";
import { describePages, paste } from "./pasted.ts";

it("npx starts the buf binary with which the lines are tested", async () => {
  expect((await paste("npx buf --version", process.env.PATH)).stdout).toBe((await paste("npx buf --version")).stdout);
});

describePages("HTTP/2", ["README.md"]);
