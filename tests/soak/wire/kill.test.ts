// @module-tag soak

import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createHeliosClient, type HeliosClient } from "../../../clients/typescript/src/index.ts";
import { startOwnServer } from "../../../scripts/demo/server.ts";
import { times } from "../../effort.ts";

const KILLS = times(10, 40);
const WRITERS = 4;

/** The last value of a flag, as its writer knows it. */
interface Written {
  acknowledged?: number;
  /** Sent, but its answer may have been lost. */
  attempted: number;
}

/** Changes flags until the connection breaks. */
async function writeUntilCut(client: HeliosClient, known: Map<string, Written>, round: number): Promise<void> {
  const write = async (writer: number): Promise<void> => {
    const name = `flag_${writer}`;
    for (let count = 0; ; count += 1) {
      const percentage = ((round * 1000 + count) % 100_000) / 1000;
      known.set(name, { ...known.get(name), attempted: percentage });
      const written = await client.flags.setPercentage({ name, percentage, allowMissing: true }).catch(() => undefined);
      if (written === undefined) return;
      known.set(name, { acknowledged: percentage, attempted: percentage });
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
}

it(`every acknowledged change survives ${KILLS} times kill -9 in the middle of writing`, {
  timeout: 240_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "helios-kill-"));
  const emptyRoot = await mkdtemp(join(tmpdir(), "helios-empty-"));
  const flags = ["--data-dir", directory, "--modules-root", emptyRoot, "--log-level", "silent"];
  const known = new Map<string, Written>();
  let changes = 0;
  for (let round = 0; round <= KILLS; round += 1) {
    const server = await startOwnServer(flags);
    const client = createHeliosClient({ baseUrl: server.baseUrl });
    for (const [name, { acknowledged, attempted }] of known) {
      if (acknowledged === undefined) continue;
      const { flag } = await client.flags.getFlag({ name });
      expect([acknowledged, attempted]).toContain(flag?.percentage);
      known.set(name, { acknowledged: flag?.percentage ?? -1, attempted: flag?.percentage ?? -1 });
    }
    const { status } = await client.status.getStatus({});
    const revision = Number(status?.revision);
    expect(revision).toBeGreaterThanOrEqual(changes);
    changes = revision;
    if (round < KILLS) {
      const writing = writeUntilCut(client, known, round);
      await enough(() => allAcknowledged(known), round);
      const exited = once(server.process, "exit");
      server.process.kill("SIGKILL");
      await Promise.all([exited, writing]);
    }
    client.close();
    await server.stop();
  }
  expect(allAcknowledged(known)).toBe(true);
  await Promise.all([directory, emptyRoot].map((each) => rm(each, { recursive: true, force: true })));
});

const allAcknowledged = (known: ReadonlyMap<string, Written>): boolean =>
  known.size === WRITERS && [...known.values()].every(({ acknowledged }) => acknowledged !== undefined);

/** Lets the writers run, for a time that differs from round to round. */
async function enough(started: () => boolean, round: number): Promise<void> {
  for (let turn = 0; !started() || turn < 3 + ((round * 7) % 40); turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
