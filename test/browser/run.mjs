// Clicks the main job through in a real browser, on the real product with real
// mail and in real time: a service dies, its owner is woken, citizens are told,
// a second person approves, the service comes back, the incident is closed.
//
//   make build && node test/browser/run.mjs [phone desktop plain demo …]
//
// phone and desktop read every page in light and dark; plain does without
// JavaScript; desktop opens the pages beside the thread too; demo breaks a
// service of Musterstadt. TUERMER names another binary, CHROMIUM another
// browser, SHOTS the folder for pictures (/tmp/shots/thread). Ends with 1 when
// anything was found.
import { play } from "./play.mjs";
import { Reader, shots } from "./reader.mjs";
import { openDemo, openWorld, until } from "./world.mjs";

const ada = "ada@musterstadt.example", bert = "bert@musterstadt.example";

async function signIn(reader, link, look) {
  await reader.goto(link);
  if (look) await reader.look("sign-in-link");
  await reader.click("Anmelden");
}

/** The link in a mail that leads to the staff site below path. */
function linkIn(mail, world, path) {
  const found = mail.text.match(new RegExp(`${world.staff}${path}\\S+`));
  if (!found) throw new Error(`no link to ${path} in the mail:\n${mail.text}`);
  return found[0];
}

/** Writes what the composer asks for and hands it on for approval. */
async function compose(reader, answers) {
  for (const [question, answer] of Object.entries(answers)) {
    if (answer === null) await reader.page.getByRole("checkbox", { name: new RegExp(`^noch nicht bekannt ?: ${question.replace("?", "\\?")}`) }).check();
    else await reader.page.getByLabel(new RegExp(`^${question.replace("?", "\\?")}`)).first().fill(answer);
  }
  await reader.click(/^Fassungen ansehen/);
  await reader.look("composer");
  await reader.click(/^Zur Freigabe/);
}

/** Bert approves what the mail asks him for, on the page behind its link. */
async function approve(reader, world, kind) {
  const mail = await world.mail.take(bert, new RegExp(`freigeben: ${kind}`));
  await reader.goto(linkIn(mail, world, "/p/"));
  await reader.look(`approve-${kind.toLowerCase().replaceAll(" ", "-")}`);
  await reader.click("Freigeben");
  await reader.sees(/Freigegeben/);
  await reader.look("approved");
}

/** The whole thread. released: the short message was approved before. */
async function thread(browser, { name, width, scripts = true, released }, findings) {
  const world = await openWorld();
  const readers = [];
  const reader = async (who, w = width) => {
    const r = await new Reader(browser, `${name}-${who}`, { width: w, scripts }, findings).open();
    readers.push(r);
    return r;
  };
  try {
    const a = await reader("ada"), b = await reader("bert", 360), citizen = await reader("citizen");
    await a.goto(world.staff);
    await a.look("sign-in");
    await signIn(a, await world.link(ada), true);
    await a.look("profile");
    await a.goto(world.staff);
    await a.look("quiet");
    await signIn(b, await world.link(bert));
    if (released) {
      await b.goto(`${world.staff}/publish`);
      await b.click(/^Kurzmeldungen in ihrem jetzigen Wortlaut freigeben/);
      await b.sees(/hat Bert Kern freigegeben/);
    }
    await citizen.goto(world.public);
    await citizen.look("public-quiet");

    // The service dies; both of Ada's addresses hear of it, Bert's do not.
    world.target.fail();
    const alarm = await world.mail.take(ada, /gestört/);
    await world.mail.take("ada@posteo.example", /gestört/);
    if (world.mail.box.some((m) => m.to === bert)) throw new Error("Bert was woken");
    if (!alarm.head["auto-submitted"]) findings.push(`${name}: the alarm has no Auto-Submitted`);
    await a.sees(/Bürgerportal antwortet nicht/);
    await a.look("lagebild-alarm");

    // From the mail to the alarm; looking changes nothing, the button takes it.
    await a.goto(linkIn(alarm, world, "/a/"));
    await a.look("mail-link");
    await a.click("Übernehmen");
    await a.sees(/übernommen/);
    await a.look("taken");
    await a.goto(linkIn(alarm, world, "/alert/"));
    await a.look("alarm");

    // From the alarm to the public page.
    let clicks = 0;
    await a.click("Bürger informieren", { role: "link" }); clicks += 1;
    await a.look("inform");
    if (released) {
      await a.click(/^Jetzt veröffentlichen \(Statusseite, 2 Empfänger\)/); clicks += 1;
      if (clicks > 2) findings.push(`${name}: ${clicks} clicks from the alarm to the public page`);
    } else {
      await a.click("Zur Freigabe geben"); clicks += 1;
      await a.look("incident-waiting");
      await approve(b, world, "Erste Kurzmeldung");
    }
    const room = await until("the incident", async () => /\/incident\/[^/]+$/.test(new URL(a.page.url()).pathname) && a.page.url());
    await a.goto(room);
    await a.sees(/veröffentlicht/);
    await a.look("incident");
    for (const list of ["liste@musterstadt.example", "alle@musterstadt.example"]) await world.mail.take(list, /Bürgerportal/);
    await citizen.sees(/Bürgerportal[\s\S]*Nächste Meldung/i, { reload: true });
    await citizen.look("public-outage");

    // It works again; whoever got the alarm hears it, in the same thread.
    world.target.work();
    const over = await world.mail.take(ada, /läuft wieder/);
    await world.mail.take("ada@posteo.example", /läuft wieder/);
    if (!over.head["in-reply-to"] && !over.head.references) findings.push(`${name}: the recovery does not answer the alarm`);
    await a.goto(room);
    await a.click("Behoben melden", { role: "link" });
    await a.look("composer-empty");
    await compose(a, { "Was war die Ursache?": null, "Was wurde getan?": "Wir haben den Server neu gestartet" });
    await approve(b, world, "Wiederhergestellt");
    for (const list of ["liste@musterstadt.example", "alle@musterstadt.example"]) await world.mail.take(list, /wieder/);
    await citizen.sees(/Alle 2 Dienste funktionieren/, { reload: true });
    await citizen.look("public-recovered");
    await a.goto(room);
    await a.click("Läuft wieder");
    await a.sees(/wiederhergestellt/);

    // The last words, and the end.
    await a.goto(room);
    await a.click("Abschluss schreiben", { role: "link" });
    await a.page.getByText("Weitere Angaben", { exact: true }).click();
    await compose(a, { Dauer: "1", "Was war die Ursache?": "ein Gerät war defekt", "Was wurde getan?": "Ein zweiter Server steht bereit" });
    await approve(b, world, "Abschluss");
    await a.goto(room);
    await a.click("Abschließen");
    await a.sees(/abgeschlossen/);
    await a.look("closed");
    await citizen.goto(`${world.public}/`);
    await citizen.click("Frühere Störungen", { role: "link" });
    await citizen.sees(/Bürgerportal/);
    await citizen.look("public-archive");
    await citizen.goto(`${world.public}/stoerung`);
    await citizen.sees(/Was funktioniert nicht/);
    await citizen.look("public-outage");
    if (name === "desktop") await tour(browser, world, findings, await a.context.storageState(), await b.context.storageState());
  } finally {
    for (const r of readers) {
      await r.page.screenshot({ path: `${shots}/${r.name}-last.png`, fullPage: true }).catch(() => {});
      await r.close();
    }
    await world.close();
  }
}

/** Pages beside the thread, with something in them. */
const beside = [
  "/", "/alert", "/alert?all=1", "/alert/silence", "/alert/silence/new", "/incident", "/incident?all=1", "/incident/new", "/incident/rules", "/onsite", "/onsite/identity", "/publish", "/editorial", "/editorial/new", "/review", "/exercise", "/statuspage", "/statuspage/buergerportal", "/twin", "/pulse",
  "/monitor", "/monitor/new", "/monitor/new?kind=dns", "/monitor/new/from", "/monitor/new/from/mail", "/monitor/new/import", "/monitor/portal", "/monitor/portal?range=1y", "/monitor/-/history", "/sonde", "/source", "/signal", "/service", "/service/new", "/service/buergerportal", "/plan", "/plan/new", "/plan/citizens",
  "/kit", "/kit/ways", "/kit/matrix", "/kit/matrix/ransomware", "/kit/contacts", "/kit/contacts/new", "/kit/holding", "/kit/holding/new", "/kit/part/press", "/kit/profile/citizens",
  "/kit/board", "/kit/cover", "/kit/versions", "/kit/versions/1", "/kit/folder", "/kit/car", "/kit/handover", "/kit/phone", "/kit/intranet", "/kit/signoff", "/kit/month", `/kit/month/${new Date().toISOString().slice(0, 7)}`,
  "/identity/people", "/identity/people/new", "/identity/import", "/identity/joining", "/identity/directory", "/identity/sign-in", "/identity/sealed", "/anmelden/notzugang", "/identity/profile", "/identity/profile/second-factor", "/identity/profile/second-factor/app", "/identity/tokens", "/reach", "/channel/outbox", "/audit", "/settings", "/setup", "/setup/mail", "/setup/public", "/setup/second", "/setup/monitor", "/setup/other", "/more", "/search?q=portal",
  "/roster", "/roster/new", "/roster/holidays", "/roster/channels", "/roster/callouts", "/roster/messenger", "/roster/presse", "/roster/presse/edit", "/roster/presse/figures", "/roster/presse/history", "/roster/presse/cover", "/roster/presse/import",
  "/chain", "/chain/new", "/chain/edv", "/chain/edv/edit", "/trial", "/trial/new?target=chain:edv", "/keep", "/deletion", "/deletion/people", "/deletion/people?person=a", "/contact", "/contact/ways", "/contact/accounts", "/papers", "/papers/details", "/template", "/channel/ways",
  "/gibt-es-nicht",
];

async function tour(browser, world, findings, ...states) {
  // First, for the sources further down raise an alarm, and beside one no test is given.
  await trial(browser, world, findings, states.at(-1).cookies);
  for (const [width, schemes] of [[360, ["dark"]], [1440, ["light"]]]) {
    const r = await new Reader(browser, `tour-${width}`, { width, schemes }, findings).open();
    await r.context.addCookies(states.at(-1).cookies); // Bert, who may see all
    for (const path of beside) {
      const answer = await r.page.goto(world.staff + path, { waitUntil: "load" });
      if (answer.status() !== (path === "/gibt-es-nicht" ? 404 : 200)) r.say(`status ${answer.status()}`);
      await r.look(path.replaceAll(/\W+/g, "-").replace(/^-/, "") || "lagebild");
    }
    // What hangs off the lists: the first incident, statement, mail and person.
    for (const [list, item] of [["/incident?all=1", "/incident/0"], ["/publish", "/publish/0"], ["/channel/outbox", "/channel/outbox/"], ["/identity/people", "/identity/people/0"]]) {
      await r.page.goto(world.staff + list);
      const link = r.page.locator(`main a[href^="${item}"]`).first();
      if (await link.count() === 0) { r.say(`no link to ${item}`); continue; }
      await r.goto(new URL(await link.getAttribute("href"), world.staff).href);
      await r.look(`one-${item.split("/")[1]}`);
      if (!item.startsWith("/incident")) continue;
      const incident = r.page.url();
      for (const page of ["brief", "staff"]) {
        await r.goto(`${incident}/${page}`);
        await r.look(page);
      }
    }
    // Displays behind a secret link, to somebody who is not signed in.
    const display = await new Reader(browser, `display-${width}`, { width, schemes }, findings).open();
    const plain = await new Reader(browser, `display-plain-${width}`, { width, schemes, scripts: false }, findings).open();
    for (const purpose of ["Was sagen wir am Telefon?", "Zustand für Partner"]) {
      await r.goto(`${world.staff}/kit/phone`);
      const name = r.page.getByLabel("Wo steht die Anzeige?");
      if (!await name.isVisible()) await r.page.locator("details", { has: name }).locator("summary").click();
      await name.fill(`${purpose} ${width}`);
      await r.page.getByLabel("Was zeigt der Link?").selectOption({ label: purpose });
      await r.click("Link anlegen");
      const secret = new URL(await r.page.locator('main a[rel="noreferrer"]').getAttribute("href")).pathname;
      for (const d of [display, plain]) {
        await d.goto(world.staff + secret);
        await d.look(purpose.split(" ")[0].toLowerCase());
      }
    }
    await display.close();
    await plain.close();
    await sources(browser, world, findings, width, states.at(-1).cookies);
    await onsite(browser, world, findings, width, states.at(-1).cookies);
    for (const path of ["/", "/en", "/impressum"]) {
      const answer = await r.page.goto(world.public + path);
      if (answer.status() === 200) await r.look(`public${path.replace("/", "-")}`);
      else r.say(`public ${path}: status ${answer.status()}`);
    }
    await r.close();
  }
}

/** A test alarm: its report, and the door at which people confirm it without signing
 *  in, before and after; each on a phone in the dark and on a desk in the light. */
async function trial(browser, world, findings, cookies) {
  const open = (name, width, schemes, scripts = true) => new Reader(browser, `${name}-${width}`, { width, schemes, scripts }, findings).open();
  const staff = [await open("trial", 360, ["dark"]), await open("trial", 1440, ["light"])];
  const doors = [await open("door", 360, ["dark"], false), await open("door", 1440, ["light"])];
  for (const r of staff) await r.context.addCookies(cookies);
  await staff[0].goto(`${world.staff}/trial/new?target=chain:edv`);
  await staff[0].click("Probealarm jetzt auslösen");
  const report = staff[0].page.url();
  const door = linkIn(await world.mail.take(ada, /PROBEALARM/), world, "/pr/");
  for (const r of staff) { await r.goto(report); await r.look("running"); }
  for (const d of doors) { await d.goto(door); await d.look("question"); }
  await doors[0].click("Ja, er ist angekommen");
  await doors[0].sees(/bestätigt/i);
  for (const d of doors) { if (d !== doors[0]) await d.goto(door); await d.look("confirmed"); }
  for (const r of staff) { await r.goto(report); await r.sees(/bestätigt/i); await r.look("report"); }
  for (const r of [...staff, ...doors]) await r.close();
}

/** A source that nobody understands yet, the mapping that is tried on what it sent, and
 *  the citizens' form with something missing; with scripts and without. */
async function sources(browser, world, findings, width, cookies) {
  for (const scripts of [true, false]) {
    const r = await new Reader(browser, `source-${width}${scripts ? "" : "-plain"}`, { width, schemes: ["light", "dark"], scripts }, findings).open();
    await r.context.addCookies(cookies);
    const name = `Melder ${width}${scripts ? "" : " ohne Skript"}`;
    await r.goto(`${world.staff}/source`);
    await r.page.getByLabel("Name").fill(name);
    await r.page.getByLabel("System").selectOption("generic");
    await r.click("Quelle anlegen");
    await r.look("added");
    const at = world.staff + new URL(await r.page.locator("#url").inputValue()).pathname;
    for (const body of ["melder=7&lage=Alarm&ort=Keller", '{"melder":{"nr":8},"lage":"Alarm"}']) {
      const answer = await fetch(at, { method: "POST", body });
      if (answer.status !== 200) r.say(`the source is answered ${answer.status}`);
    }
    await r.click("Zur Quelle", { role: "link" });
    await r.sees(/Worauf die Zuordnung zeigen kann/);
    await r.look("unread");
    await r.page.getByLabel("Kennung des Gegenstands").fill("melder");
    await r.page.getByLabel("Überschrift", { exact: false }).first().fill("ort");
    await r.click("An den Meldungen ausprobieren");
    await r.sees(/Noch nicht gespeichert[\s\S]*gestört\s+Keller/);
    await r.look("tried");
    await r.click("Quelle widerrufen", { role: "link" });
    await r.look("revoke");
    await r.goto(`${world.public}/stoerung`);
    await r.look("outage");
    await r.click("Meldung senden");
    await r.sees(/Noch nicht gesendet/);
    await r.look("outage-unsent");
    await r.goto(`${world.public}/stoerung/danke`);
    await r.look("outage-thanks");
    await r.close();
  }
}

/** Somebody on the spot: the phone's position, a photo, a document that was shown; on a
 *  narrow window without scripts, too. */
async function onsite(browser, world, findings, width, cookies) {
  const drawing = await browser.newPage({ viewport: { width: 320, height: 240 } });
  await drawing.setContent("<body style='background:#048;color:#fff'>Verteiler 0.12");
  const photo = { name: "keller.png", mimeType: "image/png", buffer: await drawing.screenshot() };
  await drawing.close();
  for (const scripts of width === 360 ? [true, false] : [true]) {
    const more = { permissions: ["geolocation"], geolocation: { latitude: 51.31234, longitude: 9.48765, accuracy: 12 } };
    const r = await new Reader(browser, `onsite-${width}${scripts ? "" : "-plain"}`, { width, schemes: ["light", "dark"], scripts, more }, findings).open();
    await r.context.addCookies(cookies);
    await r.goto(`${world.staff}/incident/new`);
    await r.page.getByLabel("Was ist los?").fill(`Wasser im Serverraum ${width}${scripts ? "" : " ohne Skript"}`);
    await r.click("Vorfall eröffnen");
    await r.sees(/Noch hat niemand von vor Ort gemeldet/);
    await r.click("Neue Meldung", { role: "link" });
    await r.click("Meldung senden");
    await r.sees(/Schreiben Sie bitte, was Sie sehen/);
    await r.look("refused");
    await r.page.getByLabel("Was sehen Sie?").fill("Wasser steht 5 cm hoch");
    await r.page.getByLabel("Foto").setInputFiles(photo);
    const here = r.page.getByRole("button", { name: "Meine Position eintragen" });
    if (scripts) {
      await here.click();
      await r.sees(/Ihre Position ist eingetragen/);
      await r.look("position");
    } else {
      if (await here.isVisible()) r.say("a button that needs script is offered without");
      await r.page.getByLabel("Wo ist das?").fill("51,31234 9,48765");
    }
    await r.click("Meldung senden");
    await r.sees(/51\.31234, 9\.48765/);
    if (await r.page.locator(".tm-photo").evaluate((i) => i.naturalWidth, undefined, { timeout: 60_000 }).catch(() => 0) !== 320) r.say("the photo is not shown");
    await r.look("report");
    await r.click("Weitere Meldung", { role: "link" });
    await r.click("Ausweis prüfen", { role: "link" });
    await r.click("Prüfung eintragen");
    await r.sees(/Bitte wählen Sie, wofür Sie den Ausweis ansehen/);
    await r.look("identity-refused");
    for (const choice of ["Hilfe nur für Berechtigte", "Personalausweis", "Person und Ausweis passen zusammen"]) await r.page.getByLabel(choice).check();
    await r.page.getByLabel("Name der Person").fill("Erika Mustermann");
    await r.click("Prüfung eintragen");
    await r.sees(/Erika Mustermann, Personalausweis/);
    await r.look("identity");
    await r.close();
  }
}

/** A visitor of the demo breaks a service, sees the alarm, and mends it. */
async function demo(browser, findings) {
  const town = await openDemo();
  const r = await new Reader(browser, "demo", { width: 1440 }, findings).open();
  const phone = await new Reader(browser, "demo-phone", { width: 360 }, findings).open();
  try {
    await signIn(r, town.link);
    await r.goto(`${town.staff}/demo`);
    await r.look("demo");
    await phone.context.addCookies((await r.context.storageState()).cookies);
    await phone.goto(`${town.staff}/demo`);
    await phone.look("demo");
    await r.page.getByLabel("Dienst", { exact: true }).selectOption({ label: "Kita-Portal" });
    await r.click("Störung auslösen");
    await r.page.getByRole("link", { name: "Alarm zu Kita-Portal ansehen" }).waitFor();
    await r.look("demo-broken");
    await r.click("Alarm zu Kita-Portal ansehen", { role: "link" });
    await r.look("demo-alarm");
    await r.click("Bürger informieren", { role: "link" });
    await r.look("demo-inform");
    await r.click(/^Jetzt veröffentlichen \(Statusseite, 301 Empfänger\)/);
    await r.look("demo-incident");
    await r.goto(`${town.staff}/channel/outbox`);
    await r.sees(/Kita-Portal/);
    await r.goto(town.public);
    await r.sees(/Kita-Portal[\s\S]*Nächste Meldung/i, { reload: true });
    await r.look("demo-public");
    // What the configuration declares can only be looked at; here it can be changed.
    for (const path of ["/service/kita-portal/edit", "/monitor/kita-portal/edit", "/monitor/kita-portal/remove"]) {
      await phone.goto(town.staff + path);
      await phone.look(path.slice(1).replaceAll("/", "-"));
    }
    await r.goto(`${town.staff}/demo`);
    await r.click("Anmelden als Petra Presse");
    await r.click("Anmelden");
    await r.goto(`${town.staff}/demo`);
    await r.click("Kita-Portal wieder in Ordnung");
    await r.sees(/Zurzeit ist nichts gestört/);
  } finally {
    await r.close();
    await phone.close();
    await town.close();
  }
}

const all = {
  phone: (browser, findings) => thread(browser, { name: "phone", width: 360, released: false }, findings),
  desktop: (browser, findings) => thread(browser, { name: "desktop", width: 1440, released: true }, findings),
  plain: (browser, findings) => thread(browser, { name: "plain", width: 360, scripts: false, released: false }, findings),
  demo,
};

await play(all);
