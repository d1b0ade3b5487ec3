// A Stabsübung "Schadsoftware" clicked through by people on the pages of the
// exercise: Ada takes the alarm on her phone and calls the crisis, Clara writes
// at a desk, Bert approves on his phone; from the first short message over a
// correction of what is told in the street to the closing one, the record and
// the review. The mail server of this town is real and must stay empty.
//
//   make build && node test/browser/drill.mjs
//
// Time is real here, so the drill lasts a minute and not seventy; what comes with
// time (events of the script, promises that fall due) is played in virtual time
// by cmd/tuermer/testdata/24-stabsuebung-schadsoftware.txtar.
import { play } from "./play.mjs";
import { Reader } from "./reader.mjs";
import { openWorld } from "./world.mjs";

const title = "Schadsoftware in unserem Netz";
const mails = { ada: "ada@musterstadt.example", bert: "bert@musterstadt.example", clara: "clara@musterstadt.example" };

function config(world) {
  return `town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], networks: [192.0.2.0/24], land: HE, timezone: Europe/Berlin, language: de}
smtp: [{name: primary, host: 127.0.0.1, port: ${world.mail.port}, from: lage@tuermer.example, tls: none}]
people:
  - {name: Ada Beispiel, email: ${mails.ada}, alternative: ada@posteo.example, roles: [it]}
  - {name: Bert Kern, email: ${mails.bert}, alternative: bert@posteo.example, roles: [admin, approver]}
  - {name: Clara Presse, email: ${mails.clara}, alternative: clara@posteo.example, roles: [publisher]}
services:
  - {slug: buergerportal, name: Bürgerportal, article: das, public: true, owner: ${mails.ada}, workaround: "Telefon 0611 000", audiences: [citizens, staff, press, leadership]}
monitors: []
audiences:
  - {slug: citizens, kind: citizens, name: Bürgerinnen und Bürger, recipients: [liste@musterstadt.example]}
  - {slug: staff, kind: staff, name: Beschäftigte, recipients: [alle@musterstadt.example]}
  - {slug: press, kind: press, name: Presse, recipients: [redaktion@zeitung.example]}
  - {slug: leadership, kind: leadership, name: Leitung, recipients: [leitung@musterstadt.example]}
`;
}

/** What is written in the drill: the button in the incident, the kind, answers. */
const messages = [
  { button: "Erste Kurzmeldung", kind: "Erste Kurzmeldung", scenario: true },
  { button: "Erstmeldung schreiben", kind: "Erstmeldung", answers: { "Was ist geschehen?": "Unbekannte haben unser Netz angegriffen", "Wie ernst ist es?": "Anträge sind nur im Bürgerbüro möglich", "Was tun wir?": "Wir haben das Netz getrennt und prüfen jedes Gerät" } },
  { button: "Neuen Stand melden", kind: "Richtigstellung", choose: true, answers: { "Was ist richtig?": "Bisher deutet nichts auf abgeflossene Daten", "Was wird stattdessen erzählt?": "Alle Daten seien gestohlen", "Wo kann man es nachprüfen?": "Auf der Seite der Stadt" } },
  { button: "Neuen Stand melden", kind: "Neuer Stand", answers: { "Was ist neu?": "Die Ursache ist gefunden", "Was tun wir?": "Wir setzen die Geräte neu auf", "Wann läuft es voraussichtlich wieder?": null } },
  { button: "Behoben melden", kind: "Wiederhergestellt", answers: { "Was war die Ursache?": "Eine Schwachstelle in einem Programm", "Was wurde getan?": "Wir haben alle Geräte neu aufgesetzt" }, then: "Läuft wieder" },
  { button: "Abschluss schreiben", kind: "Abschluss", answers: { "Was war die Ursache?": "Eine Schwachstelle in einem Programm", "Was wurde getan?": "Alle Geräte sind neu aufgesetzt" }, then: "Abschließen" },
];

const slug = (words) => words.toLowerCase().replaceAll(/[^a-zäöüß]+/g, "-");

/** Clara writes m and hands it on; Bert reads it as its readers would, and approves. */
async function say(clara, bert, world, room, m) {
  await clara.goto(room);
  await clara.click(m.button, { role: "link" });
  if (m.choose) await clara.page.getByLabel("Art", { exact: true }).selectOption({ label: m.kind });
  if (m.scenario) {
    const event = clara.page.getByLabel("Ereignis", { exact: true }); // its names begin with a sign
    await event.selectOption((await event.locator("option", { hasText: title }).getAttribute("value")));
  }
  if (m.choose || m.scenario) await clara.click("Art wechseln");
  for (const [question, answer] of Object.entries(m.answers ?? {})) {
    const words = question.replace("?", "\\?");
    if (answer === null) await clara.page.getByRole("checkbox", { name: new RegExp(`^noch nicht bekannt ?: ${words}`) }).check();
    else await clara.page.getByLabel(new RegExp(`^${words}`)).first().fill(answer);
  }
  await clara.click(/^Fassungen ansehen/);
  await clara.look(`write-${slug(m.kind)}`);
  // Every variant is marked, whether it is shown or folded away.
  const papers = await clara.page.locator(".tm-paper").allTextContents();
  const bare = papers.filter((t) => !t.includes("ÜBUNG"));
  if (papers.length < 8 || bare.length) clara.say(`${m.kind}: ${bare.length} of ${papers.length} variants do not say ÜBUNG: ${bare[0]}`);
  await clara.click(/^Zur Freigabe an Bert Kern/);
  await clara.sees(/wartet auf Freigabe/);
  await bert.goto(`${world.staff}/publish`);
  await bert.click(m.kind, { role: "link" });
  await bert.look(`approve-${slug(m.kind)}`);
  await bert.click("Freigeben");
  await bert.sees(/veröffentlicht/);
}

async function drill(browser, findings) {
  const world = await openWorld({ config });
  const readers = {};
  try {
    for (const [name, width] of [["ada", 360], ["bert", 360], ["clara", 1440]]) {
      readers[name] = await new Reader(browser, `drill-${name}`, { width, schemes: [width === 360 ? "dark" : "light"] }, findings).open();
      await readers[name].goto(await world.link(mails[name]));
      await readers[name].click("Anmelden");
    }
    const { ada, bert, clara } = readers;

    // Bert begins it; nobody has taken the alarm yet.
    await bert.goto(`${world.staff}/exercise`);
    await bert.page.getByRole("radio", { name: /^Stabsübung/ }).check();
    await bert.page.getByLabel("Szenario", { exact: true }).selectOption({ label: title });
    await bert.click("Übung starten");
    await bert.sees(/Im Ernst geweckt: Ada Beispiel/);
    await bert.look("begun");

    // Ada takes it and calls the crisis.
    await ada.goto(`${world.staff}/exercise`);
    await ada.click(title, { role: "link" });
    await ada.look("alarm");
    await ada.click("Übernehmen");
    await ada.sees(/hat den Alarm übernommen/);
    const room = ada.page.url();
    await ada.sees(/Einspielung 1/, { reload: true });
    await ada.look("taken");
    await ada.page.getByRole("radio", { name: /^Krise/ }).check();
    await ada.click("Stufe setzen");
    await ada.sees(/Stufe Krise/);

    for (const m of messages) {
      await say(clara, bert, world, room, m);
      if (!m.then) continue;
      await ada.goto(room);
      await ada.click(m.then);
      await ada.look(slug(m.then));
    }

    // The record: everything was said, everything is marked, nothing went wrong.
    await bert.goto(`${world.staff}/exercise`);
    await bert.click(title, { role: "link" });
    await bert.click("Übung beenden");
    await bert.sees(/Alles hat geklappt/);
    await bert.sees(/Ada Beispiel hat ihn nach .* übernommen/);
    await bert.look("record");
    const record = await bert.page.locator("main").innerText();
    const [, marked, all] = /Texte mit „ÜBUNG“\s+(\d+) von (\d+)/.exec(record) ?? [];
    if (!(Number(marked) >= 100) || marked !== all) bert.say(`${marked} of ${all} texts are marked`);
    const [, kept, promised] = /Zugesagte Meldungen pünktlich\s+(\d+) von (\d+)/.exec(record) ?? [];
    if (!(Number(kept) >= 4) || kept !== promised) bert.say(`${kept} of ${promised} promises were kept`);
    for (const m of messages) if (!record.includes(m.kind)) bert.say(`the record does not know of "${m.kind}"`);
    for (const who of ["Bürgerinnen und Bürger", "Beschäftigte", "Presse", "Leitung"]) if (!record.includes(who)) bert.say(`the record does not know of ${who}`);

    // The review, at a desk.
    await clara.goto(bert.page.url());
    await clara.look("record");
    await clara.click("Nachbereitung zu dieser Übung", { role: "link" });
    await clara.page.getByText("Verbesserung notieren").first().click();
    await clara.page.getByLabel("Was soll besser werden?").fill("Die Nummern der Redaktionen stehen nicht in der Notfallmappe");
    await clara.page.getByLabel("Wer kümmert sich?").selectOption({ label: "Clara Presse" });
    await clara.page.getByLabel("Bis wann?").fill("2030-02-01");
    await clara.click("Verbesserung notieren");
    await clara.sees(/Die Nummern der Redaktionen stehen nicht in der Notfallmappe/);
    await clara.look("review");

    // Nothing left the house.
    if (world.mail.box.length) findings.push(`drill: ${world.mail.box.length} mails left the house: ${world.mail.box.map((m) => `${m.to}: ${m.subject}`).join(" | ")}`);
    const citizen = await new Reader(browser, "drill-citizen", { width: 360, schemes: ["light"] }, findings).open();
    readers.citizen = citizen;
    for (const path of ["/", "/archiv"]) {
      await citizen.page.goto(world.public + path);
      if (/ÜBUNG|angegriffen|Schadsoftware/.test(await citizen.page.locator("body").innerText())) citizen.say(`${path} tells of the exercise`);
    }
  } finally {
    for (const r of Object.values(readers)) await r.close();
    await world.close();
  }
}

await play({ drill });
