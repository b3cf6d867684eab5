/** Returns its input. */
export default class Echo {
  echo(input: unknown): unknown {
    return input;
  }
}
