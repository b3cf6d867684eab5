// Checks a whole database: `npm run check:data -- [<data directory> | --data-dir <directory>]`.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkDatabase } from "../src/core/store/sqlite/open.ts";

const USAGE = `Usage: npm run check:data -- [<data directory> | --data-dir <directory>]
Without either, HELIOS_DATA_DIR names the directory.
`;

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { "data-dir": { type: "string" } } });
  const given = [...positionals, ...(values["data-dir"] === undefined ? [] : [values["data-dir"]])];
  const [directory = process.env.HELIOS_DATA_DIR, ...rest] = given;
  if (!directory || rest.length > 0) throw new TypeError("name one data directory");
  const file = join(directory, "helios.db");
  checkDatabase(file);
  process.stdout.write(`${file} is sound\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (error instanceof TypeError) process.stderr.write(USAGE);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
