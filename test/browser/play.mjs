// Runs the plays of a file side by side, those named on the command line or all,
// and says what was found; ends the process with 1 when anything was.
import { access } from "node:fs/promises";
import { launch } from "./reader.mjs";
import { tuermer } from "./world.mjs";

export async function play(all) {
  await access(tuermer);
  const wanted = process.argv.slice(2);
  const findings = [];
  const browser = await launch();
  const began = Date.now();
  await Promise.all(Object.entries(all).filter(([name]) => !wanted.length || wanted.includes(name)).map(async ([name, act]) => {
    const from = Date.now();
    try {
      await act(browser, findings);
    } catch (e) {
      findings.push(`${name}: ${e.stack ?? e}`);
    }
    console.log(`${name}: ${((Date.now() - from) / 1000).toFixed(0)} s`);
  }));
  await browser.close();
  for (const f of [...new Set(findings)].sort()) console.log(f);
  console.log(findings.length ? `${new Set(findings).size} findings` : `no findings, ${((Date.now() - began) / 1000).toFixed(0)} s`);
  process.exitCode = findings.length ? 1 : 0;
}
