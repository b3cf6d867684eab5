import { ERRORS, HeliosError } from "../../core/index.ts";

/** What an operator needs to know of an error that ends the start. */
export function explain(error: unknown): { message: string; [field: string]: unknown } {
  if (error instanceof HeliosError) {
    return { message: error.message, reason: error.reason, help: ERRORS[error.reason].help };
  }
  const problem = listenProblem(error as Partial<ListenError>);
  if (problem !== undefined) return { message: problem };
  return { message: error instanceof Error ? error.message : String(error), stack: (error as Error)?.stack };
}

interface ListenError {
  readonly code: string;
  readonly syscall: string;
  readonly hostname: string;
  readonly address: string;
  readonly port: number;
}

/** What is wrong with the address to listen on, with the setting that says it. */
function listenProblem({ code, syscall, hostname, address, port }: Partial<ListenError>): string | undefined {
  if (syscall === "getaddrinfo") return `HELIOS_HOST (--host): the host ${hostname} is not known here (${code})`;
  if (syscall !== "listen" && syscall !== "bind") return undefined;
  if (code === "EADDRINUSE")
    return `${address}:${port} is in use; stop what listens there, or set HELIOS_PORT (--port)`;
  if (code === "EADDRNOTAVAIL") return `HELIOS_HOST (--host): ${address} is no address of this machine`;
  if (code === "EACCES") return `HELIOS_PORT (--port): this user may not listen on port ${port}`;
  return `HELIOS_HOST (--host): ${address} cannot be listened on (${code})`;
}
