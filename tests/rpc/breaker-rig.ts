import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import {
  type Breakers,
  createBreakers,
  createManualClock,
  createMemoryStore,
  createRequestLog,
  Feed,
  type ManualClock,
  silentLog,
} from "../../src/core/index.ts";
import { createErrorMapping } from "../../src/server/interceptors/errors.ts";
import { createValidation } from "../../src/server/interceptors/validation.ts";
import { createBreakerService } from "../../src/server/services/breaker.ts";
import { createReplays } from "../../src/server/services/replays.ts";

export interface Rig {
  readonly client: Client<typeof BreakerService>;
  readonly breakers: Breakers;
  readonly clock: ManualClock;
  readonly feed: Feed;
}

/** The service as it is served, but for the socket. */
export async function rig(): Promise<Rig> {
  const clock = createManualClock();
  const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation" }));
  let ids = 0;
  const breakers = createBreakers({ feed, clock, newId: () => `lease-${++ids}`, random: () => 0.5, log: silentLog });
  const requests = createRequestLog({ feed, clock });
  await feed.start();
  await breakers.start();
  const interceptors = [
    createErrorMapping(
      () => "error-id",
      (_, error) => {
        throw error;
      },
    ),
    createValidation([BreakerService]),
  ];
  const service = createReplays(requests)(
    BreakerService,
    createBreakerService({ breakers, clock, newId: () => crypto.randomUUID() }),
  );
  const transport = createRouterTransport((router) => router.service(BreakerService, service), {
    router: { interceptors },
  });
  return { client: createClient(BreakerService, transport), breakers, clock, feed };
}

/** What a failed call says: its code, and reason and metadata of its ErrorInfo. */
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
