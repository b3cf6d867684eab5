import { expect, it } from "vitest";
import { PROTOCOLS, waitForAll } from "../nodes/waits.ts";

// `npm run test:nodes` does the same on other versions of Node, over all protocols, with the published client.

const CLIENT = new URL("../../clients/typescript/src/index.ts", import.meta.url).href;

it("every pending promise of the client keeps the process alive until it settles, and nothing does afterwards", async () => {
  const protocols = [PROTOCOLS.at(0), PROTOCOLS.at(-1)].filter((one) => one !== undefined);
  const { waits, ...result } = await waitForAll(process.execPath, CLIENT, protocols);
  expect(result).toEqual({ lost: [], code: 0, errors: "" });
  expect(waits).toBeGreaterThan(100);
});
