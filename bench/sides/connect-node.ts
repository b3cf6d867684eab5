// Helios' contract on Connect for Node as it comes: no interceptors, no limits. Arguments: h1 or h2, and a port.
import { createServer as createServer1 } from "node:http";
import { createServer as createServer2 } from "node:http2";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { evaluate } from "./flag.ts";

const [protocol, port] = process.argv.slice(2);

const routes = (router: ConnectRouter): void => {
  router.service(FlagService, {
    evaluateFlag(request) {
      const answer = evaluate(request);
      if (answer === undefined) throw new ConnectError("no such flag", Code.NotFound);
      return answer;
    },
  });
};

const adapter = connectNodeAdapter({ routes });
const server = protocol === "h1" ? createServer1(adapter) : createServer2(adapter);
server.listen(Number(port), "127.0.0.1");
