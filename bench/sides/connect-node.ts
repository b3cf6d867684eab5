// Helios' contract on Connect for Node as it comes: no interceptors, no limits. Arguments: h1 or h2, and a port.
import { createServer as createServer1 } from "node:http";
import { createServer as createServer2 } from "node:http2";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { FlagService, type WatchFlagsResponse } from "../../gen/helios/v1/flag_service_pb.ts";
import { evaluate } from "./flag.ts";
import { setPercentage, snapshotFrame } from "./watching.ts";

const [protocol, port] = process.argv.slice(2);

/** A change, and the one after it. */
interface Change {
  readonly frame: WatchFlagsResponse;
  readonly next: Promise<Change>;
}
let coming = Promise.withResolvers<Change>();

const routes = (router: ConnectRouter): void => {
  router.service(FlagService, {
    evaluateFlag(request) {
      const answer = evaluate(request);
      if (answer === undefined) throw new ConnectError("no such flag", Code.NotFound);
      return answer;
    },
    setPercentage({ percentage = 0 }) {
      const { flag, frame } = setPercentage(percentage);
      const { resolve } = coming;
      coming = Promise.withResolvers();
      resolve({ frame, next: coming.promise });
      return { flag };
    },
    async *watchFlags() {
      let next = coming.promise;
      yield snapshotFrame();
      for (;;) {
        const change = await next;
        yield change.frame;
        next = change.next;
      }
    },
  });
};

const adapter = connectNodeAdapter({ routes });
// Ten thousand streams on one connection take more memory than Node allows a connection by default.
const server = protocol === "h1" ? createServer1(adapter) : createServer2({ maxSessionMemory: 1000 }, adapter);
server.listen(Number(port), "127.0.0.1");
