import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createHeliosClient } from "../../clients/typescript/src/index.ts";
import { startOwnServer } from "../../scripts/demo/server.ts";
import { until } from "../support/until.ts";

const source = (version: string): string =>
  `export default class A { static version = "${version}"; which(): string { return "${version}"; } }\n`;

it("the service swaps a followed module when its file is saved, and logs in one line if one does not start", async () => {
  const directory = await mkdtemp(join(tmpdir(), "helios-watched-"));
  const file = join(directory, "a.ts");
  await writeFile(file, source("1"));
  const logs = join(directory, "logs");
  const server = await startOwnServer(["--modules-root", directory, "--watch-modules", "on", "--log-dir", logs]);
  const client = createHeliosClient({ baseUrl: server.baseUrl });
  const { modules } = client;
  const which = async (): Promise<unknown> => {
    const { output } = await modules.invokeModule({ name: "a", method: "which" });
    return output.case === "json" ? output.value : undefined;
  };
  const last = async () => (await modules.getModule({ name: "a" })).module?.lastSwap;
  try {
    await modules.registerModule({ name: "a", modulePath: "a" });
    await modules.loadModule({ name: "a" });
    // Saves the file as an editor does.
    await writeFile(`${file}.tmp`, source("2"));
    await rename(`${file}.tmp`, file);
    await until(async () => (await last())?.toVersion === "2");
    expect(await which()).toMatchObject({ kind: { value: "2" } });
    await writeFile(file, `${source("3")}}`);
    await until(async () => (await last())?.swapped === false);
    expect((await last())?.failure).toMatch(/^a\.ts:2: /);
    expect(await which()).toMatchObject({ kind: { value: "2" } });
    const line = /module a was not swapped: a\.ts:2: .*; version 2 serves on/;
    await until(async () => line.test(await readFile(join(logs, "module_loader.log"), "utf8")));
    await writeFile(file, source("3"));
    await until(async () => (await last())?.toVersion === "3");
  } finally {
    client.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
