import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHeliosClient, invoke } from "../../clients/typescript/src/index.ts";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";

const ROOT = join(import.meta.dirname, "../..");
const TSC = join(ROOT, "node_modules/.bin/tsc");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** The TypeScript blocks below a heading, in order. */
function blocksOf(heading: string): string[] {
  const section = README.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block ?? "");
}

const LIBRARY = blocksOf("Use it as a library");
const SERVICE = blocksOf("Use it from a service");

/** The program that the library's blocks make, which prints what they computed. */
function libraryProgram(): string {
  const given = `const marketData = {};\nconst predict = async (data: object) => ({ prediction: "up", confidence: 0.9, data });\n`;
  const printing = `console.log(JSON.stringify({ answer: answer.output, swapped, state: lifecycle.state, predictor, prediction, allPassed }));\n`;
  return given + LIBRARY.slice(0, -1).join("\n") + printing + LIBRARY.at(-1);
}

/** The program of a service that uses the client. */
function serviceProgram(baseUrl: string): string {
  const given = "const lastPrice = 7;\nconst askExchange = async (symbol: string) => symbol.length;\n";
  return given + (SERVICE[0] ?? "").replace("http://127.0.0.1:8000", baseUrl);
}

const run = promisify(execFile);
let directory: string;
let server: OwnServer;

beforeAll(async () => {
  // Inside the package, where `helios` and `@helios/client` can be imported by name.
  directory = mkdtempSync(join(ROOT, "tests", ".readme-"));
  const modules = join(directory, "modules", "src");
  mkdirSync(join(modules, "trading"), { recursive: true });
  copyFileSync(
    join(ROOT, "examples/modules/src/trading/services/market_simulator.ts"),
    join(modules, "market_simulator.ts"),
  );
  writeFileSync(join(modules, "position_keeper.ts"), blocksOf("Write a module").join("\n"));
  const settings = { extends: "../../tsconfig.json", include: ["*.ts", "modules"] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(settings));
  [server] = await Promise.all([
    startOwnServer(["--modules-root", join(directory, "modules")]),
    run(process.execPath, [join(ROOT, "clients/typescript/build.js")]),
  ]);
  writeFileSync(join(directory, "library.ts"), `export {};\n${libraryProgram()}`);
  writeFileSync(join(directory, "client.ts"), `export {};\n${serviceProgram(server.baseUrl)}`);
  await run(TSC, ["-p", directory], { cwd: ROOT }).catch((error: { stdout?: string }) => {
    throw new Error(error.stdout);
  });
});

afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a program, and returns its output. Its types were checked before the tests, together with those of the others. */
async function outputOf(name: string): Promise<string> {
  return (await run(process.execPath, [join(directory, name)], { cwd: ROOT })).stdout;
}

describe("the README's code", () => {
  it("the README's code for the engine as a library works", async () => {
    expect(LIBRARY).toHaveLength(6);
    const output = await outputOf("library.ts");
    expect(output).toContain("Tests passed: 11/11");
    expect(JSON.parse(output.trim().split("\n").at(-1) ?? "")).toMatchObject({
      answer: { json: { status: "filled", quantity: 0.5 } },
      swapped: true,
      state: "ACTIVE",
      predictor: "v1",
      prediction: { prediction: "up" },
      allPassed: true,
    });
  });

  it("the README's code for the published client works", async () => {
    const client = createHeliosClient({ baseUrl: server.baseUrl });
    const output = await outputOf("client.ts");
    expect(output).toBe("MODULE_NOT_FOUND\n6 CLOSED\n");
    const { breaker } = await client.breakers.getBreaker({ name: "exchange_api" });
    expect(breaker?.counts).toMatchObject({ successes: 1n });
    client.close();
  });

  it("the README's code for a module works", async () => {
    const client = createHeliosClient({ baseUrl: server.baseUrl });
    await client.modules.registerModule({ name: "market_simulator", modulePath: "src.market_simulator" });
    await client.modules.registerModule({
      name: "position_keeper",
      modulePath: "src/position_keeper",
      dependencies: ["market_simulator"],
      config: { limit: 5 },
    });
    await client.modules.loadModule({ name: "position_keeper", loadDependencies: true });
    await invoke(client, "position_keeper", "add", { symbol: "BTCZAR", quantity: 2 });
    const { swapped } = await client.modules.swapModule({ name: "position_keeper" });
    const { output, version } = await invoke(client, "position_keeper", "add", { symbol: "BTCZAR", quantity: 3 });
    expect({ swapped, version, output }).toMatchObject({
      swapped: true,
      version: "1.0.0",
      output: { positions: { BTCZAR: 5 } },
    });
    client.close();
  });
});
