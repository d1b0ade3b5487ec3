// node --test web/test/chart.test.mjs: the pure part of chart.js, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { columns } from "../src/chart.js";

test("points become columns; a stretch that nobody watched is no outage", () => {
  assert.deepEqual(columns([[0, 1800, 20, 30, 90, 0, 1800], [1800, 3600, null, null, null, 900, 1800], [3600, 5400, null, null, null, 0, 0]]), [
    [900, 2700, 4500], [20, null, null], [30, null, null], [90, null, null], [0, 0.5, 0],
  ]);
});
