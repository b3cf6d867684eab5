/**
 * Size of a message that is read or written. A larger one is refused with `MESSAGE_TOO_LARGE`, over REST with
 * `HTTP_BODY_TOO_LARGE`. @limit bytes
 */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * Size of the bodies of all requests under way together; a request beyond it is refused with `REQUESTS_TOO_LARGE`, and
 * may be tried again. So is one whose connection would hold more than what is left. @limit bytes
 */
export const MAX_REQUEST_BODIES_BYTES = 128 * 1024 * 1024;
/**
 * Size of the bodies of all requests under way of one connection; a request beyond it is refused with
 * `REQUESTS_TOO_LARGE`, and may be tried again. @limit bytes
 */
export const MAX_CONNECTION_BODIES_BYTES = 64 * 1024 * 1024;

/**
 * Time from the first byte of a request's body to its last, and of a stream without an end from the first byte of a
 * message to its last; a slower request is refused with `REQUEST_TOO_SLOW`. @limit ms
 */
export const REQUEST_BODY_TIMEOUT_MS = 30_000;

/** Connections at once; further ones are closed as they come. @limit connections */
export const MAX_CONNECTIONS = 10_000;

/**
 * Size of the request line and the headers over HTTP/1.1; more are refused with `HTTP_HEADERS_TOO_LARGE` (431). A thousand
 * long names in a query fit in. @limit bytes
 */
export const MAX_HTTP1_HEADERS_BYTES = 256 * 1024;

/**
 * Size of a call's headers over HTTP/2: names, values, and 32 bytes for each; more are refused with
 * `HTTP_HEADERS_TOO_LARGE`, and the connection goes on. @limit bytes
 */
export const MAX_HTTP2_HEADERS_BYTES = 128 * 1024;
/**
 * Size of one header's name or value over HTTP/2; a call with a longer one is refused with `HTTP_HEADERS_TOO_LARGE`, and the
 * connection goes on. @limit bytes
 */
export const MAX_HTTP2_FIELD_BYTES = 65_535;
/**
 * Size of one header's name or value over HTTP/2 where the client compresses it, as it is sent: up to 8/5 of that as it is. A
 * call with a longer one is refused with `HTTP_HEADERS_TOO_LARGE`, and the connection goes on. @limit bytes
 */
export const MAX_HTTP2_HUFFMAN_BYTES = 40 * 1024;
/**
 * Size of short headers over HTTP/2 that are read beyond the limit, to find out how the call is to be answered.
 * @limit bytes
 */
export const MAX_SHORT_FIELDS_BYTES = 16 * 1024;
/**
 * Size of headers that HTTP/2 clients are asked to keep to (SETTINGS_MAX_HEADER_LIST_SIZE); a call whose headers expand
 * beyond it by compression is reset with ENHANCE_YOUR_CALM. @limit bytes
 */
export const ANNOUNCED_HTTP2_HEADERS_BYTES = 256 * 1024;
/** Headers of a call over HTTP/2; a call with more is reset with ENHANCE_YOUR_CALM. @limit headers */
export const MAX_HEADERS = 8192;

/**
 * Time that a request's headers may take from their first byte to their last; then HTTP/1.1 answers with
 * `REQUEST_TOO_SLOW`, and the connection is closed. @limit ms
 */
export const HEADERS_TIMEOUT_MS = 10_000;
/**
 * Size of headers that have not ended: of all HTTP/2 connections together, where the connection that goes beyond it is closed;
 * and of all HTTP/1.1 connections together, where those that hold most are closed within a second. @limit bytes
 */
export const MAX_UNFINISHED_HEADERS_BYTES = 64 * 1024 * 1024;

/**
 * Frames in one burst of an HTTP/2 connection that do nothing for a call (PING, SETTINGS, PRIORITY, empty DATA, headers in
 * crumbs); beyond them the connection is closed with ENHANCE_YOUR_CALM. @limit frames
 */
export const CONTROL_FRAMES_BURST = 10_000;
/**
 * Frames of an HTTP/2 connection in the long run that do nothing for a call; beyond them the connection is closed with
 * ENHANCE_YOUR_CALM. @limit frames a second
 */
export const CONTROL_FRAMES_PER_SECOND = 1000;
/**
 * Calls that an HTTP/2 client may cancel in one burst; beyond them it is taken for an attacker (CVE-2023-44487), and its
 * connection is closed. Node's default, 1000, cuts clients that cancel a lot. @limit calls
 */
export const STREAM_RESETS_BURST = 100_000;
/**
 * Calls that an HTTP/2 client may cancel in the long run; beyond them its connection is closed. @limit calls a second
 */
export const STREAM_RESETS_PER_SECOND = 10_000;

/**
 * Calls of an HTTP/2 connection that begin in one turn of the event loop; further ones begin in the next, so that other
 * connections have theirs. @limit calls
 */
export const CALLS_PER_TURN = 200;

/**
 * Calls under way in all, streams too; a call whose connection has as many as all others leave is refused with
 * `TOO_MANY_CALLS`, and may be tried again. @limit calls
 */
export const MAX_OPEN_CALLS = 20_000;
/** Calls at once on one HTTP/2 connection; a client waits with further ones. @limit calls */
export const MAX_CONNECTION_STREAMS = 10_000;
/** Memory of one HTTP/2 connection; new calls on it are refused beyond it. @limit MB */
export const MAX_SESSION_MEMORY_MB = 256;

/** Time that an HTTP/1.1 connection without requests stays open. @limit ms */
export const HTTP1_KEEP_ALIVE_MS = 60_000;
/** Time between two looks at whether an HTTP/1.1 connection has exceeded its time. @limit ms */
export const TIMEOUT_CHECK_MS = 1000;

/**
 * Time that an answer may wait without its reader taking anything of it; then its call is ended, over HTTP/1.1 with its
 * connection. @limit ms
 */
export const SLOW_READER_TIMEOUT_MS = 60_000;
/**
 * Size of all answers that wait to be read; beyond it, the largest of those that do not get on are ended. Streams write
 * nothing new while their connection has more than half of what is left. @limit bytes
 */
export const MAX_UNREAD_BYTES = 256 * 1024 * 1024;
/** Time between two looks at whether answers get on. @limit ms */
export const SLOW_READER_CHECK_MS = 2000;

/**
 * Time for which the rest of a request that was refused is read and thrown away; then its stream or connection is
 * closed. @limit ms
 */
export const MAX_REFUSED_REQUEST_MS = 5000;
