// Backs up a data directory, also while Helios runs: `npm run backup -- <new directory> [--data-dir <directory>]`.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { backUp } from "../src/core/store/sqlite/backup.ts";

const USAGE = "Usage: npm run backup -- <new directory> [--data-dir <directory>]\n";

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { "data-dir": { type: "string" } } });
  const [target, ...rest] = positionals;
  if (!target || rest.length > 0) throw new TypeError("name one directory for the backup");
  const directory = resolve(values["data-dir"] ?? process.env.HELIOS_DATA_DIR ?? "data");
  const { revision, files } = backUp(directory, resolve(target), new Date());
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  process.stdout.write(`${directory} at revision ${revision} is backed up in ${resolve(target)} (${bytes} bytes)\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (error instanceof TypeError) process.stderr.write(USAGE);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
