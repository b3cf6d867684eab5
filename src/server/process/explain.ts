import { ERRORS, HeliosError } from "../../core/index.ts";

/** Explains an error that ends the start to the operator. */
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

/** Explains why the server cannot listen on its address, and names the setting. */
function listenProblem({ code, syscall, hostname, address, port }: Partial<ListenError>): string | undefined {
  if (syscall === "getaddrinfo") return `HELIOS_HOST (--host): the host name ${hostname} cannot be resolved (${code})`;
  if (syscall !== "listen" && syscall !== "bind") return undefined;
  if (code === "EADDRINUSE")
    return `${address}:${port} is in use; stop the program that listens on it, or set HELIOS_PORT (--port)`;
  if (code === "EADDRNOTAVAIL") return `HELIOS_HOST (--host): ${address} is not an address of this machine`;
  if (code === "EACCES") return `HELIOS_PORT (--port): the user of this process may not listen on port ${port}`;
  return `HELIOS_HOST (--host): the server cannot listen on ${address} (${code})`;
}
