// node --test web/test/live.test.mjs: the pure parts of live.js, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, left, length, sms } from "../src/live.js";

test("SMS: German umlauts are cheap, the euro sign costs two, a typographic quote costs the alphabet", () => {
  assert.deepEqual(sms("Störung im Bürgerportal"), { units: 23, parts: 1, fits: 160, odd: "" });
  assert.equal(sms("5 €").units, 4);
  assert.equal(sms("a".repeat(160)).parts, 1);
  assert.equal(sms("a".repeat(161)).parts, 2);
  assert.equal(sms("„Störung“").odd, "„");
  assert.equal(sms("„" + "a".repeat(70)).parts, 2);
});

test("networks count in their own way", () => {
  assert.equal(length("Siehe https://status.musterstadt.example/m/2026-11-22-1", "mastodon"), 6 + 23);
  assert.equal(length("👩‍🚒", "graphemes"), 1);
  assert.equal(length("ÄÖÜ"), 3);
});

test("times are said in words", () => {
  const now = Date.parse("2026-11-22T13:14:00Z");
  assert.equal(ago(now - 2e3, now), "gerade eben");
  assert.equal(ago(now - 12 * 60e3, now), "vor 12 Minuten");
  assert.equal(ago(now - 60e3, now), "vor 1 Minute");
  assert.equal(ago(now - 26 * 3600e3, now), "vor 1 Tag");
  assert.equal(left(now + 11 * 60e3, now), "noch 11 Min.");
  assert.equal(left(now - 4 * 60e3, now), "seit 4 Min. überfällig");
  assert.equal(left(now + 90 * 60e3, now, "en"), "1 h 30 min left");
});
