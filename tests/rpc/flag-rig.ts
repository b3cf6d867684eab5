import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import {
  createFlags,
  createManualClock,
  createMemoryStore,
  createRequestLog,
  Feed,
  type ManualClock,
  silentLog,
} from "../../src/core/index.ts";
import { compileCondition } from "../../src/server/condition.ts";
import { createErrorMapping } from "../../src/server/interceptors/errors.ts";
import { createValidation } from "../../src/server/interceptors/validation.ts";
import { createFlagService } from "../../src/server/services/flag.ts";
import { createReplays } from "../../src/server/services/replays.ts";

export interface Rig {
  readonly client: Client<typeof FlagService>;
  readonly clock: ManualClock;
  readonly feed: Feed;
  /** Resolves to the delay of the first timer that is set. */
  readonly firstTimer: Promise<number>;
  /** The flags file's text from now on. */
  write(text: string): void;
}

/** The service as it is served, but for the socket. It begins without flags. */
export async function rig(): Promise<Rig> {
  const manual = createManualClock();
  const firstTimer = Promise.withResolvers<number>();
  const clock: ManualClock = {
    ...manual,
    setTimer(delayMs, run) {
      const timer = manual.setTimer(delayMs, run);
      firstTimer.resolve(delayMs);
      return timer;
    },
  };
  const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation" }));
  let text = "{}";
  const readFile = async (): Promise<string> => text;
  const flags = createFlags({ feed, clock, log: silentLog, readFile, fileName: "flags.json", compileCondition });
  const requests = createRequestLog({ feed, clock });
  await feed.start();
  await flags.start();
  const interceptors = [
    createErrorMapping(
      () => "error-id",
      (_, error) => {
        throw error;
      },
    ),
    createValidation([FlagService]),
  ];
  const service = createReplays(requests)(
    FlagService,
    createFlagService({ flags, clock, newId: () => crypto.randomUUID() }),
  );
  const transport = createRouterTransport((router) => router.service(FlagService, service), {
    router: { interceptors },
  });
  return {
    client: createClient(FlagService, transport),
    clock,
    feed,
    firstTimer: firstTimer.promise,
    write: (next) => {
      text = next;
    },
  };
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
