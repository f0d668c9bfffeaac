import { canonicalJson } from "@openclaw-worker/protocol";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";

test("members are sorted by UTF-16 code units, as the example of RFC 8785, section 3.2.3, has it", () => {
  const given = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  const order = Object.values(JSON.parse(canonicalJson(given)));
  assert.deepEqual(
    canonicalJson(given)
      .match(/"[^"]*":/g)
      ?.map((key) => JSON.parse(key.slice(0, -1))),
    ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"],
  );
  assert.equal(order.length, 7);
});

test("numbers and literals are written as RFC 8785, section 3.2.2, has them", () => {
  const given = {
    numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
    literals: [null, true, false],
  };
  assert.equal(
    canonicalJson(given),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("the same value always gives the same text, in whatever order it was built", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      assert.equal(canonicalJson(reversed), canonicalJson(value));
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("what JSON cannot say is refused, not changed", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 1, Symbol("x")]) {
    assert.throws(() => canonicalJson({ value }), TypeError);
  }
});
