import type { DescService } from "@bufbuild/protobuf";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type ServiceImpl,
} from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { RequestLog } from "../../src/core/index.ts";
import { createReplays } from "../../src/server/services/replay/replays.ts";
import { testRunner } from "./runner.ts";

/** A client of a service with its interceptors, without a socket. Unexpected errors are thrown. */
export function clientOf<S extends DescService>(desc: S, service: ServiceImpl<S>, requests: RequestLog): Client<S> {
  const replayed = createReplays(requests)(desc, service);
  const transport = createRouterTransport((router) => router.service(desc, testRunner().serve(desc, replayed)));
  return createClient(desc, transport);
}

/** The parts of a failed call: its code, and the reason and metadata of its ErrorInfo. */
export async function failure(
  call: Promise<unknown>,
): Promise<{ code: string | undefined; reason: string | undefined; metadata: Record<string, string> }> {
  try {
    await call;
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const [info] = error.findDetails(ErrorInfoSchema);
    return { code: Code[error.code], reason: info?.reason, metadata: info?.metadata ?? {} };
  }
  throw new Error("the call succeeded");
}
