/**
 * Size of a message that is read or written. A larger one is refused with `MESSAGE_TOO_LARGE`, over REST with
 * `HTTP_BODY_TOO_LARGE`. @limit bytes
 */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * Size of the bodies of all requests in progress. A request beyond it is refused with `REQUESTS_TOO_LARGE`, and may be
 * retried. So is a request whose connection would hold more than is left free. @limit bytes
 */
export const MAX_REQUEST_BODIES_BYTES = 128 * 1024 * 1024;
/**
 * Size of the bodies of all requests in progress on one connection. A request beyond it is refused with
 * `REQUESTS_TOO_LARGE`, and may be retried. @limit bytes
 */
export const MAX_CONNECTION_BODIES_BYTES = 64 * 1024 * 1024;

/**
 * Time from the first byte of a request's body to its last; on an open stream, from the first byte of a message to its
 * last. A slower request is refused with `REQUEST_TOO_SLOW`. @limit ms
 */
export const REQUEST_BODY_TIMEOUT_MS = 30_000;

/** Open connections; further ones are closed at once. @limit connections */
export const MAX_CONNECTIONS = 20_000;

/**
 * Size of the request line and the headers over HTTP/1.1; more are refused with `HTTP_HEADERS_TOO_LARGE` (431). A
 * thousand long names in a query fit. @limit bytes
 */
export const MAX_HTTP1_HEADERS_BYTES = 256 * 1024;

/**
 * Size of a call's headers over HTTP/2: names, values, and 32 bytes for each header. More are refused with
 * `HTTP_HEADERS_TOO_LARGE`, and the connection continues. @limit bytes
 */
export const MAX_HTTP2_HEADERS_BYTES = 128 * 1024;
/**
 * Size of one header's name or value over HTTP/2; a call with a longer one is refused with `HTTP_HEADERS_TOO_LARGE`,
 * and the connection continues. @limit bytes
 */
export const MAX_HTTP2_FIELD_BYTES = 65_535;
/**
 * Compressed size of one header's name or value over HTTP/2; uncompressed it is up to 8/5 of that. A call with a longer
 * one is refused with `HTTP_HEADERS_TOO_LARGE`, and the connection continues. @limit bytes
 */
export const MAX_HTTP2_HUFFMAN_BYTES = 40 * 1024;
/**
 * Size of short headers over HTTP/2 that are read beyond the limit, to find out how to answer the call. @limit bytes
 */
export const MAX_SHORT_FIELDS_BYTES = 16 * 1024;
/**
 * Size of headers that HTTP/2 clients are asked to respect (SETTINGS_MAX_HEADER_LIST_SIZE); a call whose headers expand
 * beyond it by decompression is reset with ENHANCE_YOUR_CALM. @limit bytes
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
 * Size of incomplete headers of all HTTP/2 connections together; the connection that exceeds it is closed. Also of all
 * HTTP/1.1 connections together; those that hold most are closed within a second. @limit bytes
 */
export const MAX_UNFINISHED_HEADERS_BYTES = 64 * 1024 * 1024;

/**
 * Frames of an HTTP/2 connection in one burst that do nothing for a call (PING, SETTINGS, PRIORITY, empty DATA,
 * fragments of headers); beyond them the connection is closed with ENHANCE_YOUR_CALM. @limit frames
 */
export const CONTROL_FRAMES_BURST = 10_000;
/**
 * Frames of an HTTP/2 connection in the long run that do nothing for a call; beyond them the connection is closed with
 * ENHANCE_YOUR_CALM. @limit frames a second
 */
export const CONTROL_FRAMES_PER_SECOND = 1000;
/**
 * Frames for which a change of the window of all streams (SETTINGS_INITIAL_WINDOW_SIZE) counts besides itself, among those that
 * do nothing for a call: it is applied to each of up to `MAX_CONNECTION_STREAMS` streams. A client may make 99 changes in one
 * burst. @limit frames
 */
export const FRAMES_PER_WINDOW_CHANGE = 100;
/**
 * Calls that an HTTP/2 client may cancel in one burst; beyond them it counts as an attacker (CVE-2023-44487), and its
 * connection is closed. Node's default, 1000, would cut off clients that cancel often. @limit calls
 */
export const STREAM_RESETS_BURST = 100_000;
/**
 * Calls that an HTTP/2 client may cancel in the long run; beyond them its connection is closed. @limit calls a second
 */
export const STREAM_RESETS_PER_SECOND = 10_000;

/**
 * Calls of an HTTP/2 connection that begin in one turn of the event loop; further ones begin in the next, so that other
 * connections get their turn. @limit calls
 */
export const CALLS_PER_TURN = 200;

/**
 * Calls in progress in all, including streams. A call whose connection has as many as all connections leave free is
 * refused with `TOO_MANY_CALLS`, and may be retried. @limit calls
 */
export const MAX_OPEN_CALLS = 20_000;
/** Calls at once on one HTTP/2 connection; a client waits with further ones. @limit calls */
export const MAX_CONNECTION_STREAMS = 10_000;
/** Memory of one HTTP/2 connection; beyond it, new calls on it are refused. @limit MB */
export const MAX_SESSION_MEMORY_MB = 256;

/** Time that an HTTP/1.1 connection without requests stays open. @limit ms */
export const HTTP1_KEEP_ALIVE_MS = 60_000;
/** Time between two checks whether an HTTP/1.1 connection has exceeded its time. @limit ms */
export const TIMEOUT_CHECK_MS = 1000;

/**
 * Time that an answer may wait while its reader takes nothing of it; then its call is ended, over HTTP/1.1 with its
 * connection. @limit ms
 */
export const SLOW_READER_TIMEOUT_MS = 60_000;
/**
 * Size of all unread answers. Beyond it, the largest of those that make no progress are ended. Streams write nothing
 * new while their connection holds more than half of the space that is left. @limit bytes
 */
export const MAX_UNREAD_BYTES = 256 * 1024 * 1024;
/**
 * Bytes of answers to calls that one HTTP/2 connection holds ready for its socket. Further ones wait in their streams, and
 * no more calls are read from the connection until the client has read. @limit bytes
 */
export const MAX_UNSENT_BYTES = 1024 * 1024;
/** Time between two checks whether answers make progress. @limit ms */
export const SLOW_READER_CHECK_MS = 2000;

/**
 * Time for which the rest of a refused request is read and discarded; then its stream or connection is closed.
 * @limit ms
 */
export const MAX_REFUSED_REQUEST_MS = 5000;
