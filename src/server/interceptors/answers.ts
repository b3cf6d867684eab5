import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";

/**
 * Changes every message that a call answers with. `changeOf` returns the change for a message type, or undefined for none.
 */
export function changingAnswers(
  changeOf: (desc: DescMessage) => ((message: Message) => void) | undefined,
): Interceptor {
  return (next) => async (request) => {
    const response = await next(request);
    const change = changeOf(request.method.output);
    if (change === undefined) return response;
    if (response.stream) return { ...response, message: changing(response.message, change) };
    change(response.message);
    return response;
  };
}

async function* changing<M extends Message>(
  messages: AsyncIterable<M>,
  change: (message: Message) => void,
): AsyncGenerator<M> {
  for await (const message of messages) {
    change(message);
    yield message;
  }
}
