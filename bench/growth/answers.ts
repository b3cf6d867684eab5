import { setTimeout as pause } from "node:timers/promises";
import { createHeliosClient, type HeliosClient } from "../../clients/typescript/src/index.ts";
import type { Server } from "./server.ts";

/** Time after the start in which the server checks its flags in the background, in ms. */
const SETTLE_MS = 3000;
const CHANGES = 50;

/** A request, and the longest block of the server's event loop while it was answered. */
export interface Block {
  readonly what: string;
  readonly blockMs: number;
}

/** The longest blocks of the event loop of a server that was just started. */
export async function longestBlocks(server: Server, someName: string): Promise<readonly Block[]> {
  const client = createHeliosClient({ baseUrl: server.baseUrl });
  const blocks: Block[] = [];
  const note = async (what: string, run: (client: HeliosClient) => Promise<unknown>): Promise<void> => {
    await run(client);
    blocks.push({ what, blockMs: (await server.held()).blockMs });
  };
  await note("start, until /readyz answers", async () => {});
  await note(`the first ${SETTLE_MS / 1000} s after it`, () => pause(SETTLE_MS));
  await note("the first page of ListFlags", ({ flags }) => flags.listFlags({ pageSize: 1000 }));
  await note("all pages of ListFlags", allPages);
  await note("the snapshot of WatchFlags", snapshot);
  await note(`${CHANGES} changes, and a page of ListFlags after each`, async ({ flags }) => {
    for (let n = 0; n < CHANGES; n += 1) {
      await flags.updateFlag({
        flag: { name: someName, description: `edit ${n}` },
        updateMask: { paths: ["description"] },
      });
      await flags.listFlags({ pageSize: 100 });
    }
  });
  await note("EvaluateFlags of all flags, in pages", evaluated);
  await note("GetStatus", ({ status }) => status.getStatus({}));
  await note("ReloadFlags (MERGE, dry run)", ({ flags }) => flags.reloadFlags({ dryRun: true, pageSize: 100 }));
  client.close();
  return blocks;
}

async function allPages({ flags }: HeliosClient): Promise<void> {
  for (let pageToken = ""; ; ) {
    const page = await flags.listFlags({ pageSize: 1000, pageToken });
    pageToken = page.nextPageToken;
    if (pageToken === "") return;
  }
}

async function evaluated({ flags }: HeliosClient): Promise<void> {
  for (let pageToken = ""; ; ) {
    const page = await flags.evaluateFlags({ context: { sessionId: "session-1" }, pageSize: 1000, pageToken });
    pageToken = page.nextPageToken;
    if (pageToken === "") return;
  }
}

async function snapshot({ flags }: HeliosClient): Promise<void> {
  const leaving = new AbortController();
  try {
    for await (const { frame } of flags.watchFlags({}, { signal: leaving.signal })) {
      if (frame.case === "snapshot" && frame.value.complete) leaving.abort();
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
  }
}
