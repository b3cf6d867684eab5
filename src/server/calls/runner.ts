import type { DescMessage, DescMethod, DescService, Message, MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { race } from "../../core/async/index.ts";
import type { Clock } from "../../core/index.ts";
import { type ReportUnforeseen, toConnectError } from "../errors.ts";
import { checked, checkOf, warm } from "../interceptors/validation.ts";
import type { Serving } from "../services/health.ts";
import { createCallLog, type EndOfCall, type LogCall } from "./log.ts";
import { createShutdown, ServedStream } from "./served-stream.ts";

export type Init = MessageInitShape<DescMessage>;
/** Answers a request. Returns a promise only if something must be waited for. */
export type Unary = (request: Message, context: HandlerContext) => Init | Promise<Init>;
/** Answers a request with a stream. `I` is the request, or the stream of requests. */
export type Streaming<I = Message> = (request: I, context: HandlerContext) => AsyncIterable<Init>;
type Collecting = (requests: AsyncIterable<Message>, context: HandlerContext) => Init | Promise<Init>;

export interface RunnerOptions {
  readonly clock: Clock;
  readonly log: LogCall;
  /** Creates ids for unforeseen errors. `report` logs the errors. */
  readonly newId: () => string;
  readonly report: ReportUnforeseen;
  readonly serving: Serving;
  /** Aborted when calls in progress must end. They end with its reason. */
  readonly over: AbortSignal;
}

/** Everything that happens around a call, whichever protocol has brought it. */
export interface Runner {
  /**
   * Returns a service whose calls are logged, refused after the shutdown has begun (with SERVER_DRAINING, except those of the
   * health service), and validated. What a method throws becomes an error of the contract. Calls that are in progress when the
   * server must end are ended. Methods that `impl` lacks stay absent.
   */
  serve<S extends DescService>(service: S, impl: Partial<ServiceImpl<S>>): Partial<ServiceImpl<S>>;
}

const checking = (input: DescMessage): ((request: Message) => Message) => {
  const check = checkOf(input);
  return (request) => {
    check(request);
    return request;
  };
};

export function createRunner({ clock, log, newId, report, serving, over }: RunnerOptions): Runner {
  const callLog = createCallLog(clock, log);
  const shutdown = createShutdown(over);

  /** What every method has in common. */
  const around = (method: DescMethod) => {
    const isExempt = method.parent.typeName === Health.typeName;
    const begin = callLog.of(method);
    const refuse = (): void => {
      if (serving.ended !== undefined && !isExempt) throw serving.ended;
    };
    const fail = (thrown: unknown, context: HandlerContext, end: EndOfCall): unknown => {
      const error = toConnectError(thrown, context.signal, newId, report);
      end.failed(error, context.signal.aborted);
      return error;
    };
    return { begin, refuse, fail };
  };

  const unary = (method: DescMethod, run: Unary): Unary => {
    const { begin, refuse, fail } = around(method);
    const check = checkOf(method.input);
    const later = async (answer: Promise<Init>, context: HandlerContext, end: EndOfCall): Promise<Init> => {
      try {
        const answered = await race(answer, [shutdown.limit]);
        end.succeeded();
        return answered;
      } catch (thrown) {
        throw fail(thrown, context, end);
      }
    };
    return (request, context) => {
      const end = begin();
      try {
        refuse();
        check(request);
        const answer = run(request, context);
        if (answer instanceof Promise) return later(answer, context, end);
        end.succeeded();
        return answer;
      } catch (thrown) {
        throw fail(thrown, context, end);
      }
    };
  };

  const streaming = <I>(method: DescMethod, run: Streaming<I>, checkInput: (request: I) => I): Streaming<I> => {
    const { begin, refuse, fail } = around(method);
    return (request, context) => {
      const end = begin();
      const start = (): AsyncIterable<Init> => {
        refuse();
        return run(checkInput(request), context);
      };
      return new ServedStream(start, shutdown, {
        failed: (thrown) => fail(thrown, context, end),
        ended: (isComplete) => (isComplete ? end.succeeded() : end.left()),
      });
    };
  };

  const collecting = (method: DescMethod, run: Collecting): Collecting => {
    const { begin, refuse, fail } = around(method);
    return async (requests, context) => {
      const end = begin();
      try {
        refuse();
        const answer = await race(Promise.resolve(run(checked(method.input, requests), context)), [shutdown.limit]);
        end.succeeded();
        return answer;
      } catch (thrown) {
        throw fail(thrown, context, end);
      }
    };
  };

  const served = (method: DescMethod, run: unknown): unknown => {
    const { methodKind, input } = method;
    switch (methodKind) {
      case "unary":
        return unary(method, run as Unary);
      case "server_streaming":
        return streaming(method, run as Streaming, checking(input));
      case "bidi_streaming":
        return streaming(method, run as Streaming<AsyncIterable<Message>>, (requests) => checked(input, requests));
      case "client_streaming":
        return collecting(method, run as Collecting);
    }
  };

  return {
    serve<S extends DescService>(service: S, impl: Partial<ServiceImpl<S>>) {
      warm([service]);
      const own = impl as unknown as Record<string, unknown>;
      const methods = service.methods.filter(({ localName }) => own[localName] !== undefined);
      const runs = methods.map((method) => [method.localName, served(method, own[method.localName])] as const);
      return Object.fromEntries(runs) as Partial<ServiceImpl<S>>;
    },
  };
}
