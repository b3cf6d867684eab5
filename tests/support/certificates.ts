import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A certificate and its private key, as PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly cert: string;
  /** Issues a certificate for 127.0.0.1 and localhost. By default it is valid until 2049. */
  issue(name: string, options?: { readonly isExpired?: boolean }): Credentials;
}

const P256_WITH_SHA256 = oid(1, 2, 840, 10045, 4, 3, 2);
const COMMON_NAME = oid(2, 5, 4, 3);
const SUBJECT_ALT_NAME = oid(2, 5, 29, 17);
const BASIC_CONSTRAINTS = oid(2, 5, 29, 19);
const TRUE = der(0x01, Buffer.of(0xff));

/** Creates an authority. Node can read certificates but not create them, so this writes them as X.509 (RFC 5280) has it. */
export function createAuthority(name: string): Authority {
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = (subject: string, publicKey: KeyObject, isExpired: boolean, extensions: Buffer): string => {
    const serial = Buffer.concat([Buffer.of(1), createHash("sha256").update(subject).digest().subarray(0, 8)]);
    const [from, to] = ["20200101000000Z", isExpired ? "20210101000000Z" : "20491231235959Z"];
    const content = sequence(
      der(0xa0, integer(Buffer.of(2))),
      integer(serial),
      sequence(P256_WITH_SHA256),
      nameOf(name),
      sequence(utcTime(from), utcTime(to)),
      nameOf(subject),
      publicKey.export({ type: "spki", format: "der" }),
      der(0xa3, sequence(extensions)),
    );
    const signature = der(0x03, Buffer.of(0), sign("sha256", content, own.privateKey));
    return pem("CERTIFICATE", sequence(content, sequence(P256_WITH_SHA256), signature));
  };
  const isAuthority = sequence(BASIC_CONSTRAINTS, TRUE, der(0x04, sequence(TRUE)));
  const isLocal = sequence(
    SUBJECT_ALT_NAME,
    der(0x04, sequence(der(0x82, Buffer.from("localhost")), der(0x87, Buffer.of(127, 0, 0, 1)))),
  );
  return {
    cert: certificate(name, own.publicKey, false, isAuthority),
    issue(subject, { isExpired = false } = {}) {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const key = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
      return { cert: certificate(subject, publicKey, isExpired, isLocal), key };
    },
  };
}

/** A value in DER: its tag, its length, and its parts. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

/** A positive whole number. */
function integer(bytes: Buffer): Buffer {
  return der(0x02, Buffer.of(0).subarray((bytes[0] ?? 0) < 0x80 ? 1 : 0), bytes);
}

/** `text` has a year of four digits, of which the format has the last two. */
function utcTime(text: string): Buffer {
  return der(0x17, Buffer.from(text.slice(2)));
}

function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  const bytes = rest.flatMap((arc) => {
    const digits = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return der(0x06, Buffer.of(40 * first + second, ...bytes));
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(commonName)))));
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
