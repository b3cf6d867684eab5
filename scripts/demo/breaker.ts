import { enumName, errorInfo, type HeliosClient, invoke, watchBreakers } from "../../clients/typescript/src/index.ts";
import { BreakerState, BreakerStateSchema } from "../../gen/helios/v1/breaker_pb.ts";
import type { Show } from "./show.ts";

const GATEWAY = "exchange_gateway";
const BREAKER = `module:${GATEWAY}`;
const THRESHOLD = 5;

/** Makes a module fail. Shows that its breaker trips, rejects, probes and closes again, as a watcher sees it. */
export async function breakerStep(client: HeliosClient, show: Show): Promise<void> {
  await client.modules.registerModule({
    name: GATEWAY,
    modulePath: "src.trading.services.exchange_gateway",
    dependencies: ["market_simulator"],
    breaker: { failureThreshold: THRESHOLD, timeout: { seconds: 1n }, successThreshold: 2 },
  });
  await client.modules.loadModule({ name: GATEWAY, loadDependencies: true });

  const watching = new AbortController();
  const states: BreakerState[] = [];
  const closedAgain = (async () => {
    for await (const event of watchBreakers(client, { names: [BREAKER], signal: watching.signal })) {
      const seen = event.kind === "snapshot" ? event.items : event.kind === "put" ? [event.item] : [];
      for (const { state, epoch } of seen) {
        if (states.at(-1) === state) continue;
        states.push(state);
        show.say(`  watch: ${BREAKER} is ${enumName(BreakerStateSchema, state)} (epoch ${epoch})`);
        if (states.length > 1 && state === BreakerState.CLOSED) return;
      }
    }
  })();

  await ticker(client);
  await invoke(client, GATEWAY, "inject_fault", { calls: THRESHOLD });
  const answers: string[] = [];
  for (let call = 0; call < THRESHOLD + 3; call += 1) answers.push(await ticker(client));
  show.say(`  ${answers.length} calls with the fault: ${answers.join(", ")}`);
  show.check(
    answers.filter((answer) => answer === "MODULE_METHOD_FAILED").length === THRESHOLD,
    "the calls failed with the fault",
  );
  show.check(answers.at(-1) === "BREAKER_OPEN", "after that, calls were rejected without reaching the module");

  while (!(await Promise.race([closedAgain.then(() => true), ticker(client).then(pause)]))) {}
  watching.abort();
  const path = states.map((state) => enumName(BreakerStateSchema, state)).join(" -> ");
  show.check(path === "CLOSED -> OPEN -> HALF_OPEN -> CLOSED", `the watcher saw ${path}`);
}

async function ticker(client: HeliosClient): Promise<string> {
  try {
    await invoke(client, GATEWAY, "get_ticker", { symbol: "BTCZAR" });
    return "ok";
  } catch (error) {
    return errorInfo(error)?.reason ?? String(error);
  }
}

const pause = (): Promise<false> => new Promise((resolve) => setTimeout(() => resolve(false), 100));
