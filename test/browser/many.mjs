// Reads the pages of monitors while ten thousand of them are being watched, some
// of them broken: on a phone of 360 px with and without scripts, and on a wide
// screen. A page of more than 100 KB, or one that does not begin with what is
// broken, is a finding.
//
//   make build && node test/browser/many.mjs [phone plain wide]
//
// Pictures go to SHOTS (/tmp/shots/many).
import { play } from "./play.mjs";
import { Reader } from "./reader.mjs";
import { openWorld, until } from "./world.mjs";

const many = 10_000, broken = 7, kilobyte = 1000;

/** A town with as many monitors; the last ones look at a target of their own. */
function town(world) {
  const [good, bad] = world.targets;
  const lines = Array.from({ length: many }, (_, i) => {
    const sick = i >= many - broken;
    return `  - {slug: m${String(i).padStart(5, "0")}, name: "Prüfung ${i}", url: "${(sick ? bad : good).url}m${i}", interval: ${sick ? "5s" : "60s"}, timeout: 3s}`;
  });
  return `town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], land: HE, timezone: Europe/Berlin, language: de}
smtp: [{name: primary, host: 127.0.0.1, port: ${world.mail.port}, from: lage@tuermer.example, tls: none}]
people:
  - {name: Ada Beispiel, email: ada@musterstadt.example, alternative: ada@posteo.example, roles: [it, publisher]}
  - {name: Bert Kern, email: bert@musterstadt.example, alternative: bert@posteo.example, roles: [admin, approver]}
monitors:
${lines.join("\n")}
`;
}

// One town for all who read; the last one out closes it.
let opened, readers = 0;

async function enter() {
  readers += 1;
  opened ??= (async () => {
    const world = await openWorld({ config: town, targets: 2 });
    world.targets[1].fail();
    return world;
  })();
  return opened;
}

async function leave() {
  readers -= 1;
  if (readers > 0) return;
  const last = opened;
  opened = undefined;
  await (await last).close();
}

async function read(browser, name, form, findings) {
  const world = await enter();
  const r = await new Reader(browser, name, form, findings).open();
  const page = async (path) => {
    const bytes = (await (await r.goto(world.staff + path)).body()).length;
    if (bytes > 100 * kilobyte) r.say(`${path} has ${(bytes / kilobyte).toFixed(0)} KB`);
  };
  try {
    await r.goto(await world.link("bert@musterstadt.example"));
    await r.click("Anmelden");
    await until("all broken ones found", async () => {
      await r.goto(`${world.staff}/monitor?state=down`);
      return new RegExp(`\\b${broken}\\s+Gestört`, "i").test(await r.page.locator("main").innerText());
    }, 120);
    await page("/monitor");
    const first = await r.page.locator("main a[href*='/monitor/m']").first().getAttribute("href");
    if (!first.includes("/monitor/m0999")) r.say(`the list begins with ${first}, not with what is broken`);
    await r.look("list");
    await page("/monitor?after=up:m05000");
    await r.look("deep");
    await page("/monitor?q=m0123");
    const found = await r.page.locator("main a[href*='/monitor/m0123']").count();
    if (found < 10) r.say(`${found} found of ten`);
    await r.look("search");
    await page("/monitor?q=gibt-es-nicht");
    await r.look("nothing");
    await page("/monitor/m09999");
    await r.look("one");
  } finally {
    await r.close();
    await leave();
  }
}

await play({
  phone: (browser, findings) => read(browser, "phone", { width: 360 }, findings),
  plain: (browser, findings) => read(browser, "plain", { width: 360, scripts: false, schemes: ["dark"] }, findings),
  wide: (browser, findings) => read(browser, "wide", { width: 1440 }, findings),
});
