// From the alarm to the first public message at three in the morning: on a
// phone of 360 × 740, dark, by touch, by somebody who has to sign in first. What
// is tapped, typed, scrolled and read is counted and put into seconds; more than
// two minutes is a finding, and so is a third tap between the alarm and the
// message that was approved beforehand.
//
//   make build && node test/browser/night.mjs [touch plain]
//
// touch is with scripts, plain without. Pictures go to SHOTS (/tmp/shots/night).
//
// The seconds are those of the keystroke-level model (S. K. Card, T. P. Moran,
// A. Newell: The keystroke-level model for user performance time with
// interactive systems, CACM 23 (1980) 396–410): 1.1 s to point, 0.28 s for a key
// of an average non-secretarial typist, 1.35 s to make up one's mind. It knows no
// reading, so each word that must be read before it goes out costs what silent
// reading takes (M. Brysbaert, Journal of Memory and Language 109 (2019): 238
// words a minute): the subject of each mail, and the message by whoever writes
// and by whoever approves it. A flick over one screen counts as pointing. Thinking
// is put before every tap and every field, where the model would leave some out.
// What the pages take to come is the machine's and is told beside it.
import { play } from "./play.mjs";
import { Reader } from "./reader.mjs";
import { openWorld } from "./world.mjs";

const point = 1.1, key = 0.28, think = 1.35, word = 60 / 238;
const limit = 120;
const ada = "ada@musterstadt.example", bert = "bert@musterstadt.example";
const password = "laterne-hafen-42-nebel";

/** What a way costs whoever goes it. */
class Tally {
  taps = 0; keys = 0; flicks = 0; thoughts = 0; words = 0; answers = 0;

  get seconds() { return (this.taps + this.flicks) * point + this.keys * key + this.thoughts * think + this.words * word; }

  toString() {
    return `${this.seconds.toFixed(1)} s: ${this.taps} taps, ${this.keys} keys, ${this.flicks} flicks, ${this.words} words read; beside them ${this.answers.toFixed(1)} s for the pages to come`;
  }
}

/** Somebody with a phone, whose every move is counted. */
class Phone extends Reader {
  constructor(browser, name, scripts, findings) {
    super(browser, name, { width: 360, scripts, schemes: ["dark"], more: { colorScheme: "dark", hasTouch: true, isMobile: true, deviceScaleFactor: 2 } }, findings);
  }

  /** Brings a thing into the thumb's reach, a screen at a time. */
  async reach(target) {
    await target.waitFor();
    this.tally.flicks += await target.evaluate((el) => {
      const { top, bottom } = el.getBoundingClientRect();
      return Math.ceil(Math.max(0, bottom - innerHeight, -top) / innerHeight);
    });
    await target.scrollIntoViewIfNeeded();
    this.tally.thoughts += 1;
    this.tally.taps += 1;
  }

  /** Taps what leads to another page. */
  async tap(name, role = "button") {
    const target = this.page.getByRole(role, { name, exact: typeof name === "string" }).first();
    await this.reach(target);
    const box = await target.boundingBox();
    if (box.height < 24 || box.width < 24) this.say(`${name} is ${box.width} × ${box.height} px, too small for a thumb`);
    const from = performance.now();
    await Promise.all([this.page.waitForEvent("domcontentloaded"), target.tap()]);
    await this.page.waitForLoadState("load");
    this.tally.answers += (performance.now() - from) / 1000;
  }

  async type(label, text) {
    const field = this.page.getByLabel(label).first();
    await this.reach(field);
    await field.tap();
    await field.pressSequentially(text);
    this.tally.keys += [...text].length;
  }

  /** Ticks "noch nicht bekannt" for a question. */
  async unknown(question) {
    const box = this.page.getByRole("checkbox", { name: new RegExp(`^noch nicht bekannt ?: ${question}`) });
    await this.reach(box);
    await box.tap();
  }

  /** Opens a link of a mail. */
  async follow(mail, world, path) {
    const found = mail.text.match(new RegExp(`${world.staff}${path}\\S+`));
    if (!found) throw new Error(`no link to ${path} in the mail:\n${mail.text}`);
    this.tally.taps += 1;
    this.tally.thoughts += 1;
    this.tally.words += words(mail.subject);
    const from = performance.now();
    await this.goto(found[0]);
    this.tally.answers += (performance.now() - from) / 1000;
  }

  /** Reads the first paper on the page: the message as its readers get it. */
  async read() {
    this.tally.words += words(await this.page.locator(".tm-paper").first().innerText());
  }

  /** Signs in with the password, for the last time here was yesterday. */
  async signIn() {
    if (new URL(this.page.url()).pathname !== "/anmelden") throw new Error(`${this.page.url()} does not ask who it is`);
    await this.look("sign-in");
    await this.type("E-Mail", ada);
    await this.type("Passwort", password);
    await this.tap("Anmelden");
  }
}

const words = (text) => text.split(/\s+/).filter((w) => /\p{L}|\d/u.test(w)).length;

/** Ada gives herself a password by day. */
async function prepare(browser, world, scripts, findings) {
  const r = await new Reader(browser, "night-before", { width: 360, scripts, schemes: [] }, findings).open();
  await r.goto(await world.link(ada));
  await r.click("Anmelden");
  await r.page.getByLabel("Neues Passwort", { exact: true }).fill(password);
  await r.page.getByLabel("Neues Passwort noch einmal").fill(password);
  await r.click("Passwort sichern");
  await r.close();
}

/** The second person says yes, on the page behind the mail's link, without signing in. */
async function approve(phone, world, tally, kind) {
  const mail = await world.mail.take(bert, new RegExp(`freigeben: ${kind}`));
  phone.tally = tally;
  await phone.follow(mail, world, "/p/");
  await phone.look(`approve-${kind.toLowerCase().replaceAll(" ", "-")}`);
  await phone.read();
  await phone.tap("Freigeben");
  await phone.sees(/Freigegeben/);
}

const ways = {
  /** Approved beforehand: alone, and two taps from the alarm to everybody. */
  async released(a, world, t, b, alarm) {
    await a.follow(alarm, world, "/alert/");
    await a.signIn();
    await a.look("released-alarm");
    const before = t.taps;
    await a.tap("Bürger informieren", "link");
    await a.look("released-inform");
    await a.read();
    await a.tap(/^Jetzt veröffentlichen \(Statusseite, 2 Empfänger\)/);
    if (t.taps - before > 2) a.say(`${t.taps - before} taps from the alarm to the message`);
    await a.sees(/veröffentlicht/);
    await a.look("released-done");
  },
  /** Not approved beforehand: a second person says yes. The alarm is taken by the
   *  link in the mail first. */
  async second(a, world, t, b, alarm) {
    await a.follow(alarm, world, "/a/");
    await a.look("second-mail-link");
    await a.tap("Übernehmen");
    await a.look("second-taken");
    await a.tap("Bürger informieren", "link");
    await a.signIn();
    await a.look("second-inform");
    await a.read();
    await a.tap("Zur Freigabe geben");
    await a.look("second-waiting");
    await approve(b, world, t, "Erste Kurzmeldung");
  },
  /** Own words, through the composer. */
  async composer(a, world, t, b, alarm) {
    await a.follow(alarm, world, "/alert/");
    await a.signIn();
    await a.look("composer-alarm");
    await a.tap("Bürger informieren", "link");
    await a.look("composer-inform");
    await a.tap("Mit eigenen Worten schreiben");
    await a.look("composer");
    await a.type(/^Was ist geschehen\?/, "Ein Rechner im Rathaus ist ausgefallen");
    await a.unknown("Wie ernst ist es");
    await a.type(/^Was tun wir\?/, "Wir tauschen das Gerät");
    await a.tap(/^Fassungen ansehen/);
    await a.look("composer-variants");
    await a.read();
    await a.tap(/^Zur Freigabe/);
    await a.look("composer-waiting");
    await approve(b, world, t, "Erstmeldung");
  },
};

/** Three services, each checked on a target of its own. */
function config(world) {
  const services = [["portal", "Bürgerportal", "das", "Telefon 0611 000"], ["kita", "Kita-Portal", "das", "Kita-Büro, Zimmer 2"], ["kfz", "Kfz-Zulassung", "die", "Kreishaus, Zimmer 5"]];
  return `town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], networks: [192.0.2.0/24], land: HE, timezone: Europe/Berlin, language: de}
smtp: [{name: primary, host: 127.0.0.1, port: ${world.mail.port}, from: lage@tuermer.example, tls: none}]
people:
  - {name: Ada Beispiel, email: ${ada}, alternative: ada@posteo.example, mobile: "+491700000001", roles: [it, publisher]}
  - {name: Bert Kern, email: ${bert}, alternative: bert@posteo.example, roles: [admin, approver]}
services:
${services.map(([slug, name, article, way]) => `  - {slug: ${slug}, name: ${name}, article: ${article}, public: true, owner: ${ada}, workaround: "${way}", audiences: [citizens, staff], auto_public: checking}`).join("\n")}
monitors:
${services.map(([slug], i) => `  - {slug: ${slug}, service: ${slug}, url: "${world.targets[i].url}", interval: 5s, timeout: 3s, expect: {status: [200], body: "Willkommen"}, confirm: 3}`).join("\n")}
audiences:
  - {slug: citizens, kind: citizens, name: Bürgerinnen und Bürger, recipients: [liste@musterstadt.example]}
  - {slug: staff, kind: staff, name: Beschäftigte, recipients: [alle@musterstadt.example]}
`;
}

async function night(browser, name, scripts, findings) {
  const world = await openWorld({ config, targets: 3 });
  const citizen = await new Reader(browser, `${name}-citizen`, { width: 360, scripts, schemes: ["dark"] }, findings).open();
  const b = await new Phone(browser, `${name}-bert`, scripts, findings).open();
  try {
    await prepare(browser, world, scripts, findings);
    for (const [i, [way, service]] of [["composer", "Bürgerportal"], ["second", "Kita-Portal"], ["released", "Kfz-Zulassung"]].entries()) {
      if (way === "released") await release(browser, world, findings);
      const a = await new Phone(browser, `${name}-${way}`, scripts, findings).open();
      const t = new Tally();
      a.tally = t;
      world.targets[i].fail();
      const alarm = await world.mail.take(ada, new RegExp(`gestört: ${service}`));
      await ways[way](a, world, t, b, alarm);
      // It is out: on the page and in the mail of those who wanted it.
      await world.mail.take("liste@musterstadt.example", new RegExp(service));
      await citizen.goto(world.public);
      await citizen.sees(new RegExp(`${service}[\\s\\S]*Nächste Meldung`, "i"), { reload: true });
      if (way === "composer") await citizen.look("public");
      console.log(`${name}, ${way}: ${t}`);
      if (t.seconds > limit) findings.push(`${name}, ${way}: ${t.seconds.toFixed(0)} s from the alarm to the first message, more than ${limit}`);
      await a.close();
    }
  } finally {
    for (const r of [citizen, b]) await r.close();
    await world.close();
  }
}

/** Bert approves the short messages by day. */
async function release(browser, world, findings) {
  const r = await new Reader(browser, "night-release", { width: 360, schemes: [] }, findings).open();
  await r.goto(await world.link(bert));
  await r.click("Anmelden");
  await r.goto(`${world.staff}/publish`);
  await r.click(/^Kurzmeldungen in ihrem jetzigen Wortlaut freigeben/);
  await r.sees(/hat Bert Kern freigegeben/);
  await r.close();
}

await play({
  touch: (browser, findings) => night(browser, "touch", true, findings),
  plain: (browser, findings) => night(browser, "plain", false, findings),
});
