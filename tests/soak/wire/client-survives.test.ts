// @module-tag soak

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OwnServer, startOwnServer } from "../../../scripts/demo/server.ts";
import { type Fate, type Front, garbage, goaways, resets, startFront } from "../../nodes/front.ts";
import { startSurvivor, survives } from "../../nodes/survivor.ts";

// `npm run test:nodes` does the same on other versions of Node, with the published client.

const CLIENT = new URL("../../../clients/typescript/src/index.ts", import.meta.url).href;

let server: OwnServer;
let front: Front;

beforeEach(async () => {
  server = await startOwnServer();
  front = await startFront(() => Number(new URL(server.baseUrl).port));
});

afterEach(async () => {
  await front.close();
  await server.stop();
});

/** Takes one of `every` items. */
const some = (fates: readonly Fate[], every: number): Fate[] => fates.filter((_, index) => index % every === 1);

describe("a process that retries calls of the client in tight loops", () => {
  it("survives connections that close, break and send garbage, works afterwards, and ends by itself", async () => {
    const fates = [...some(goaways(), 5), ...some(resets(), 6), ...some(garbage(), 5)];
    await survives(front, fates, startSurvivor(process.execPath, CLIENT, front.baseUrl));
    expect(front.open).toBe(0);
  });
});
