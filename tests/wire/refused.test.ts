import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { expect, it } from "vitest";
import { createEngine, createManualClock } from "../../src/core/index.ts";
import { startServer } from "../../src/server/server.ts";
import { turns } from "../support/turns.ts";

it("a connection that continues after a refused stream is not cut later, in the middle of another call", async () => {
  const clock = createManualClock();
  const engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  const server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, clock });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const localPorts = new Set<number | undefined>();
  const call = async (rpc: string): Promise<IncomingMessage> => {
    const headers = { "content-type": "application/connect+json" };
    const sent = request({ agent, port: server.port, path: `/helios.v1.${rpc}`, method: "POST", headers });
    sent.write(Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]));
    const answered = once(sent, "response");
    // The request ends when it has been refused.
    if (rpc.endsWith("Stream")) await turns(100);
    sent.end();
    const [response] = (await answered) as [IncomingMessage];
    localPorts.add(response.socket.localPort);
    return response;
  };

  const refusal = await (await call("ModuleService/SwapModuleStream")).toArray();
  expect(Buffer.concat(refusal).toString()).toContain("ARGUMENT_INVALID");
  const stream = await call("FlagService/WatchFlags");
  await once(stream, "data");
  expect(localPorts.size).toBe(1);
  // All timers that the earlier call has left are due now.
  const cut = once(stream, "close").then(
    () => "cut",
    () => "cut",
  );
  clock.advance(10_000);
  const open = once(stream, "data").then(() => "open");
  await engine.flags.create("later", {});
  expect(await Promise.race([cut, open])).toBe("open");
  agent.destroy();
  await server.drain();
  await engine.close();
});
