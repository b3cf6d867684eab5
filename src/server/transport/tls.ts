import { constants, X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type HeliosError, invalid, LONGEST_PLATFORM_DELAY_MS, messageOf } from "../../core/index.ts";
import type { DetectedProtocol } from "./detect.ts";
import { peerOf } from "./peer.ts";

export interface TlsOptions {
  /** The server's certificate with its intermediate ones, and its private key. Both are PEM. */
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  /** The authorities that sign the certificates of clients, as PEM. Default: clients are not asked for a certificate. */
  readonly clientCa?: string | Uint8Array | undefined;
  /**
   * Whether a client must have a certificate. `optional` also admits clients without one; a certificate that no authority of
   * `clientCa` has signed, or that has expired, is refused in any case. Default: `required`, if there is a `clientCa`.
   */
  readonly clientAuth?: "required" | "optional" | undefined;
}

/** Called when the handshake of a connection has succeeded. */
export type Secured = (socket: TLSSocket) => void;

/** In TLS 1.2, only ciphers with forward secrecy that also authenticate (AEAD); HTTP/2 allows no others (RFC 9113, 9.2.2). */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
];

/**
 * Returns a function that makes the handshake on a TCP connection. A connection whose handshake fails is closed. The caller
 * limits the time. Throws ARGUMENT_INVALID if the certificates cannot be used.
 */
export function createTls(options: TlsOptions): (socket: Socket, secured: Secured) => void {
  const server = serverFor(options);
  const mayBeAnonymous = options.clientAuth === "optional";
  /** Connections during their handshake. Node does not say which TCP connection a TLS connection uses. */
  const shaking = new Map<string, Secured>();
  server.on("secureConnection", (socket) => {
    const name = nameOf(socket);
    const secured = shaking.get(name);
    shaking.delete(name);
    // It is normal that clients reset connections, so it is not logged.
    socket.on("error", () => socket.destroy());
    if (secured === undefined || (mayBeAnonymous && isForged(socket))) socket.destroy();
    else secured(socket);
  });
  server.on("tlsClientError", (_, socket) => socket.destroy());
  return (socket, secured) => {
    const name = nameOf(socket);
    shaking.set(name, secured);
    socket.once("close", () => {
      if (shaking.get(name) === secured) shaking.delete(name);
    });
    server.emit("connection", socket);
  };
}

/** The protocol that the handshake has agreed on. A client that does not negotiate gets HTTP/1.1 (RFC 9113, 3.3). */
export function negotiated({ alpnProtocol }: TLSSocket): DetectedProtocol {
  return alpnProtocol === "h2" ? "HTTP/2" : "HTTP/1.1";
}

function serverFor({ cert, key, clientCa, clientAuth }: TlsOptions): Server {
  if (clientAuth !== undefined && clientCa === undefined) throw invalidTls("clientAuth needs clientCa");
  try {
    const clients = { requestCert: true, rejectUnauthorized: clientAuth !== "optional" };
    return createServer({
      cert: bytesOf(cert),
      key: bytesOf(key),
      ...(clientCa === undefined ? {} : { ca: certificatesIn(bytesOf(clientCa)), ...clients }),
      ALPNProtocols: ["h2", "http/1.1"],
      minVersion: "TLSv1.2",
      ciphers: CIPHERS.join(":"),
      // HTTP/2 forbids it (RFC 9113, 9.2.1), and a client could keep the processor busy with it.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      handshakeTimeout: LONGEST_PLATFORM_DELAY_MS,
    });
  } catch (error) {
    throw invalidTls(messageOf(error));
  }
}

const invalidTls = (problem: string): HeliosError => invalid("tls", problem);

const bytesOf = (pem: string | Uint8Array): Buffer => Buffer.from(pem as Uint8Array);

/** Returns the certificates as PEM. Throws if there is none, or one that cannot be read, which Node would ignore. */
function certificatesIn(pem: Buffer): string[] {
  const found = pem.toString("latin1").match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  if (found.length === 0) throw new Error("clientCa has no certificate in the format PEM");
  return found.map((one) => new X509Certificate(one).toString());
}

/** Both ends of a connection, which no other open connection has. */
function nameOf(socket: Socket): string {
  return `${peerOf(socket)} ${socket.localAddress}`;
}

/** Whether the client has shown a certificate that cannot be verified. */
function isForged(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}
