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
