import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../../gen/google/rpc/error_details_pb.ts";
import { HeliosError } from "../../../core/index.ts";
import { infoOf } from "../../errors.ts";

/** The only flag that a message of gRPC or gRPC-Web may have: it is compressed (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export const COMPRESSED = 1;

/** Throws for other flags. The code is INTERNAL, as in the implementations of gRPC in Go and Java. */
export function checkFlags(flags: number): void {
  if (flags > COMPRESSED) throw malformed(`the flags of a message must be 0 or ${COMPRESSED}, but are ${flags}`);
}

/** The error of a request that ends before its message does, in the words of Connect. */
export const incomplete = (): ConnectError =>
  new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);

/** The error of a request that is wrong, although gRPC has the code INTERNAL for it. */
export function malformed(problem: string): ConnectError {
  const error = new ConnectError(problem, Code.Internal);
  error.details.push({ desc: ErrorInfoSchema, value: infoOf(HeliosError.of("REQUEST_MALFORMED", { problem })) });
  return error;
}
