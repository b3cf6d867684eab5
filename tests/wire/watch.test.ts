import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createHeliosClient,
  errorInfo,
  type HeliosClient,
  type WatchEvent,
  watchEvents,
  watchFlags,
} from "../../clients/typescript/src/index.ts";
import type { Flag } from "../../gen/helios/v1/flag_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { SOAK } from "../support/soak.ts";
import { until } from "../support/until.ts";

let directory: string;
let engine: Engine;
let server: Server;
let client: HeliosClient;

async function start(port = 0): Promise<void> {
  engine = await createEngine({ modulesRoot: directory, dataDir: join(directory, "data") });
  server = await startServer({ engine, host: "127.0.0.1", port, version: "test", log: () => {}, graceMs: 200 });
}

async function stop(): Promise<void> {
  await server.drain();
  await engine.close();
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "helios-watch-"));
  await start();
  client = createHeliosClient({ baseUrl: server.url });
});

afterEach(async () => {
  client.close();
  await stop();
  rmSync(directory, { recursive: true, force: true });
});

const NAME = "watched";
const set = (count: number, name = NAME) =>
  engine.flags.setPercentage(name, count / 1000, { allowMissing: true }, { actor: "test", reason: `change ${count}` });

/** Reads put events until `last` was received, and calls `after` with each count. */
async function readUntil(
  events: AsyncIterable<WatchEvent<Flag>>,
  last: number,
  after: (count: number) => unknown = () => {},
): Promise<number[]> {
  const seen: number[] = [];
  for await (const event of events) {
    if (event.kind !== "put") continue;
    const count = Math.round(event.item.percentage * 1000);
    seen.push(count);
    await after(count);
    if (count === last) break;
  }
  return seen;
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe("a watch over a socket", () => {
  it("receives every change once, in order, although it is cut again and again", async () => {
    const reading = readUntil(watchFlags(client, { names: [NAME], minBackoffMs: 1 }), 500, (count) => {
      if (count % 50 === 0) client.close();
    });
    await client.status.getStatus({});
    while (engine.flags.hub.watcherCount === 0) await client.status.getStatus({});
    for (const count of upTo(500)) await set(count);
    expect(await reading).toEqual(upTo(500));
  });

  it("resumes where it was after a restart of the server", async () => {
    const reading = readUntil(watchFlags(client, { names: [NAME], minBackoffMs: 1, maxBackoffMs: 50 }), 20);
    while (engine.flags.hub.watcherCount === 0) await client.status.getStatus({});
    for (const count of upTo(10)) await set(count);
    const { port } = server;
    await stop();
    await start(port);
    for (const count of upTo(20).slice(10)) await set(count);
    expect(await reading).toEqual(upTo(20));
  });

  it(
    "costs the writers nothing and buffers little if no one reads it, and ends with the state of the server",
    SOAK,
    async () => {
      const stream = client.flags.watchFlags({})[Symbol.asyncIterator]();
      await stream.next();
      const before = process.memoryUsage().heapUsed;
      for (const count of upTo(100)) await Promise.all(upTo(100).map((flag) => set(count, `${NAME}-${flag}`)));
      await set(1);
      // 10,000 changes of about 1 kB each, if they were kept.
      global.gc?.();
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 * 1024);
      let last: Flag | undefined;
      let revision = 0n;
      while (revision < BigInt(engine.revision())) {
        const { value, done } = await stream.next();
        if (done) throw new Error("the stream ended");
        expect(value.revision).toBeGreaterThanOrEqual(revision);
        revision = value.revision;
        const { frame } = value;
        const puts = frame.case === "changes" ? frame.value.changes.map(({ change }) => change.value as Flag) : [];
        last =
          [...puts, ...(frame.case === "snapshot" ? frame.value.flags : [])].findLast(({ name }) => name === NAME) ??
          last;
      }
      expect(last?.percentage).toBe(engine.flags.get(NAME).record.percentage);
      await stream.return?.();
    },
  );

  it("is removed from the hub when its client disappears silently", async () => {
    const stream = client.flags.watchFlags({})[Symbol.asyncIterator]();
    await stream.next();
    expect(engine.flags.hub.watcherCount).toBe(1);
    client.close();
    await stream.next().catch(() => {});
    await until(() => engine.flags.hub.watcherCount === 0);
  });

  it("ends with SERVER_DRAINING and a retry time when the server stops", async () => {
    const stream = client.flags.watchFlags({})[Symbol.asyncIterator]();
    await stream.next();
    void server.drain();
    const error = await stream.next().catch((thrown: unknown) => thrown);
    expect(errorInfo(error)).toMatchObject({ reason: "SERVER_DRAINING", retryAfterMs: 1000 });
  });

  it("a watch of events shows who did what, and why, in a line", async () => {
    const events = watchEvents(client);
    const first = events.next();
    while (engine.events.watcherCount === 0) await client.status.getStatus({});
    await set(1000);
    expect((await first).value).toMatchObject({
      name: NAME,
      text: "flag watched: created on PERCENTAGE 1 % (SetPercentage by test: change 1000)",
      cause: { action: "SetPercentage", actor: "test", reason: "change 1000" },
    });
    await events.return();
  });

  it("a watch with a token that no service issued is refused, and with one of another store starts over", async () => {
    const refused = client.flags.watchFlags({ resumeToken: "nonsense" })[Symbol.asyncIterator]();
    expect(errorInfo(await refused.next().catch((error: unknown) => error))?.reason).toBe("RESUME_TOKEN_INVALID");
    const token = Buffer.from("1:another-life:5").toString("base64url");
    const stream = client.flags.watchFlags({ resumeToken: token })[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ frame: { case: "snapshot" } });
    await stream.return?.();
  });
});
