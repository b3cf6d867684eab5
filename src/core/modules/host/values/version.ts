/** How the version of an instance is chosen. */
export interface VersionChoice {
  /** The version that the request or the registration asks for. Empty: the class decides. */
  readonly asked: string;
  /** The version if the class does not declare one either. */
  readonly otherwise: string;
}

/** The version if neither the registration nor the class names one. */
export const DEFAULT_VERSION = "0.0.0";

/** Returns the version that is asked for. Without one, returns the class's version, and without that, `otherwise`. */
export function chosenVersion({ asked, otherwise }: VersionChoice, ofClass?: string): string {
  return asked || (ofClass ?? otherwise);
}
