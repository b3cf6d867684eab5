import type { Socket } from "node:net";
import { createContextKey } from "@connectrpc/connect";

/** Address and port of the other end of a call's connection; empty where the call came by no socket. */
export const PEER = createContextKey("", { description: "peer" });

/** Whether a call came by REST: its answer is then written as REST shows it. */
export const IS_REST = createContextKey(false, { description: "rest" });

/** Writes them; an IPv6 address in brackets. */
export function peerOf({
  remoteAddress = "",
  remotePort,
}: Partial<Pick<Socket, "remoteAddress" | "remotePort">>): string {
  if (remotePort === undefined) return remoteAddress;
  return `${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
}

/** Of connections whose sockets Node hides, by what stands for them. */
const socketsOf = new WeakMap<object, Socket>();

export function rememberSocket(connection: object, socket: Socket): void {
  socketsOf.set(connection, socket);
}

interface Request {
  readonly socket?: Socket;
  readonly stream?: { readonly session?: object | undefined };
}

/** The socket by which a request came; undefined: by none. */
export function socketOf({ socket, stream }: Request): Socket | undefined {
  const session = stream?.session;
  return (session === undefined ? undefined : socketsOf.get(session)) ?? socket;
}

/** What all requests of one connection have in common: of HTTP/2, the request's own socket is a stand-in for each stream. */
export function connectionOf({ socket, stream }: Request & object): object {
  return stream?.session ?? stream ?? socket ?? {};
}
