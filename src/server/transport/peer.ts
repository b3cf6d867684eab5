import type { Socket } from "node:net";
import { createContextKey } from "@connectrpc/connect";

/** Address and port of the client. Empty for a call without a socket. */
export const PEER = createContextKey("", { description: "peer" });

/** Whether the call came over REST. The size of its answer is then that of REST's JSON. */
export const IS_REST = createContextKey(false, { description: "rest" });

/** Formats the address and port. An IPv6 address stands in brackets. */
export function peerOf({
  remoteAddress = "",
  remotePort,
}: Partial<Pick<Socket, "remoteAddress" | "remotePort">>): string {
  if (remotePort === undefined) return remoteAddress;
  return `${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
}

/** Sockets of connections whose sockets Node hides, by the object that represents the connection. */
const socketsOf = new WeakMap<object, Socket>();

export function rememberSocket(connection: object, socket: Socket): void {
  socketsOf.set(connection, socket);
}

interface Request {
  readonly socket?: Socket;
  readonly stream?: { readonly session?: object | undefined };
}

/** Returns the socket of a request, if it has one. */
export function socketOf({ socket, stream }: Request): Socket | undefined {
  const session = stream?.session;
  return (session === undefined ? undefined : socketsOf.get(session)) ?? socket;
}

/**
 * Returns the object that all requests of a connection share. In HTTP/2, each request has a socket of its own, which is
 * only a proxy.
 */
export function connectionOf({ socket, stream }: Request & object): object {
  return stream?.session ?? stream ?? socket ?? {};
}

/** Returns a function that gives each connection a value of its own, created when it is first asked for. */
export function perConnection<T>(make: () => T): (connection: object) => T {
  const values = new WeakMap<object, T>();
  return (connection) => {
    const known = values.get(connection);
    if (known !== undefined) return known;
    const value = make();
    values.set(connection, value);
    return value;
  };
}
