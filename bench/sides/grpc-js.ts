// Helios' contract on grpc-js, with messages by proto-loader, as its documentation shows. Argument: a port.
import { fileURLToPath } from "node:url";
import {
  type GrpcObject,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { Reason } from "../../gen/helios/v1/flag_pb.ts";
import { evaluateRule } from "./flag.ts";

const contract = loadPackageDefinition(
  loadSync("helios/v1/flag_service.proto", {
    includeDirs: [fileURLToPath(new URL("../../proto", import.meta.url))],
    keepCase: true,
    longs: Number,
  }),
);
const { FlagService } = (contract.helios as GrpcObject).v1 as { readonly FlagService: ServiceClientConstructor };

interface Request {
  readonly name: string;
  readonly context: { readonly session_id: string; readonly user_id: string };
}

const server = new Server();
server.addService(FlagService.service, {
  EvaluateFlag({ request }: { readonly request: Request }, answer: sendUnaryData<unknown>) {
    const { session_id: sessionId, user_id: userId } = request.context;
    const evaluation = evaluateRule(request.name, { sessionId, userId });
    if (evaluation === undefined) return answer({ code: status.NOT_FOUND });
    const { name, enabled, variant, reason, bucket, revision } = evaluation;
    // The types of google.protobuf come with protobufjs, which names their fields so.
    const value = { boolValue: enabled };
    answer(null, { evaluation: { name, enabled, variant, value, reason: Reason[reason], bucket, revision } });
  },
});
server.bindAsync(`127.0.0.1:${process.argv[2]}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
