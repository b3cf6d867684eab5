import Echo from "./echo_v1.ts";

export default class EchoAgain extends Echo {
  static override readonly version: string = "2";
}
