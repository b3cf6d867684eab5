// Restores a backup. Helios must not be running: `npm run restore -- <backup> [--data-dir <directory>] [--replace]`.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { restore } from "../src/core/store/sqlite/backup.ts";

const USAGE = "Usage: npm run restore -- <backup> [--data-dir <directory>] [--replace]\n";

try {
  const options = { "data-dir": { type: "string" }, replace: { type: "boolean", default: false } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  const [backup, ...rest] = positionals;
  if (!backup || rest.length > 0) throw new TypeError("name one backup to restore");
  const directory = resolve(values["data-dir"] ?? process.env.HELIOS_DATA_DIR ?? "data");
  const newId = (): string => crypto.randomUUID();
  const { revision, time, incarnation } = restore(resolve(backup), directory, values.replace, newId);
  process.stdout.write(
    `${directory} is what it was at revision ${revision}, ${time}; its identity is ${incarnation}\n`,
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (error instanceof TypeError) process.stderr.write(USAGE);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
