// Sets a town up from nothing in a real browser: the real program in an empty
// folder without a file, a real mail server, a real name server, a phone that
// comes through a reverse proxy. Each of the five steps has to prove itself, and
// all of it has to be done within five minutes.
//
//   make build && node test/browser/start.mjs [phone desktop plain]
//
// phone and plain are 360 px wide, plain is without JavaScript. TUERMER names
// another binary, CHROMIUM another browser, SHOTS the folder for pictures. Ends
// with 1 when anything was found.
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer as createHTTP, request } from "node:http";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { play } from "./play.mjs";
import { Reader, shots } from "./reader.mjs";
import { freePort, listen, openMail, openTarget, start, tuermer } from "./world.mjs";

const password = "Kirchturm im Nebel 7";
const ada = "ada@musterstadt.example", bert = "bert@musterstadt.example";

/** What the world's DNS says: the club's mail runs on the town's server. */
const zone = {
  MX: { "musterstadt.example": "mx.musterstadt.example", "verein.example": "mx.musterstadt.example", "posteo.example": "mx.posteo.example" },
  NS: { "musterstadt.example": "ns.musterstadt.example", "verein.example": "ns.verein.example", "posteo.example": "ns.posteo.example" },
  A: { "mx.musterstadt.example": "192.0.2.25", "mx.posteo.example": "198.51.100.25" },
};

/** A name server (RFC 1035) that knows the zone. */
async function openDNS() {
  const socket = createSocket("udp4");
  const name = (n) => Buffer.concat([...n.split(".").map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])), Buffer.from([0])]);
  socket.on("message", (q, peer) => {
    let at = 12;
    const labels = [];
    while (q[at]) { labels.push(q.subarray(at + 1, at + 1 + q[at]).toString()); at += q[at] + 1; }
    const question = q.subarray(12, at + 5), asked = labels.join(".").toLowerCase();
    const type = { 1: "A", 2: "NS", 15: "MX" }[q.readUInt16BE(at + 1)];
    const value = zone[type]?.[asked];
    const known = Object.values(zone).some((z) => asked in z);
    const data = !value ? null : type === "A" ? Buffer.from(value.split(".").map(Number)) : Buffer.concat([type === "MX" ? Buffer.from([0, 10]) : Buffer.alloc(0), name(value)]);
    const head = Buffer.alloc(12);
    q.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8580 | (known ? 0 : 3), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(data ? 1 : 0, 6);
    const answer = data ? Buffer.concat([Buffer.from([0xc0, 12]), q.subarray(at + 1, at + 5), Buffer.from([0, 0, 0, 60, 0, data.length]), data]) : Buffer.alloc(0);
    socket.send(Buffer.concat([head, question, answer]), peer.port, peer.address);
  });
  await new Promise((up) => socket.bind(0, "127.0.0.1", up));
  return { port: socket.address().port, close: () => socket.close() };
}

/** The reverse proxy before the public page: it names the sender, who is far away. */
async function openProxy(port, sender) {
  const server = createHTTP((req, res) => {
    const on = request({ host: "127.0.0.1", port, path: req.url, method: req.method, headers: { ...req.headers, "x-forwarded-for": sender } }, (back) => {
      res.writeHead(back.statusCode, back.headers);
      back.pipe(res);
    });
    on.on("error", () => res.destroy());
    req.pipe(on);
  });
  const own = await listen(server);
  return { url: `http://127.0.0.1:${own}`, close() { server.closeAllConnections(); server.close(); } };
}

const codeIn = (mail) => /\n(\d{6})\n/.exec(mail.text)[1];

async function first(browser, { name, width, scripts = true }, findings) {
  const dir = await mkdtemp(join(tmpdir(), "tuermer-start-"));
  const mail = await openMail({ sender: "lage@musterstadt.example" }), dns = await openDNS(), site = await openTarget();
  const staff = `127.0.0.1:${await freePort()}`, open = `127.0.0.1:${await freePort()}`;
  const proxy = await openProxy(open.split(":")[1], "203.0.113.7");
  const env = { TUERMER_DNS: `127.0.0.1:${dns.port}` };
  const data = join(dir, "data");
  if ((await readdir(dir)).length) findings.push(`${name}: the folder is not empty`);
  const began = Date.now();
  const server = start(["serve", "--data", data, "--staff", staff, "--public", open], /einmal, 24 Stunden\): http\S+\n/, env);
  const readers = [];
  const reader = async (who, options) => {
    const r = await new Reader(browser, `${name}-${who}`, { width, scripts, ...options }, findings).open();
    readers.push(r);
    return r;
  };
  try {
    const printed = await server.ready;
    const once = /einmal, 24 Stunden\): (http\S+)/.exec(printed)[1];
    // The command prints another link, beside the running server; the first ends.
    const link = (await promisify(execFile)(tuermer, ["setup", "--data", data])).stdout.trim();
    // Our website stands on this machine, where checks by people may not go; the
    // operator says so. A town's own website needs none of this.
    await promisify(execFile)(tuermer, ["tenant", "networks", "public", "private", "127.0.0.0/8", "--data", data]);
    const r = await reader("ada");
    await r.page.goto(once);
    await r.sees(/gilt nicht mehr/);
    await r.goto(link);
    await r.look("begin");
    await r.page.getByLabel(/^Name/).first().fill("Musterstadt");
    await r.page.locator("#name").fill("Ada Beispiel");
    await r.page.getByLabel("Dienstliche E-Mail").fill(ada);
    await r.page.getByLabel("Neues Passwort", { exact: true }).fill("musterstadt1");
    await r.page.getByLabel("Neues Passwort noch einmal").fill("musterstadt1");
    await r.click("Anfangen");
    await r.sees(/wird als Erstes erraten/);
    await r.look("begin-refused");
    await r.page.getByLabel("Neues Passwort", { exact: true }).fill(password);
    await r.page.getByLabel("Neues Passwort noch einmal").fill(password);
    await r.click("Anfangen");

    // 1 Mail: a port where nobody listens, a sender who may not, then right.
    await r.sees(/Kommt Post an\?/);
    await r.look("mail");
    const fill = async (port, from) => {
      await r.page.getByLabel("Mailserver für ausgehende Post").fill("127.0.0.1");
      await r.page.getByLabel("Port", { exact: true }).fill(String(port));
      await r.page.getByLabel("Verschlüsselung").selectOption("none");
      await r.page.getByLabel(/^Absenderadresse/).fill(from);
      await r.page.getByRole("button", { name: /^(Probemail|Noch einmal)/ }).click();
    };
    await fill(await freePort(), "lage@musterstadt.example");
    await r.sees(/nimmt keine Verbindung an/);
    await r.look("mail-refused");
    await fill(mail.port, "");
    await r.sees(/verschickt unter dieser Absenderadresse nichts[\s\S]*550 5\.7\.1 Sender address rejected/);
    await r.look("mail-said");
    await fill(mail.port, "lage@musterstadt.example");
    const code = codeIn(await mail.take(ada, /Ihr Code/));
    await r.sees(/Code an ada@musterstadt\.example geschickt/);
    await r.page.getByLabel("Code aus der Mail").fill(code === "000000" ? "000001" : "000000");
    await r.click("Code prüfen");
    await r.sees(/Dieser Code stimmt nicht/);
    await r.look("mail-code");
    await r.page.getByLabel("Code aus der Mail").fill(code);
    await r.click("Code prüfen");

    // 2 Public page: the same machine is no proof, the phone is.
    await r.sees(/Bewiesen: Kommt Post an/);
    await r.look("public");
    await r.page.getByLabel("Öffentliche Seite").fill(proxy.url);
    await r.click("Code zeigen");
    await r.sees(/Öffnen Sie diese Adresse auf dem Handy/);
    await r.look("public-code");
    const address = await r.page.locator('main a[rel="noreferrer"]').getAttribute("href");
    if (!address.startsWith(`${proxy.url}/gesehen/`)) findings.push(`${name}: the phone is sent to ${address}`);
    const near = await reader("near", { width: 360 });
    await near.goto(address.replace(proxy.url, `http://${open}`));
    await near.click("Ja, ich sehe die Seite");
    await near.sees(/von diesem Rechner selbst/);
    const phone = await reader("phone", { width: 360 });
    await phone.goto(address);
    await phone.look("seen");
    await phone.click("Ja, ich sehe die Seite");
    await phone.sees(/Danke, angekommen/);
    await phone.look("seen-thanks");
    if ((await phone.context.cookies()).length) findings.push(`${name}: the public page sets a cookie`);
    if (scripts) await r.sees(/bewiesen[\s\S]*Weiter einrichten/); // by itself
    else await r.click("Nachsehen, ob die Anfrage angekommen ist", { role: "link" });
    await r.sees(/bewiesen/);
    await r.look("public-proven");

    // Left here; another browser goes on after signing in. The Lagebild is red.
    await r.context.clearCookies();
    const again = await reader("again");
    await again.goto(`http://${staff}/anmelden`);
    await again.page.getByLabel("E-Mail", { exact: true }).fill(ada);
    await again.page.getByLabel("Passwort", { exact: true }).fill(password);
    await again.click("Anmelden");
    await again.sees(/3 Schritte der Einrichtung sind noch nicht bewiesen/);
    await again.look("lagebild-red");
    await again.click("Weiter einrichten", { role: "link" });

    // 3 Second address: the town's own, one that shares its server, a free one.
    await again.sees(/zweite Adresse unabhängig/);
    for (const [address, says] of [["ada@mail.musterstadt.example", /in der Domain musterstadt\.example/], ["ada@verein.example", /denselben Mailserver/]]) {
      await again.page.getByLabel(/^Zweite E-Mail-Adresse/).fill(address);
      await again.click("Prüfen und Code schicken");
      await again.sees(says);
    }
    await again.look("second-shared");
    await again.page.getByLabel(/^Zweite E-Mail-Adresse/).fill("ada@posteo.example");
    await again.click("Prüfen und Code schicken");
    await again.page.getByLabel("Code aus der Mail").fill(codeIn(await mail.take("ada@posteo.example", /Ihr Code/)));
    await again.look("second-code");
    await again.click("Code prüfen");

    // 4 First check: red while the site is broken, then green.
    await again.sees(/erste Prüfung grün/);
    site.fail();
    await again.page.getByLabel(/^Adresse/).fill(site.url);
    await again.click("Jetzt prüfen");
    await again.sees(/Die Prüfung ist nicht grün/);
    await again.look("monitor-red");
    site.work();
    await again.click("Jetzt prüfen");

    // 5 Somebody else: put off, taken up, sent, and proven when they come.
    await again.sees(/Ist noch jemand dabei/);
    await again.look("other");
    await again.click("Später erledigen");
    await again.sees(/auf später verschoben/);
    await again.look("list");
    await again.click("Weiter einrichten", { role: "link" });
    await again.page.locator("#name").fill("Bert Kern");
    await again.page.getByLabel("Dienstliche E-Mail").fill(bert);
    await again.click("Einladung schicken");
    await again.sees(/Bert Kern ist eingeladen/);
    await again.look("invited");
    const invitation = await mail.take(bert, /eingeladen/);
    await again.goto(`http://${staff}/setup`);
    await again.sees(/verschickt, noch ohne Antwort/);
    const other = await reader("bert", { width: 360 });
    await other.goto(/http:\S+\/identity\/link\/\S+/.exec(invitation.text)[0]);
    await other.click("Anmelden");
    await other.goto(`http://${staff}/`);
    await again.goto(`http://${staff}/setup`);
    await again.sees(/Musterstadt ist eingerichtet/);
    await again.look("done");
    const seconds = (Date.now() - began) / 1000;

    // A working town: its website fails, and both of Ada's addresses are woken.
    await again.goto(`http://${staff}/`);
    await again.look("lagebild");
    if (/noch nicht bewiesen/.test(await again.page.locator("main").innerText())) findings.push(`${name}: the Lagebild is still red`);
    await again.goto(`http://${open}/`);
    await again.sees(/Musterstadt[\s\S]*Internetseite/);
    await again.page.goto(link);
    await again.sees(/gilt nicht mehr/);
    console.log(`${name}: set up in ${seconds.toFixed(0)} s of 300`);
    if (seconds >= 300) findings.push(`${name}: it took ${seconds} s`);
    for (const open of readers) await open.page.goto("about:blank"); // live pages would miss the server
    await server.stop();
    const { stderr } = await promisify(execFile)(tuermer, ["setup", "--data", data], { env: { PATH: process.env.PATH, TUERMER_LANG: "de" } }).then(() => ({ stderr: "" }), (e) => e);
    if (!/schon eingerichtet/.test(stderr)) findings.push(`${name}: another link was printed: ${stderr}`);
  } finally {
    for (const r of readers) {
      await r.page.screenshot({ path: `${shots}/${r.name}-last.png`, fullPage: true }).catch(() => {});
      await r.close();
    }
    await server.stop();
    for (const part of [mail, dns, site, proxy]) part.close();
    await rm(dir, { recursive: true, force: true });
  }
}

await play({
  phone: (browser, findings) => first(browser, { name: "phone", width: 360 }, findings),
  desktop: (browser, findings) => first(browser, { name: "desktop", width: 1440 }, findings),
  plain: (browser, findings) => first(browser, { name: "plain", width: 360, scripts: false }, findings),
});
