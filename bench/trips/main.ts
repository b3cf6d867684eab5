// Measures how long it takes from the failure that trips a breaker until every client rejects calls. Prints JSON.
//
// node bench/trips/main.ts --port PORT --clients N [--rounds 7]
import { parseArgs } from "node:util";
import { createBreakers, createHeliosClient } from "../../clients/typescript/src/index.ts";
import { percentiles } from "../swap/figures.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "" },
    clients: { type: "string", default: "10" },
    rounds: { type: "string", default: "7" },
  },
});
const THRESHOLD = 5;
const TIMEOUT_MS = 10_000;

const clients = Array.from({ length: Number(values.clients) }, (_, index) => {
  const client = createHeliosClient({ baseUrl: `http://127.0.0.1:${values.port}`, clientId: `bench-${index}` });
  return { client, breakers: createBreakers(client) };
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One trip: times in ms at which the clients began to reject. The first client is the one whose calls fail. */
async function trip(name: string): Promise<readonly number[]> {
  const all = clients.map(({ breakers }) => breakers.breaker(name, { failureThreshold: THRESHOLD }));
  const ready = await Promise.all(all.map((breaker) => breaker.ready(TIMEOUT_MS)));
  if (!ready.every(Boolean)) throw new Error("a client did not connect");
  for (let failure = 0; failure < THRESHOLD; failure += 1) all[0]?.tryAcquire()?.settle("FAILURE", 1);
  const begun = performance.now();
  const times: number[] = [];
  let waiting = all;
  while (waiting.length > 0) {
    const passing = waiting.filter((breaker) => breaker.status().state === "CLOSED");
    const now = performance.now() - begun;
    if (now > TIMEOUT_MS) throw new Error(`${waiting.length} clients let calls through after ${TIMEOUT_MS} ms`);
    for (let count = passing.length; count < waiting.length; count += 1) times.push(now);
    waiting = passing;
    await turn();
  }
  return times;
}

const samples = [];
for (let round = -1; round < Number(values.rounds); round += 1) {
  const times = await trip(`bench-${values.clients}-${round}`);
  // The first trip is the warm-up.
  if (round >= 0) samples.push(percentiles(times, 3));
}
process.stdout.write(`${JSON.stringify(samples)}\n`);
for (const { client, breakers } of clients) {
  await breakers.close();
  client.close();
}
