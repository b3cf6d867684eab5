import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createHeliosClient, watchFlags } from "../../clients/typescript/src/index.ts";
import { startOwnServer } from "../../scripts/demo/server.ts";

const file = (percentage: number): string =>
  JSON.stringify({ a: { enabled: true, strategy: "percentage", percentage, condition: 'context.symbol == "BTCZAR"' } });

it("the service reloads a followed flags file by itself, and notifies the watchers", async () => {
  const directory = await mkdtemp(join(tmpdir(), "helios-flags-"));
  const name = join(directory, "flags.json");
  await writeFile(name, file(5));
  const server = await startOwnServer(["--flags-file", name, "--watch-flags-file", "merge", "--log-level", "silent"]);
  const client = createHeliosClient({ baseUrl: server.baseUrl });
  try {
    const seen: (number | undefined)[] = [];
    for await (const event of watchFlags(client, { names: ["a"] })) {
      if (event.kind === "snapshot") {
        await writeFile(`${name}.new`, file(100));
        await rename(`${name}.new`, name);
      }
      if (event.kind !== "put") continue;
      seen.push(event.item.percentage);
      if (event.item.percentage === 100) break;
    }
    expect(seen.at(-1)).toBe(100);
    const ask = async (symbol: string): Promise<boolean | undefined> =>
      (await client.flags.evaluateFlag({ name: "a", context: { symbol } })).evaluation?.enabled;
    expect([await ask("BTCZAR"), await ask("ETHZAR")]).toEqual([true, false]);
  } finally {
    client.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
