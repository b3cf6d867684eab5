import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

const HOME = join(import.meta.dirname, "../..");

it("SIGUSR1 opens no inspector of the service, which logs that and continues", async () => {
  const directory = mkdtempSync(join(tmpdir(), "helios-signal-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const settings = ["--port", "0", "--data-dir", join(directory, "data"), "--log-dir", join(directory, "logs")];
  const args = ["src/server/main.ts", ...settings, "--modules-root", join(HOME, "tests/fixtures/modules")];
  const child = spawn(process.execPath, args, { cwd: HOME, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  const seen = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (output.includes(text)) resolve();
      };
      child.stdout.on("data", look);
      child.once("exit", () => reject(new Error(`it ended: ${output}`)));
      look();
    });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  await seen('"serving"');
  child.kill("SIGUSR1");
  await seen("SIGUSR1 is ignored");
  child.kill("SIGTERM");
  await seen('"stopped"');
  expect(output).not.toContain("Debugger listening");
});
