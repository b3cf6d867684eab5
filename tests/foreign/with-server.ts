// Runs a command while a Helios server runs, whose address is in FOREIGN_ADDRESS. Exits with the command's
// code, or with 1 if the server does not end properly.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startOwnServer } from "../../scripts/demo/server.ts";

const [command = "", ...args] = process.argv.slice(2);
const modules = fileURLToPath(new URL("../fixtures/foreign", import.meta.url));
const server = await startOwnServer(["--modules-root", modules]);
const address = new URL(server.baseUrl).host;
const client = spawn(command, args, { stdio: "inherit", env: { ...process.env, FOREIGN_ADDRESS: address } });
const outcome = await Promise.race([
  once(client, "exit").then(([code]) => (code as number | null) ?? 1),
  once(client, "error").then(([error]) => Promise.reject(error)),
]).finally(async () => {
  const code = await server.stop();
  if (code !== 0) {
    process.stderr.write(`the server ended with exit code ${code}\n`);
    process.exitCode = 1;
  }
});
process.exitCode ||= outcome;
