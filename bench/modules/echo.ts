/** Answers with what it is given. */
export default class Echo {
  echo(input: unknown): unknown {
    return input;
  }
}
