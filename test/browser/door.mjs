// Signs in through every door in a real browser, on the real product: second
// factor by app and by recovery code without JavaScript, passkeys with a virtual
// authenticator (the WebAuthn domain of the DevTools protocol).
//
//   make build && node test/browser/door.mjs [app passkey]
//
// TUERMER names another binary, CHROMIUM another browser, SHOTS the folder for
// pictures. Ends with 1 when anything was found.
import { createHmac } from "node:crypto";
import { play } from "./play.mjs";
import { Reader } from "./reader.mjs";
import { openWorld } from "./world.mjs";

const ada = "ada@musterstadt.example", bert = "bert@musterstadt.example";
const password = "Kirchturm im Nebel 7";

/** What an authenticator app with this key shows (RFC 6238), steps from now. */
function code(key, steps = 0) {
  const bits = [...key.replaceAll(" ", "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const sum = createHmac("sha1", secret).update(counter).digest();
  return String((sum.readUInt32BE(sum.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function first(r, world, who) {
  await r.goto(await world.link(who));
  await r.click("Anmelden");
  await r.page.getByLabel("Neues Passwort", { exact: true }).fill(password);
  await r.page.getByLabel("Neues Passwort noch einmal").fill(password);
  await r.click("Passwort sichern");
}

async function byPassword(r, world, who) {
  await r.goto(`${world.staff}/anmelden`);
  await r.page.getByLabel("E-Mail", { exact: true }).fill(who);
  await r.page.getByLabel("Passwort", { exact: true }).fill(password);
  await r.click("Anmelden");
}

/** An app as second factor, all of it without JavaScript. */
async function app(browser, findings) {
  const world = await openWorld();
  const r = await new Reader(browser, "app", { width: 360, scripts: false }, findings).open();
  const wide = await new Reader(browser, "app-wide", { width: 1440 }, findings).open();
  try {
    await first(r, world, bert);
    await r.goto(`${world.staff}/identity/profile/second-factor`);
    await r.look("second");
    await r.click("App einrichten", { role: "link" });
    await r.look("enrol");
    const key = await r.page.locator("#app-key").textContent(), used = code(key);
    await r.page.getByLabel("Code", { exact: true }).fill("000000");
    await r.click("App prüfen und sichern");
    await r.sees(/stimmt nicht/);
    await r.page.getByLabel("Code", { exact: true }).fill(used);
    await r.click("App prüfen und sichern");
    await r.sees(/Ihre Notfallcodes/);
    const sheet = await r.page.locator(".tm-checks li").allTextContents();
    if (sheet.length !== 10) findings.push(`app: ${sheet.length} recovery codes`);
    await r.look("codes");
    await wide.context.addCookies((await r.context.storageState()).cookies);
    for (const path of ["/identity/profile/second-factor", "/identity/profile/second-factor/app", "/identity/sign-in", "/identity/profile"]) {
      await wide.goto(world.staff + path);
      await wide.look(path.slice(1).replaceAll("/", "-"));
    }
    await r.context.clearCookies();
    await byPassword(r, world, bert);
    await r.look("second-sign-in");
    await r.page.getByLabel("Code aus der App").fill(used);
    await r.click("Anmelden");
    await r.sees(/schon benutzt/);
    await r.look("second-refused");
    await r.page.getByLabel("Code aus der App").fill(code(key, 1)); // a phone that is fast
    await r.click("Anmelden");
    await r.sees(/Lagebild/);
    await r.context.clearCookies();
    await byPassword(r, world, bert);
    await r.page.getByLabel("Code aus der App").fill(sheet[4].toUpperCase());
    await r.click("Anmelden");
    await r.sees(/Lagebild/);
    await world.mail.take("bert@posteo.example", /Notfallcode wurde benutzt/);
  } finally {
    await r.close();
    await wide.close();
    await world.close();
  }
}

/** Adds an authenticator to the page; the answer is its id. */
async function authenticator(r, options = {}) {
  const line = await r.context.newCDPSession(r.page);
  await line.send("WebAuthn.enable");
  const { authenticatorId } = await line.send("WebAuthn.addVirtualAuthenticator", { options: {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true, ...options,
  } });
  return { line, authenticatorId };
}

/** A passkey alone, a passkey beside the password, one that fails, and a reader
 *  without JavaScript, who keeps password, link and code. */
async function passkey(browser, findings) {
  const world = await openWorld({ host: "localhost" });
  const r = await new Reader(browser, "passkey", { width: 360 }, findings).open();
  const wide = await new Reader(browser, "passkey-wide", { width: 1440 }, findings).open();
  const plain = await new Reader(browser, "passkey-plain", { width: 360, scripts: false }, findings).open();
  try {
    const { line, authenticatorId } = await authenticator(r);
    await first(r, world, ada);
    await r.goto(`${world.staff}/identity/profile/second-factor`);
    await r.page.getByLabel("Name des Passkeys").fill("Diensthandy");
    await r.click("Passkey anlegen");
    await r.sees(/Ihre Notfallcodes/);
    const sheet = await r.page.locator(".tm-checks li").allTextContents();
    const { credentials } = await line.send("WebAuthn.getCredentials", { authenticatorId });
    if (credentials.length !== 1 || credentials[0].rpId !== "localhost") findings.push(`passkey: the device holds ${JSON.stringify(credentials)}`);
    await r.goto(`${world.staff}/identity/profile/second-factor`);
    await r.sees(/Diensthandy/);
    await r.look("second");
    await wide.context.addCookies((await r.context.storageState()).cookies);
    await wide.goto(`${world.staff}/identity/profile/second-factor`);
    await wide.look("second");
    // The same device a second time is told in words.
    await r.page.getByLabel("Name des Passkeys").fill("noch einmal");
    await r.page.getByRole("button", { name: "Passkey anlegen" }).click();
    await r.sees(/hat schon einen Passkey/);

    await r.context.clearCookies();
    await r.goto(`${world.staff}/anmelden?next=/identity/tokens`);
    await r.look("sign-in");
    await r.click("Mit Passkey anmelden");
    await r.sees(/Zugriffstoken/);
    if (new URL(r.page.url()).pathname !== "/identity/tokens") findings.push(`passkey: signed in to ${r.page.url()}`);

    await r.context.clearCookies();
    await byPassword(r, world, ada);
    await r.look("second-sign-in");
    await r.click("Passkey statt Code");
    await r.sees(/Lagebild/);

    // Whoever holds the device but not its finger stays outside.
    await r.context.clearCookies();
    await line.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    await r.goto(`${world.staff}/anmelden`);
    await r.page.getByRole("button", { name: "Mit Passkey anmelden" }).click();
    await r.sees(/nicht geklappt/);
    await r.look("refused");
    await r.goto(world.staff);
    if (new URL(r.page.url()).pathname !== "/anmelden") findings.push("passkey: in without verification");

    // Without JavaScript: no dead button, the other ways go on.
    await plain.goto(`${world.staff}/anmelden`);
    if (await plain.page.getByText("Mit Passkey anmelden").isVisible()) findings.push("plain: a button that does nothing");
    await plain.page.getByLabel("E-Mail", { exact: true }).fill(ada);
    await plain.click("Link per E-Mail schicken");
    const mail = await world.mail.take(ada, /Ihr Link zum Anmelden/);
    await plain.goto(/http:\S+\/identity\/link\/\S+/.exec(mail.text)[0]);
    await plain.click("Anmelden");
    await plain.page.getByLabel("Code aus der App").fill(sheet[0]);
    await plain.click("Anmelden");
    await plain.sees(/Lagebild/);
  } finally {
    await r.close();
    await wide.close();
    await plain.close();
    await world.close();
  }
}

await play({ app, passkey });
