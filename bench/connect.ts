// How long it takes until so many breakers of one client have heard of the service: made at once, and one after the other,
// where the service has none of them and where it has all. A server of its own. Usage: npm run bench:connect [-- 3000]
import { createBreakers, createHeliosClient } from "../clients/typescript/src/index.ts";
import { startOwnServer } from "../scripts/demo/server.ts";

const count = Number(process.argv[2] ?? 3000);
const server = await startOwnServer();

async function measured(what: string, prefix: string, spreadMs: number): Promise<void> {
  const client = createHeliosClient({ baseUrl: server.baseUrl });
  const breakers = createBreakers(client);
  const start = performance.now();
  const cpu = process.cpuUsage();
  const ready: Promise<boolean>[] = [];
  for (let index = 0; index < count; index += 1) {
    ready.push(breakers.breaker(`${prefix}-${index}`).ready(120_000));
    const due = start + (spreadMs * index) / count;
    if (spreadMs > 0 && performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const made = performance.now() - start;
  const connected = (await Promise.all(ready)).filter(Boolean).length;
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const used = ((user + system) / 1e6).toFixed(2);
  process.stdout.write(
    `${what}: ${connected} of ${count} connected after ${seconds.toFixed(2)} s (made in ${(made / 1000).toFixed(2)} s; ${used} s of this process' time)\n`,
  );
  await breakers.close();
  client.close();
}

try {
  await measured("new, at once", "a", 0);
  await measured("there, at once", "a", 0);
  await measured("new, one by one for 2 s", "b", 2000);
  await measured("there, one by one for 2 s", "b", 2000);
} finally {
  await server.stop();
}
