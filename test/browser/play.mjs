// Runs the plays of a file side by side, those named on the command line or all,
// and says what was found; ends the process with 1 when anything was. A play that
// broke off is played once more from its beginning, by itself, and both tries are
// told: a machine may stumble, a fault comes again. What was found on a page counts
// in either try.
import { access } from "node:fs/promises";
import { launch } from "./reader.mjs";
import { tuermer } from "./world.mjs";

const seconds = (from) => ((Date.now() - from) / 1000).toFixed(0);

export async function play(all) {
  await access(tuermer);
  const wanted = process.argv.slice(2);
  const findings = [];
  const browser = await launch();
  const began = Date.now();
  const act = async ([name, one], again) => {
    const from = Date.now();
    try {
      await one(browser, findings);
    } catch (e) {
      if (again) findings.push(`${name}: ${e.stack ?? e}`);
      else { console.log(`${name} broke off after ${seconds(from)} s: ${e.stack ?? e}`); return false; }
    }
    console.log(`${name}: ${seconds(from)} s${again ? ", second try" : ""}`);
    return true;
  };
  const plays = Object.entries(all).filter(([name]) => !wanted.length || wanted.includes(name));
  const done = await Promise.all(plays.map((p) => act(p, false)));
  for (const p of plays.filter((_, i) => !done[i])) await act(p, true);
  await browser.close();
  for (const f of [...new Set(findings)].sort()) console.log(f);
  console.log(findings.length ? `${new Set(findings).size} findings` : `no findings, ${seconds(began)} s`);
  process.exitCode = findings.length ? 1 : 0;
}
