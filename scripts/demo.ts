// Runs the deployment workflow against a server of its own: register, load and test, switch the flag on at 10 %, watch
// the breaker, raise to 25, 50 and 100 %, hot-swap, status. The exit code is 0 only if every step had the expected
// result.

import { createHeliosClient } from "../clients/typescript/src/index.ts";
import { breakerStep } from "./demo/breaker.ts";
import { rolloutStep } from "./demo/rollout.ts";
import { startOwnServer } from "./demo/server.ts";
import { createShow } from "./demo/show.ts";
import { registerStep, statusStep, swapStep, testStep } from "./demo/steps.ts";
import { startTraffic } from "./demo/traffic.ts";

const show = createShow();
const server = await startOwnServer();
const client = createHeliosClient({ baseUrl: server.baseUrl });
let code: number | null = 1;
try {
  show.say(`Helios serves at ${server.baseUrl}`);
  const traffic = startTraffic(client, "neural_predictor", 8);

  await show.step("1  Register the new module", () => registerStep(client, show));
  await show.step("2  Load it and test it in isolation", () => testStep(client, show));
  const ten = await show.step("3  Flag it at 10 % of traffic", () => rolloutStep(client, show, 10));
  await show.step("4  Watch a breaker trip and recover under an injected fault", () => breakerStep(client, show));
  await show.step("5  Raise to 25, 50, 100 %", async () => {
    let before = ten;
    for (const percentage of [25, 50, 100]) before = await rolloutStep(client, show, percentage, before);
  });
  await show.step("6  Hot-swap the old module under load", () => swapStep(client, show, traffic));

  const { calls, failed, versions } = await traffic.stop();
  show.say(`\nCalls of neural_predictor all the while: ${calls}, failed: ${failed.length}; answered by ${versions}`);
  for (const failure of failed.slice(0, 3)) show.say(`  ${failure}`);
  show.check(calls > 0 && failed.length === 0, "no call failed");
  await show.step("Status", () => statusStep(client, show));
} catch (error) {
  show.fail(error);
} finally {
  client.close();
  code = await server.stop();
}
show.check(code === 0, `the server ended with exit code ${code}`);
process.exitCode = show.summary();
