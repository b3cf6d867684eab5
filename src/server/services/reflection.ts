import { type DescExtension, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../../gen/google/rpc/error_details_pb.ts";
import { file_google_rpc_status } from "../../../gen/google/rpc/status_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { withPresence } from "../interceptors/presence.ts";

/** A question of either version. Their messages only differ in the names of their types. */
interface Question {
  readonly host: string;
  readonly messageRequest:
    | { readonly case: "fileByFilename" | "fileContainingSymbol"; readonly value: string }
    | { readonly case: "allExtensionNumbersOfType" | "listServices"; readonly value: string }
    | {
        readonly case: "fileContainingExtension";
        readonly value: { readonly containingType: string; readonly extensionNumber: number };
      }
    | { readonly case: undefined };
}

/**
 * Serves the standard reflection, v1 and v1alpha, for `services` and for itself: their files with all imports, and the
 * details of errors. Extensions such as the options of `buf.validate` are included.
 */
export function reflectionServices(services: readonly DescService[]) {
  const answer = createAnswers([...services, ServerReflection, ServerReflectionAlpha]);
  async function* converse<Q extends Question>(questions: AsyncIterable<Q>) {
    const sent = new Set<string>();
    for await (const question of questions) {
      const asked = question.messageRequest;
      const isLong = longestOf(question) > MAX_ASKED;
      const messageResponse = isLong
        ? failed(Code.InvalidArgument, `the host or name has more than ${MAX_ASKED} characters`)
        : answer(asked, sent);
      // An answer repeats the question. An answer to a question of megabytes would be too large.
      yield isLong
        ? { messageResponse }
        : { validHost: question.host, originalRequest: { ...question, $unknown: [] }, messageResponse };
    }
  }
  return [
    { service: ServerReflection, impl: { serverReflectionInfo: converse } },
    { service: ServerReflectionAlpha, impl: { serverReflectionInfo: converse } },
  ] as const;
}

/**
 * Length of a host or name in a request for server reflection; a longer one is answered with INVALID_ARGUMENT.
 * @limit characters
 */
const MAX_ASKED = 1024;

function longestOf({ host, messageRequest: asked }: Question): number {
  if (asked.case === undefined) return host.length;
  const text = asked.case === "fileContainingExtension" ? asked.value.containingType : asked.value;
  return Math.max(host.length, text.length);
}

/** The messages in errors. No service imports them. */
const ERROR_FILES = [file_google_rpc_status, file_google_rpc_error_details];

/** Creates the function that answers a question. `sent` has the names of the files that the stream has already sent. */
function createAnswers(services: readonly DescService[]) {
  const files = filesWithImports([...services.map((service) => service.file), ...ERROR_FILES]);
  const byName = new Map(files.map((file) => [fileName(file), file]));
  const bySymbol = new Map(files.flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file])));
  const messages = new Set(files.flatMap((file) => [...nestedTypes(file)].filter(isMessage).map(nameOf)));
  const extensions = files.flatMap((file) => [...nestedTypes(file)].filter(isExtension));
  const names = services.map((service) => service.typeName).sort();

  return (question: Question["messageRequest"], sent: Set<string>) => {
    switch (question.case) {
      case "fileByFilename":
        return found(byName.get(question.value), sent, `file ${question.value}`);
      case "fileContainingSymbol":
        return found(bySymbol.get(question.value), sent, `symbol ${question.value}`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        const extension = extensions.find(
          ({ extendee, number }) => extendee.typeName === containingType && number === extensionNumber,
        );
        return found(extension?.file, sent, `extension ${extensionNumber} of ${containingType}`);
      }
      case "allExtensionNumbersOfType": {
        const baseTypeName = question.value;
        if (!messages.has(baseTypeName)) return failed(Code.NotFound, `message ${baseTypeName} is not known`);
        const extensionNumber = extensions
          .filter(({ extendee }) => extendee.typeName === baseTypeName)
          .map(({ number }) => number);
        return { case: "allExtensionNumbersResponse" as const, value: { baseTypeName, extensionNumber } };
      }
      case "listServices":
        return { case: "listServicesResponse" as const, value: { service: names.map((name) => ({ name })) } };
      default:
        return failed(Code.InvalidArgument, "the request contains no question that this version of Helios supports");
    }
  };
}

/** Returns the file and its imports, except those that the stream has already sent. */
function found(file: DescFile | undefined, sent: Set<string>, what: string) {
  if (file === undefined) return failed(Code.NotFound, `${what} is not known`);
  const fresh = filesWithImports([file]).filter((each) => each === file || !sent.has(fileName(each)));
  for (const each of fresh) sent.add(fileName(each));
  const fileDescriptorProto = fresh.map((each) => toBinary(FileDescriptorProtoSchema, withPresence(each)));
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

function failed(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}

/** Returns each file once, after its imports. */
function filesWithImports(roots: readonly DescFile[]): DescFile[] {
  const files = new Set(roots);
  for (const file of files) for (const imported of file.dependencies) files.add(imported);
  return [...files];
}

/** The name by which other files import it. `DescFile.name` lacks the extension. */
const fileName = (file: DescFile): string => file.proto.name;

/** Returns the full names of everything that a file declares, including fields, values and methods. */
function symbolsOf(file: DescFile): string[] {
  return [...nestedTypes(file)].flatMap((type): string[] => {
    const { typeName } = type;
    const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
    switch (type.kind) {
      case "message":
        return [typeName, ...[...type.fields, ...type.oneofs].map(({ name }) => `${typeName}.${name}`)];
      case "enum":
        // The values of an enum belong to the scope that contains the enum.
        return [typeName, ...type.values.map(({ name }) => scope + name)];
      case "service":
        return [typeName, ...type.methods.map(({ name }) => `${typeName}.${name}`)];
      default:
        return [typeName];
    }
  });
}

const isMessage = (type: { readonly kind: string }): boolean => type.kind === "message";
const nameOf = ({ typeName }: { readonly typeName: string }): string => typeName;
const isExtension = (type: { readonly kind: string }): type is DescExtension => type.kind === "extension";
