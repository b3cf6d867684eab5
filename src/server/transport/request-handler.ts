import type { connectNodeAdapter } from "@connectrpc/connect-node";

/** Handles the requests of both HTTP versions. */
export type RequestHandler = ReturnType<typeof connectNodeAdapter>;
