import { type DescMessage, type DescService, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";

/** The largest message that clients read. */
export const MOST = 4 * 1024 * 1024;

export const PROTOCOLS = ["gRPC", "Connect with JSON"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The size of a message in the client's protocol, and in the larger of both encodings. */
export interface Size {
  readonly own: number;
  readonly longer: number;
}

/** A client that reads up to 4 MiB at a time, and the sizes of all messages that it received. */
export function measured<S extends DescService>(service: S, baseUrl: string, protocol: Protocol) {
  const sizes: Size[] = [];
  const note = (desc: DescMessage, message: Message): void => {
    const [binary, json] = [toBinary(desc, message).length, Buffer.byteLength(toJsonString(desc, message))];
    sizes.push({ own: protocol === "gRPC" ? binary : json, longer: Math.max(binary, json) });
  };
  async function* noting(desc: DescMessage, messages: AsyncIterable<Message>): AsyncGenerator<Message> {
    for await (const message of messages) {
      note(desc, message);
      yield message;
    }
  }
  const interceptor: Interceptor = (next) => async (request) => {
    const response = await next(request);
    const { output } = request.method;
    if (response.stream) return { ...response, message: noting(output, response.message) as never };
    note(output, response.message);
    return response;
  };
  const shared = { baseUrl, readMaxBytes: MOST, interceptors: [interceptor] };
  const transport =
    protocol === "gRPC"
      ? createGrpcTransport(shared)
      : createConnectTransport({ ...shared, httpVersion: "2", useBinaryFormat: false });
  return { client: createClient(service, transport) as Client<S>, sizes };
}

/** All pages of a list. */
export async function pages<P extends { readonly nextPageToken: string }>(
  read: (pageToken: string) => Promise<P>,
): Promise<P[]> {
  const all: P[] = [];
  for (let pageToken = ""; ; ) {
    const page = await read(pageToken);
    all.push(page);
    pageToken = page.nextPageToken;
    if (pageToken === "") return all;
  }
}
