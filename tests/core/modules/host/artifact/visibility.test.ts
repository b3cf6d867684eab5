import { stripTypeScriptTypes } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hiddenMembers } from "../../../../../src/core/modules/host/artifact/visibility.ts";
import type { Instance } from "../../../../../src/core/modules/host/types/host.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { SOAK } from "../../../../support/soak.ts";
import { anyCharacter } from "../../../../support/texts.ts";
import { type Files, hostOf, launch, tree } from "../../artifact-rig.ts";

/** The text at each place that was found in a file. */
function found(text: string): string[] {
  const stripped = stripTypeScriptTypes(text);
  return hiddenMembers(text, stripped).map(({ at, name }) => `${name} at ${stripped.slice(at, at + 12).trim()}`);
}

describe("a private or protected member of a class", () => {
  it.each<[string, string, string[]]>([
    [
      "a method",
      "class A { private one() {} protected two() {} three() {} public four() {} }",
      ["one at one() {}", "two at two() {}"],
    ],
    [
      "a method with other modifiers",
      "class A { private async one() {} protected readonly two = 1 }",
      ["one at async one()", "two at two = 1 }"],
    ],
    [
      "a generator method",
      "class A { private *one() {} private async *two() {} }",
      ["one at *one() {}", "two at async *two("],
    ],
    ["a method with override", "class A extends B { protected override async one() {} }", ["one at async one()"]],
    [
      "a method across lines and comments",
      "class A { private /* here */ async /* and */ one() {} }",
      ["one at async /* and */"],
    ],
    [
      "a member with a quoted name",
      "class A { private 'one'() {} protected \"two\" = 1 }",
      ["one at 'one'() {}", 'two at "two" = 1 }'],
    ],
    ["a member with a computed name", "class A { private ['o' + 'ne']() {} }", ["undefined at ['o' + 'ne']"]],
    [
      "a member with a name in any script",
      "class Ä { /* 😀€ */ private größe(a: '😀€') {} private 価格() {} }",
      ["größe at größe(a", "価格 at 価格() {} }"],
    ],
    [
      "a member with the name of a modifier",
      "class A { private static() {} private async = 1; private get; private readonly(a: 1) {} }",
      ["static at static() {}", "async at async = 1;", "get at get;", "readonly at readonly("],
    ],
    [
      "a field",
      "class A { private one?: () => void; private two!: number; private three = () => {} }",
      ["one at one", "two at two", "three at three"],
    ],
    ["a member of an inner class", "class A { make() { return class { private one() {} } } }", ["one at one() {} } }"]],
    [
      "a method with overloads",
      "class A { private one(a: string): void; private one(a: any) {} }",
      ["one at one(a     )"],
    ],
  ])("is found: %s", (_, text, expected) => {
    expect(found(text).map((one) => one.slice(0, 12))).toEqual(expected.map((one) => one.slice(0, 12)));
  });

  it.each([
    ["an abstract class", "abstract class A { protected abstract one(): void; two() {} }"],
    ["a declaration without code", "class A { private declare one: number; two() {} }"],
    ["texts", "const a: string = 'private one() {}'; const b = `private two() {} \nprotected three() {}`;"],
    ["comments", "class A { /* private one() {} */ two() {} // private three() {}\n four() {} }"],
    ["patterns", "const a: RegExp = /private one/; const b = 1 / 2; const c = 'x' / /private two/.lastIndex;"],
    ["static members", "class A { private static one() {} protected static async two() {} }"],
    ["a field with that name, without a semicolon", "class A { private\n one() {} }"],
    ["types", "interface A { private: string; protected(): void }\ntype B = { private: 1 }; type C = 'private one';"],
    [
      "members with that name",
      "class A { private() {} protected = 1; '#private' = 2; #private = 3; a() { return this.private } }",
    ],
    ["names that only begin like that", "class A { privateOne() {} $private() {} private_() {} }"],
    ["properties", "const a = { private: 1, protected() { return 1 as number } }; a.private;"],
  ])("is not found in %s", (_, text) => {
    expect(found(text)).toEqual([]);
  });

  it("is found at the right places, whatever the surrounding text contains", () => {
    const piece = fc.constantFrom(
      String.raw`one() { return /[}"'\/]private x/.test("\"}") }`,
      "'two'(a: '€') { return \"private y() {}\" }",
      "async three<T extends { private: 1 }>(a: T): Promise<T> { return a /* private z() {} */ }",
      "*four() { yield 1 / 2 / 3 }",
      "five = class { public six() {} };",
    );
    const member = fc.tuple(fc.constantFrom("private ", "protected ", "public ", ""), piece);
    fc.assert(
      fc.property(fc.array(member, { maxLength: 6 }), fc.string({ unit: anyCharacter }), (members, comment) => {
        const said = comment.replaceAll("*/", "").replaceAll("\r", "");
        const text = `class A {\n/*${said}*/${members.map(([keyword, rest]) => keyword + rest).join("\n")}\n}`;
        const stripped = stripTypeScriptTypes(text);
        expect(stripped.length).toBe(text.length);
        const kept = members.filter(([keyword]) => /^pr/.test(keyword)).map(([, rest]) => rest.slice(0, 5));
        expect(hiddenMembers(text, stripped).map(({ at }) => stripped.slice(at, at + 5))).toEqual(kept);
      }),
    );
  });
});

describeInEach("in a %s", (isolation) => {
  const start = async (files: Files): Promise<Instance> => {
    const host = hostOf(tree(files));
    return launch(host, await host.resolve("m"), isolation);
  };
  const methodsOf = async (text: string, more: Files = {}): Promise<readonly string[]> =>
    (await start({ "m.ts": text, ...more })).shape.methods;

  it("private and protected methods can be called by the module itself, and in neither spelling by others", async () => {
    const instance = await start({
      "m.ts": `export default class {
        placeOrder() { return this.checkOrder() + this.riskOf(); }
        private checkOrder(): number { return 1; }
        protected async riskOf(): Promise<number> { return 2; }
      }`,
    });
    expect(instance.shape.methods).toEqual(["placeOrder"]);
    const call = (method: string) => instance.invoke(method, { json: null }, { timeoutMs: 10_000 });
    for (const method of ["checkOrder", "check_order", "riskOf", "risk_of"]) {
      expect((await errorOf(call(method))).reason).toBe("MODULE_METHOD_NOT_FOUND");
    }
    expect(await call("place_order")).toEqual({ json: "1[object Promise]" });
  });

  it.each<[string, string, string[]]>([
    [
      "a method of a class with the same text except for types is public",
      "const f = () => { class A { one() {} } return A };\nclass A { private one() {} }\nexport default f();",
      ["one"],
    ],
    [
      "an inherited method stays private",
      "class A { private one() {} protected two() {} three() {} }\nexport default class extends A { four() {} }",
      ["four", "three"],
    ],
    [
      "a protected method that becomes public is public",
      "class A { protected one() {} }\nexport default class extends A { public override one() {} }",
      ["one"],
    ],
    [
      "arrow functions in fields count as methods",
      "export default class { private one = () => 1; two = () => 2; private three: () => 3; constructor() { this.three = () => 3 } }",
      ["two"],
    ],
    [
      "a wrapped method stays private",
      "class A { private one() {} two() {} }\nfor (const name of ['one', 'two']) { const of = A.prototype[name]; A.prototype[name] = function () { return of() } }\nexport default A;",
      ["two"],
    ],
    [
      "a private method with a computed name stays private",
      "const name = 'one'; export default class { private [name]() {} two() {} }",
      ["two"],
    ],
    [
      "a private method of an object that a factory returns stays private",
      "class A { private one() {} two() {} }\nexport default async () => new A();",
      ["two"],
    ],
  ])("%s", async (_, text, methods) => {
    expect(await methodsOf(text)).toEqual(methods);
  });

  it.each<[string, string, string[]]>([
    [
      "a method of the same name and text in another class is public",
      "class B { one() { return 1; } }\nclass A { private one() { return 1; } }\nexport default class extends B { two() { return new A() } }",
      ["one", "two"],
    ],
    [
      "a public method that becomes private is private",
      "class A { one() {} }\nexport default class extends A { private override one() {} two() {} }",
      ["two"],
    ],
    [
      "a bound method stays private",
      "export default class { constructor() { this.one = this.one.bind(this); this.two = this.two.bind(this) } private one() {} two() {} }",
      ["two"],
    ],
    [
      "a private method of an inner class hides no method of the outer class",
      "export default class { one() { return class { private one() {} two() {} } } two() {} }",
      ["one", "two"],
    ],
    [
      "a private method of a class that a function creates stays private",
      "const mix = <T extends new () => object>(B: T) => class extends B { private one() {} two() {} };\nexport default class extends mix(class { three() {} }) {}",
      ["three", "two"],
    ],
    [
      "private static methods hide no method of the instance",
      "export default class { private static one() {} one() {} }",
      ["one"],
    ],
  ])("%s", SOAK, async (_, text, methods) => {
    expect(await methodsOf(text)).toEqual(methods);
  });

  it("a method that is inherited from another file stays private", async () => {
    const base =
      "export abstract class Base { private one() {} protected abstract two(): void; three() { this.two() } }";
    const text =
      'import { Base } from "./lib/base.ts";\nexport default class extends Base { protected two() {} four() {} }';
    expect(await methodsOf(text, { "lib/base.ts": base })).toEqual(["four", "three"]);
  });

  it("a method of a .cts file stays private", async () => {
    const instance = await start({ "m.cts": "exports.default = class { private one(): void {} two(): void {} }" });
    expect(instance.shape.methods).toEqual(["two"]);
  });

  it("a lifecycle method is called even if it is private", async () => {
    const { shape } = await start({
      "m.ts":
        "export default class { private exportState() { return 1 } protected importState() {} private health() {} }",
    });
    expect(shape).toMatchObject({ methods: [], hasHealth: true, hasState: true });
  });
});
