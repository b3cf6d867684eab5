import Counter from "./counter_v1.ts";

export default class CounterAgain extends Counter {
  static override readonly version: string = "2";
}
