import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/**
 * Begins to connect, as Node does for a session of HTTP/2. With its own socket, the client can end a connection that Node would
 * leave open.
 */
export function dial({ protocol, hostname, port }: URL): Socket {
  const isSecure = protocol === "https:";
  // A URL has brackets around an IPv6 address.
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const target = { host, port: Number(port) || (isSecure ? 443 : 80) };
  if (!isSecure) return connectTcp(target);
  return connectTls({ ...target, ALPNProtocols: ["h2"], ...(isIP(host) === 0 ? { servername: host } : {}) });
}
