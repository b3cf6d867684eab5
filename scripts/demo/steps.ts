import { enumName, type HeliosClient, invoke } from "../../clients/typescript/src/index.ts";
import { ModuleState, ModuleStateSchema } from "../../gen/helios/v1/module_pb.ts";
import { TestOutcomeSchema } from "../../gen/helios/v1/test_pb.ts";
import { ms, type Show } from "./show.ts";
import type { Traffic } from "./traffic.ts";

const NEW = "neural_predictor_v2";
const PRICES = Array.from({ length: 30 }, (_, index) => 100 + index * 0.3);

export async function registerStep(client: HeliosClient, show: Show): Promise<void> {
  const { module } = await client.modules.registerModule({
    name: NEW,
    modulePath: "src.ml.inference.neural_predictor_v2",
    version: "2.0.0",
    dependencies: ["feature_extractor"],
    hotReloadable: true,
    actor: "demo",
  });
  show.say(`  ${NEW} ${module?.version}: ${enumName(ModuleStateSchema, module?.state ?? 0)}`);
  show.check(module?.state === ModuleState.UNLOADED, "it is registered and not loaded");
}

export async function testStep(client: HeliosClient, show: Show): Promise<void> {
  const { module } = await client.modules.loadModule({ name: NEW, actor: "demo" });
  show.say(`  ${NEW}: ${enumName(ModuleStateSchema, module?.state ?? 0)}, methods ${module?.methods.join(", ")}`);
  show.check(module?.state === ModuleState.ACTIVE, "it is loaded and takes calls");
  for await (const { frame } of client.tests.runTests({ name: NEW, moduleType: "ml", actor: "demo" })) {
    if (frame.case === "testEnded") {
      const { name, outcome, duration, message } = frame.value;
      show.say(`  ${enumName(TestOutcomeSchema, outcome).padEnd(8)} ${name} (${ms(duration)}) ${message}`);
    } else if (frame.case === "run") {
      const { passed, results, totalTests } = frame.value;
      show.check(passed, `tests passed: ${results?.passed}/${totalTests}`);
    }
  }
}

export async function swapStep(client: HeliosClient, show: Show, traffic: Traffic): Promise<void> {
  await traffic.more(200);
  const before = await invoke(client, "neural_predictor", "predict", { prices: PRICES });
  const swap = await client.modules.swapModule({
    name: "neural_predictor",
    newVersionPath: "src.ml.inference.neural_predictor_v2",
    actor: "demo",
  });
  for (const { name, duration, outcome, detail } of swap.steps) {
    show.say(`  ${name.padEnd(9)} ${outcome.padEnd(7)} ${ms(duration).padStart(10)}  ${detail}`);
  }
  const after = await invoke(client, "neural_predictor", "predict", { prices: PRICES });
  show.say(`  before: ${before.version} ${JSON.stringify(before.output)}`);
  show.say(`  after:  ${after.version} ${JSON.stringify(after.output)}`);
  show.check(swap.swapped && after.version === "2.0.0", "the new version serves");
  await traffic.more(200);
  await stateStep(client, show);
}

/** Shows that the new version has the state of the old one. */
async function stateStep(client: HeliosClient, show: Show): Promise<void> {
  const name = "paper_trading_v2";
  await client.modules.registerModule({
    name,
    modulePath: "src.trading.services.paper_trading_v2",
    version: "2.0.0",
    dependencies: ["market_simulator"],
  });
  await client.modules.loadModule({ name });
  const order = { client_order_id: "demo-1", symbol: "BTCZAR", side: "buy", type: "market", quantity: 0.25 };
  await invoke(client, name, "place_order", order);
  const before = JSON.stringify((await invoke(client, name, "get_order", { client_order_id: "demo-1" })).output);
  const swap = await client.modules.swapModule({ name, newVersionPath: "src.trading.services.paper_trading_v3" });
  const answer = await invoke(client, name, "get_order", { client_order_id: "demo-1" });
  show.say(`  ${name} ${answer.version} after its swap: ${JSON.stringify(answer.output)}`);
  const handOver = swap.steps.find((step) => step.name === "hand_over");
  show.say(`  hand-over of state: ${handOver?.outcome}, ${ms(handOver?.duration)}`);
  show.check(swap.swapped && before !== "null" && answer.version === "3.0.0", "the stateful module was swapped");
  show.check(sameOrder(before, JSON.stringify(answer.output)), "its orders are still there");
}

function sameOrder(before: string, after: string): boolean {
  const [old, now] = [JSON.parse(before), JSON.parse(after)] as Record<string, unknown>[];
  return ["order_id", "client_order_id", "status", "quantity"].every((key) => old?.[key] === now?.[key]);
}

export async function statusStep(client: HeliosClient, show: Show): Promise<void> {
  const { status } = await client.status.getStatus({});
  const states = (counts: Record<string, number> | undefined): string =>
    Object.entries(counts ?? {})
      .map(([state, count]) => `${count} ${state}`)
      .join(", ");
  show.say(`  Helios ${status?.version}, up ${ms(status?.uptime)}, revision ${status?.revision}`);
  show.say(`  modules:  ${states(status?.modules?.byState)}`);
  show.say(`  flags:    ${states(status?.flags?.byState)}`);
  show.say(`  breakers: ${states(status?.breakers?.byState)}`);
  show.say(`  tests:    ${states(status?.tests?.byState)}`);
  for (const { name, state, why } of status?.unhealthy ?? []) show.say(`  unhealthy: ${name} ${state} ${why}`);
  show.check(status?.ready === true && status.healthy, "everything is ready and healthy");
}
