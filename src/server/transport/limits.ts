/**
 * Size of a message that is read or written. A larger one is refused with `MESSAGE_TOO_LARGE`, over REST with
 * `HTTP_BODY_TOO_LARGE`. @limit bytes
 */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * Size of the bodies of all requests under way together; a request beyond it is refused with `REQUESTS_TOO_LARGE`, and
 * may be tried again. @limit bytes
 */
export const MAX_REQUEST_BODIES_BYTES = 128 * 1024 * 1024;
/**
 * Size of the bodies of all requests under way of one connection; a request beyond it is refused with
 * `REQUESTS_TOO_LARGE`, and may be tried again. @limit bytes
 */
export const MAX_CONNECTION_BODIES_BYTES = 64 * 1024 * 1024;

/**
 * Time from the first byte of a request's body to its last, where the body has an end; a slower request is refused with
 * `REQUEST_TOO_SLOW`. @limit ms
 */
export const REQUEST_BODY_TIMEOUT_MS = 30_000;

/** Connections at once; further ones are closed as they come. @limit connections */
export const MAX_CONNECTIONS = 10_000;

/** Bytes of a request line and headers over HTTP/1.1; a thousand long names in a query fit in. */
export const MAX_HTTP1_HEADERS_BYTES = 256 * 1024;

/** Bytes of a call's headers over HTTP/2: names, values, and 32 for each header (RFC 9113, 6.5.2). */
export const MAX_HTTP2_HEADERS_BYTES = 128 * 1024;
/** Bytes of one name or value over HTTP/2, as it is sent: by itself, and compressed, when it may be 8/5 times as long. */
export const MAX_HTTP2_FIELD_BYTES = 64 * 1024 - 1;
export const MAX_HTTP2_HUFFMAN_BYTES = 40 * 1024;
/** Bytes of short headers that are read although the limit has been reached: what says how to answer may be among them. */
export const MAX_SHORT_FIELDS_BYTES = 16 * 1024;
/** Bytes of headers that HTTP/2 clients are asked to keep to; a call beyond it may be reset without a reason. */
export const ANNOUNCED_HTTP2_HEADERS_BYTES = 256 * 1024;
/** Headers of a call; the bytes are what bounds them. */
export const MAX_HEADERS = 8192;

/** How long a connection may take for a request's headers, from their first byte to their last, in ms. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** Bytes of HTTP/2 headers that have not ended, of all connections; the one that goes beyond is closed. */
export const MAX_UNFINISHED_HEADERS_BYTES = 64 * 1024 * 1024;

/**
 * Frames of one HTTP/2 connection that do nothing for a call (PING, SETTINGS, PRIORITY, unknown ones, empty DATA,
 * CONTINUATION that is not full): at once, and for each second; beyond, the connection is closed (ENHANCE_YOUR_CALM).
 */
export const CONTROL_FRAMES_BURST = 10_000;
export const CONTROL_FRAMES_PER_SECOND = 1000;
/**
 * Streams of one HTTP/2 connection that its client resets: at once, and for each second; beyond, the connection is closed.
 * Node's default (1,000, 33) takes a client that cancels a lot for an attacker (CVE-2023-44487).
 */
export const STREAM_RESETS_BURST = 100_000;
export const STREAM_RESETS_PER_SECOND = 10_000;

/** Calls under way at once on one HTTP/2 connection; further ones are refused to the client, which may wait. */
export const MAX_CONNECTION_STREAMS = 10_000;
/** MB that Node may hold for one HTTP/2 connection; beyond, further streams are refused. Its default is 10. */
export const MAX_SESSION_MEMORY_MB = 256;

/** How long an HTTP/1.1 connection without a request stays open, in ms. */
export const HTTP1_KEEP_ALIVE_MS = 60_000;
/** How often it is looked whether a connection has exceeded its time, in ms. */
export const TIMEOUT_CHECK_MS = 1000;

/** How long an answer may wait without its reader taking anything, in ms; it is ended then. */
export const SLOW_READER_TIMEOUT_MS = 60_000;
/** Bytes that all answers which wait to be read may hold; beyond, the largest of those that do not get on are ended. */
export const MAX_UNREAD_BYTES = 256 * 1024 * 1024;
/** How often it is looked whether answers get on, in ms. */
export const SLOW_READER_CHECK_MS = 2000;
