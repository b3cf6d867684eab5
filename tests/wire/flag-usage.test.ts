import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";

const FLAGS = "/api/modularity/feature-flags";

let directory: string;
let root: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "helios-usage-"));
  root = await mkdtemp(join(tmpdir(), "helios-empty-"));
});
afterAll(async () => {
  for (const server of started) await server.stop();
  await rm(directory, { recursive: true });
  await rm(root, { recursive: true });
});

const started: OwnServer[] = [];
async function start(): Promise<OwnServer> {
  const server = await startOwnServer(["--data-dir", directory, "--modules-root", root, "--log-level", "silent"]);
  started.push(server);
  return server;
}

/** The status and the body of an answer. */
async function send(baseUrl: string, path: string, body?: object): Promise<[number, Record<string, unknown>]> {
  const json = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(`${baseUrl}${FLAGS}${path}`, {
    ...json,
    headers: { "content-type": "application/json" },
  });
  return [response.status, (await response.json()) as Record<string, unknown>];
}

const report = (seq: number, count: number) => ({
  client_id: "trader-1",
  seq,
  period: "60s",
  reports: [
    { name: "smart", answers: [{ variant: "on", reason: "SPLIT", count }] },
    { name: "none", answers: [{ variant: "on", count: 1 }] },
  ],
});

describe("the usage of flags over REST", () => {
  it("survives the stop of the service; if the service is killed, only what was not written is lost", {
    timeout: 60_000,
  }, async () => {
    let server = await start();
    const { baseUrl } = server;
    await send(baseUrl, "", { name: "smart", enabled: true });
    await send(baseUrl, "/smart");
    expect(await send(baseUrl, "/usage", report(1, 5))).toEqual([
      200,
      expect.objectContaining({ duplicate: false, unknown_names: ["none"] }),
    ]);
    const usageOf = async (url: string) => (await send(url, "/smart/usage?window=86400s"))[1];
    const before = await usageOf(baseUrl);
    expect(before).toMatchObject({ usage: { name: "smart", clients: 1, count: 6 } });
    await server.stop();

    server = await start();
    expect(await usageOf(server.baseUrl)).toEqual(before);
    await send(server.baseUrl, "/usage", report(2, 5));
    await send(server.baseUrl, "/percentage", { name: "smart", percentage: 5 });
    expect(await usageOf(server.baseUrl)).toMatchObject({ usage: { count: 11 } });
    server.process.kill("SIGKILL");
    await once(server.process, "exit");

    server = await start();
    expect(await usageOf(server.baseUrl)).toEqual(before);
    expect(await send(server.baseUrl, "/smart/definition")).toMatchObject([200, { flag: { percentage: 5 } }]);
    const [, list] = await send(server.baseUrl, "?include_usage=true&page_size=1000");
    const { flags, usages } = list as { flags: { name: string }[]; usages: { name: string; count: number }[] };
    expect(usages.map(({ name }) => name)).toEqual(flags.map(({ name }) => name));
    expect(usages.find(({ name }) => name === "smart")?.count).toBe(6);
    expect(await send(server.baseUrl, "/none/usage")).toMatchObject([404, { error: { reason: "FLAG_NOT_FOUND" } }]);
    expect(await send(server.baseUrl, "/usage", { client_id: "c", seq: 1 })).toMatchObject([
      400,
      { error: { reason: "ARGUMENT_INVALID" } },
    ]);
    const large = {
      client_id: "c",
      seq: 1,
      reports: Array.from({ length: 900 }, () => ({ name: "x".repeat(128), answers: [{ count: 1 }] })),
    };
    expect(await send(server.baseUrl, "/usage", large)).toMatchObject([400, { error: { reason: "ARGUMENT_INVALID" } }]);
    await server.stop();
  });
});
