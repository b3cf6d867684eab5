import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { expect, it } from "vitest";
import { explain } from "../../../src/server/process/explain.ts";

async function refusal(host: string, port = 0): Promise<unknown> {
  const server = createServer();
  const failed = once(server, "error");
  server.listen({ host, port });
  const [error] = await failed;
  return error;
}

it("an address on which the service cannot listen is reported in a line, with its setting", async () => {
  const first: Server = createServer();
  await once(first.listen(0, "127.0.0.1"), "listening");
  const { port } = first.address() as AddressInfo;
  const errors = [await refusal("127.0.0.1", port), await refusal("192.0.2.1"), await refusal("no-such-host.invalid")];
  first.close();
  expect(errors.map(explain)).toEqual([
    { message: `127.0.0.1:${port} is in use; stop the program that listens on it, or set HELIOS_PORT (--port)` },
    { message: "HELIOS_HOST (--host): 192.0.2.1 is not an address of this machine" },
    {
      message: expect.stringMatching(
        /^HELIOS_HOST \(--host\): the host name no-such-host.invalid cannot be resolved \(E/,
      ),
    },
  ]);
});
