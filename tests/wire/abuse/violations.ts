import { constants } from "node:http2";
import {
  ACK,
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Field,
  frame,
  GOAWAY,
  HEADERS,
  message,
  NOTHING,
  PADDED,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  setting,
  uint32,
  WINDOW_UPDATE,
} from "./frames.ts";
import { ENDS, grpc, LIST, request } from "./rig.ts";

const {
  NGHTTP2_PROTOCOL_ERROR: PROTOCOL_ERROR,
  NGHTTP2_INTERNAL_ERROR: INTERNAL_ERROR,
  NGHTTP2_FLOW_CONTROL_ERROR: FLOW_CONTROL_ERROR,
  NGHTTP2_STREAM_CLOSED: STREAM_CLOSED,
  NGHTTP2_FRAME_SIZE_ERROR: FRAME_SIZE_ERROR,
  NGHTTP2_COMPRESSION_ERROR: COMPRESSION_ERROR,
} = constants;
const HEADER_TABLE_SIZE = 1;
const ENABLE_PUSH = 2;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MOST_WINDOW = 2 ** 31 - 1;
/** The window of a stream at its beginning. */
const WINDOW = 65_535;
const initialWindow = (bytes: number): Buffer => frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, bytes));

/** A complete call on a stream. */
export const complete = (stream: number, fields = grpc(LIST)): Buffer[] => [
  request(stream, fields),
  frame(DATA, END_STREAM, stream, message(NOTHING)),
];
const without = (name: string): readonly Field[] => grpc(LIST).filter(([each]) => each !== name);
const replaced = (name: string, value: string): readonly Field[] =>
  grpc(LIST).map(([each, old]) => [each, each === name ? value : old]);

/** Bytes after the preface, and the codes with which the server may end the connection or stream 1. */
export type Row = readonly [what: string, frames: readonly Buffer[], ...codes: readonly number[]];

/** Frames after which the connection cannot continue, with the codes of GOAWAY that RFC 9113 allows. */
export const FATAL: readonly Row[] = [
  ["DATA on stream 0", [frame(DATA, 0, 0, message(NOTHING))], PROTOCOL_ERROR],
  ["DATA on a stream that was never opened", [frame(DATA, 0, 1, message(NOTHING))], PROTOCOL_ERROR, STREAM_CLOSED],
  ["DATA that is all padding and more", [request(1), frame(DATA, PADDED, 1, Buffer.of(9, 0, 0))], PROTOCOL_ERROR],
  ["HEADERS on stream 0", [request(0)], PROTOCOL_ERROR],
  ["HEADERS on a stream of the server", [request(2)], PROTOCOL_ERROR],
  [
    "HEADERS with more padding than content",
    [frame(HEADERS, ENDS | PADDED, 1, Buffer.of(9, 0))],
    PROTOCOL_ERROR,
    COMPRESSION_ERROR,
  ],
  ["a frame above the limit", [request(1), frame(DATA, 0, 1, Buffer.alloc(16_385))], FRAME_SIZE_ERROR],
  ["HEADERS above the limit", [frame(HEADERS, ENDS, 1, Buffer.alloc(16_385))], FRAME_SIZE_ERROR, COMPRESSION_ERROR],
  ["RST_STREAM on stream 0", [frame(RST_STREAM, 0, 0, uint32(8))], PROTOCOL_ERROR],
  ["RST_STREAM on a stream that was never opened", [frame(RST_STREAM, 0, 1, uint32(8))], PROTOCOL_ERROR],
  ["RST_STREAM of 3 bytes", [request(1), frame(RST_STREAM, 0, 1, Buffer.alloc(3))], FRAME_SIZE_ERROR],
  ["SETTINGS of 5 bytes", [frame(SETTINGS, 0, 0, Buffer.alloc(5))], FRAME_SIZE_ERROR],
  ["SETTINGS on a stream", [request(1), frame(SETTINGS, 0, 1)], PROTOCOL_ERROR],
  ["an acknowledgement of SETTINGS with content", [frame(SETTINGS, ACK, 0, setting(ENABLE_PUSH, 0))], FRAME_SIZE_ERROR],
  ["a push that is neither on nor off", [frame(SETTINGS, 0, 0, setting(ENABLE_PUSH, 2))], PROTOCOL_ERROR],
  ["a window above the limit", [initialWindow(MOST_WINDOW + 1)], FLOW_CONTROL_ERROR],
  ["a size of frames below the limit", [frame(SETTINGS, 0, 0, setting(MAX_FRAME_SIZE, 16_383))], PROTOCOL_ERROR],
  ["a size of frames above the limit", [frame(SETTINGS, 0, 0, setting(MAX_FRAME_SIZE, 2 ** 24))], PROTOCOL_ERROR],
  [
    "PUSH_PROMISE of a client",
    [request(1), frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), block(grpc(LIST))]))],
    PROTOCOL_ERROR,
  ],
  ["PING of 7 bytes", [frame(PING, 0, 0, Buffer.alloc(7))], FRAME_SIZE_ERROR],
  ["PING on a stream", [request(1), frame(PING, 0, 1, Buffer.alloc(8))], PROTOCOL_ERROR],
  ["GOAWAY on a stream", [request(1), frame(GOAWAY, 0, 1, Buffer.alloc(8))], PROTOCOL_ERROR],
  ["GOAWAY of 7 bytes", [frame(GOAWAY, 0, 0, Buffer.alloc(7))], FRAME_SIZE_ERROR],
  ["WINDOW_UPDATE of 3 bytes", [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))], FRAME_SIZE_ERROR],
  ["WINDOW_UPDATE by 0", [frame(WINDOW_UPDATE, 0, 0, uint32(0))], PROTOCOL_ERROR],
  ["WINDOW_UPDATE beyond the limit", [frame(WINDOW_UPDATE, 0, 0, uint32(MOST_WINDOW))], FLOW_CONTROL_ERROR],
  [
    "a window of all streams that is too much for one of them",
    [request(1), frame(WINDOW_UPDATE, 0, 1, uint32(MOST_WINDOW - WINDOW)), initialWindow(WINDOW + 1)],
    FLOW_CONTROL_ERROR,
  ],
  [
    "the same, while the window of another stream is negative",
    [
      ...[initialWindow(1), ...complete(1), initialWindow(0), request(3)],
      ...[frame(WINDOW_UPDATE, 0, 3, uint32(MOST_WINDOW)), initialWindow(1)],
    ],
    FLOW_CONTROL_ERROR,
  ],
  [
    "WINDOW_UPDATE beyond the limit, after others",
    [...Array<Buffer>(4).fill(frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 29)))],
    FLOW_CONTROL_ERROR,
  ],
  ["WINDOW_UPDATE on a stream that was never opened", [frame(WINDOW_UPDATE, 0, 1, uint32(1))], PROTOCOL_ERROR],
  ["CONTINUATION without HEADERS", [frame(CONTINUATION, END_HEADERS, 1, block(grpc(LIST)))], PROTOCOL_ERROR],
  ["CONTINUATION after the end of the headers", [request(1), frame(CONTINUATION, END_HEADERS, 1)], PROTOCOL_ERROR],
  [
    "another frame before the end of the headers",
    [request(1, grpc(LIST), 0), frame(PING, 0, 0, Buffer.alloc(8))],
    PROTOCOL_ERROR,
  ],
  [
    "headers that end on another stream",
    [request(1, grpc(LIST), 0), frame(CONTINUATION, END_HEADERS, 3)],
    PROTOCOL_ERROR,
  ],
  ["a header with the index 0", [frame(HEADERS, ENDS, 1, Buffer.of(0x80))], COMPRESSION_ERROR],
  ["a header that no table has", [frame(HEADERS, ENDS, 1, Buffer.of(0xff, 0x7f))], COMPRESSION_ERROR],
  ["a header that ends too early", [frame(HEADERS, ENDS, 1, Buffer.of(0x00, 0x0a, 0x61))], COMPRESSION_ERROR],
  [
    "a header with a wrong Huffman code",
    [frame(HEADERS, ENDS, 1, Buffer.of(0x00, 0x01, 0x61, 0x84, 255, 255, 255, 255))],
    COMPRESSION_ERROR,
  ],
  [
    "a table above the limit",
    [frame(HEADERS, ENDS, 1, Buffer.concat([Buffer.of(0x3f, 0xff, 0x7f), block(grpc(LIST))]))],
    COMPRESSION_ERROR,
  ],
];

/** Requests that are wrong by themselves, with the codes of RST_STREAM that RFC 9113 allows. The connection continues. */
export const RESET: readonly Row[] = [
  ["a header with a capital letter", complete(1, grpc(LIST, [["X-Name", "a"]])), PROTOCOL_ERROR],
  ["a header of a connection", complete(1, grpc(LIST, [["connection", "close"]])), PROTOCOL_ERROR],
  ["TE other than trailers", complete(1, replaced("te", "gzip")), PROTOCOL_ERROR],
  ["a pseudo-header after the others", complete(1, [...without(":path"), [":path", LIST]]), PROTOCOL_ERROR],
  ["an unknown pseudo-header", complete(1, [[":unknown", "a"], ...grpc(LIST)]), PROTOCOL_ERROR],
  ["a pseudo-header of answers", complete(1, [[":status", "200"], ...grpc(LIST)]), PROTOCOL_ERROR],
  ["two paths", complete(1, [[":path", LIST], ...grpc(LIST)]), PROTOCOL_ERROR],
  ["an empty path", complete(1, replaced(":path", "")), PROTOCOL_ERROR],
  ["no method", complete(1, without(":method")), PROTOCOL_ERROR],
  ["no scheme", complete(1, without(":scheme")), PROTOCOL_ERROR],
  ["no path", complete(1, without(":path")), PROTOCOL_ERROR],
  ["a content-length above the content", complete(1, grpc(LIST, [["content-length", "6"]])), PROTOCOL_ERROR],
  [
    "two values of content-length",
    complete(
      1,
      grpc(LIST, [
        ["content-length", "5"],
        ["content-length", "6"],
      ]),
    ),
    PROTOCOL_ERROR,
  ],
  [
    "a second block of headers that does not end the request",
    [request(1), request(1, [["x-trailer", "a"]])],
    PROTOCOL_ERROR,
  ],
  ["a pseudo-header in the trailers", [request(1), request(1, [[":path", LIST]], ENDS)], PROTOCOL_ERROR],
];

/**
 * Requests that are wrong by themselves, like those above. An implementation may end the whole connection instead (RFC 9113,
 * 5.4), and Node does, in one case with INTERNAL_ERROR.
 */
export const RESET_OR_FATAL: readonly Row[] = [
  [
    "a content-length below the content",
    complete(1, grpc(LIST, [["content-length", "4"]])),
    PROTOCOL_ERROR,
    INTERNAL_ERROR,
  ],
  ["a window beyond the limit", [request(1), frame(WINDOW_UPDATE, 0, 1, uint32(MOST_WINDOW))], FLOW_CONTROL_ERROR],
  ["a window that grows by 0", [request(1), frame(WINDOW_UPDATE, 0, 1, uint32(0))], PROTOCOL_ERROR],
];

/** Frames that end the connection or the stream by RFC 9113, but that Node ignores, which does no harm. */
export const FATAL_OR_IGNORED: readonly Row[] = [
  ["HEADERS on a stream below an earlier one", [...complete(5), ...complete(3)], PROTOCOL_ERROR, STREAM_CLOSED],
  ["PRIORITY on stream 0", [frame(PRIORITY, 0, 0, Buffer.alloc(5))], PROTOCOL_ERROR],
  ["a header with an invalid name", complete(1, grpc(LIST, [["x name", "a"]])), PROTOCOL_ERROR],
];

/** Frames that are strange, but allowed. */
export const ALLOWED: readonly (readonly [what: string, frames: readonly Buffer[]])[] = [
  ["a frame of an unknown type", [frame(0x42, 0xff, 7, Buffer.alloc(100)), ...complete(1)]],
  ["an unknown setting", [frame(SETTINGS, 0, 0, setting(0x42, 1)), ...complete(1)]],
  ["flags that mean nothing", [frame(PING, 0xfe, 0, Buffer.alloc(8)), ...complete(1)]],
  ["a table of 0 bytes", [frame(SETTINGS, 0, 0, setting(HEADER_TABLE_SIZE, 0)), ...complete(1)]],
  [
    "windows that are as large as they may be",
    [
      ...[request(1), frame(WINDOW_UPDATE, 0, 1, uint32(MOST_WINDOW - WINDOW))],
      ...[frame(WINDOW_UPDATE, 0, 0, uint32(MOST_WINDOW - WINDOW)), initialWindow(WINDOW - 1), initialWindow(WINDOW)],
      frame(DATA, END_STREAM, 1, message(NOTHING)),
    ],
  ],
  [
    "headers in frames of one byte",
    [
      frame(HEADERS, 0, 1),
      ...[...block(grpc(LIST))].map((byte) => frame(CONTINUATION, 0, 1, Buffer.of(byte))),
      frame(CONTINUATION, END_HEADERS, 1),
      frame(DATA, END_STREAM, 1, message(NOTHING)),
    ],
  ],
  [
    "a message in frames of one byte, and empty ones",
    [
      request(1),
      ...[...message(NOTHING)].flatMap((byte) => [frame(DATA, 0, 1), frame(DATA, PADDED, 1, Buffer.of(1, byte, 0))]),
      frame(DATA, END_STREAM, 1),
    ],
  ],
  ["trailers of a request", [request(1), frame(DATA, 0, 1, message(NOTHING)), request(1, [["x-trailer", "a"]], ENDS)]],
  [
    "a stream that depends on itself",
    [frame(PRIORITY, 0, 3, Buffer.concat([uint32(3), Buffer.of(0)])), ...complete(1)],
  ],
];
