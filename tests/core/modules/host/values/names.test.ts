import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { camelCase, isSameMethod, spellingsOf } from "../../../../../src/core/modules/host/values/names.ts";

/** Words of a method's name, each with a small first letter. */
const words = fc.array(fc.stringMatching(/^[a-zäé][a-zäé0-9]{1,6}$/u), { minLength: 1, maxLength: 4 });

const joined = (parts: readonly string[]): { snake: string; camel: string } => ({
  snake: parts.join("_"),
  camel: parts.map((word, index) => (index === 0 ? word : word.slice(0, 1).toUpperCase() + word.slice(1))).join(""),
});

const letters = (name: string): string => name.replaceAll("_", "").toLowerCase();

describe("the name of a method", () => {
  it("is found in camelCase and in snake_case, whichever of them the class uses", () => {
    fc.assert(
      fc.property(words, fc.boolean(), (parts, isCamel) => {
        const { snake, camel } = joined(parts);
        const declared = isCamel ? camel : snake;
        const spellings = spellingsOf([declared]);
        expect(spellings.get(snake)).toBe(declared);
        expect(spellings.get(camel)).toBe(declared);
      }),
    );
  });

  it("a name in the spelling of the class means that method, whatever other methods the class has", () => {
    const name = fc.stringMatching(/^[\p{L}$][\p{L}\p{N}_$]{0,12}$/u);
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 20 }), (methods) => {
        const spellings = spellingsOf(methods);
        for (const method of methods) expect(spellings.get(method)).toBe(method);
        for (const [spelling, method] of spellings) {
          expect(letters(spelling)).toBe(letters(method));
        }
      }),
    );
  });

  it.each([
    ["predict_batch", "predictBatch"],
    ["predictBatch", "predict_batch"],
    ["predictV2", "predict_v2"],
    ["predict_v2", "predictV2"],
    ["order_2_buy", "order2Buy"],
    ["getHTTPStatus", "get_http_status"],
    ["getHTTPStatus", "getHttpStatus"],
    ["get_http_status", "getHttpStatus"],
    ["ajouterÉtat", "ajouter_état"],
    ["ajouter_état", "ajouterÉtat"],
    ["ara_ı", "ara_ı"],
    ["class_", "class_"],
    ["open$", "open$"],
  ])("%s is found as %s", (declared, asked) => {
    expect(spellingsOf([declared]).get(asked)).toBe(declared);
  });

  it.each([
    ["echo", "Echo"],
    ["echo", "ECHO"],
    ["predictBatch", "predictbatch"],
    ["predictBatch", "PredictBatch"],
    ["predict_batch", "_predict_batch"],
    ["predict_batch", "predict__batch"],
    ["ara_ı", "araI"],
    ["then", "__proto__"],
  ])("%s is not found as %s", (declared, asked) => {
    expect(spellingsOf([declared]).has(asked)).toBe(false);
  });

  it("does not exist if two methods would share it as their other spelling", () => {
    const spellings = spellingsOf(["getHTTPStatus", "getHttpStatus"]);
    expect(spellings.has("get_http_status")).toBe(false);
    expect(spellings.get("getHttpStatus")).toBe("getHttpStatus");
    const both = spellingsOf(["predictBatch", "predict_batch"]);
    expect([both.get("predictBatch"), both.get("predict_batch")]).toEqual(["predictBatch", "predict_batch"]);
  });

  it("means the same method in both spellings, unless the class has both", () => {
    expect(isSameMethod(["placeOrder"], "place_order", "placeOrder")).toBe(true);
    expect(isSameMethod(["place_order"], "place_order", "placeOrder")).toBe(true);
    expect(isSameMethod(["order_2_buy"], "order_2_buy", "order2Buy")).toBe(true);
    expect(isSameMethod(["place_order", "placeOrder"], "place_order", "placeOrder")).toBe(false);
    expect(isSameMethod([], "place_order", "placeOrder")).toBe(false);
  });

  it("a name in camelCase keeps underscores at its ends", () => {
    expect(camelCase("_place_order_")).toBe("_placeOrder_");
  });
});
