// What stands around the product in these tests: a target that can fail, a mail
// server that keeps what it takes, and bin/tuermer itself.
import { execFile, spawn } from "node:child_process";
import { createServer as createHTTP } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const tuermer = process.env.TUERMER ?? join(root, "bin", "tuermer");

export const listen = (server) => new Promise((up, fail) => server.once("error", fail).listen(0, "127.0.0.1", () => up(server.address().port)));

/** A port that is free at this moment. */
export async function freePort() {
  const server = createServer();
  const port = await listen(server);
  await new Promise((done) => server.close(done));
  return port;
}

/** Asks again and again until there is an answer; what says what was waited for. */
export async function until(what, ask, seconds = 90) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`nothing after ${seconds} s: ${what}`);
    await new Promise((on) => setTimeout(on, 100));
  }
}

/** A service of the town; fail() makes it answer 503, work() "Willkommen". */
export async function openTarget() {
  let working = true;
  const server = createHTTP((req, res) => {
    res.writeHead(working ? 200 : 503, { "Content-Type": "text/html; charset=utf-8", Connection: "close" });
    res.end(working ? "Willkommen" : "Dienst nicht verfügbar");
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}/`,
    fail() { working = false; },
    work() { working = true; },
    close() { server.closeAllConnections(); server.close(); },
  };
}

/** The text of a header with RFC 2047 words. */
function words(value = "") {
  return value.replace(/\r?\n[ \t]+/g, " ").replace(/\?=\s+=\?/g, "?==?").replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, how, text) =>
    how.toLowerCase() === "b" ? Buffer.from(text, "base64").toString("latin1") : quoted(text.replaceAll("_", " ")))
    .replace(/[\u0080-\u00ff]+/g, (bytes) => Buffer.from(bytes, "latin1").toString("utf8"));
}

/** Quoted-printable as bytes, one to a character. */
function quoted(text) {
  return text.replace(/=\r?\n/g, "").replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** Headers and body of a mail, or of a part of one. */
function parse(raw) {
  const cut = raw.indexOf("\r\n\r\n");
  const head = {};
  for (const line of raw.slice(0, cut).replace(/\r\n[ \t]+/g, " ").split("\r\n")) {
    const colon = line.indexOf(":");
    head[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { head, body: raw.slice(cut + 4) };
}

function plain(raw) {
  const { head, body } = parse(raw);
  const type = head["content-type"] ?? "text/plain";
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (boundary) {
    for (const part of body.split(`--${boundary}`).slice(1, -1)) {
      const text = plain(part.replace(/^\r\n/, ""));
      if (text !== null) return text;
    }
    return null;
  }
  if (!type.toLowerCase().startsWith("text/plain")) return null;
  const how = (head["content-transfer-encoding"] ?? "").toLowerCase();
  const bytes = how === "base64" ? Buffer.from(body, "base64") : Buffer.from(how === "quoted-printable" ? quoted(body) : body, "latin1");
  return bytes.toString("utf8").replaceAll("\r\n", "\n");
}

/** An SMTP server that takes everything and keeps it (RFC 5321, the part that a
 *  relay needs); with a sender it sends under that address alone. */
export async function openMail({ sender } = {}) {
  const box = [];
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
    const say = (line) => socket.write(`${line}\r\n`);
    let rest = "", to = [], data = null;
    socket.setEncoding("latin1");
    say("220 mail.example ESMTP");
    socket.on("data", (chunk) => {
      rest += chunk;
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (data !== null) {
          if (line !== ".") { data.push(line.startsWith(".") ? line.slice(1) : line); continue; }
          const raw = data.join("\r\n");
          const { head } = parse(raw);
          for (const address of to) box.push({ to: address, subject: words(head.subject), text: plain(raw) ?? "", head });
          data = null; to = [];
          say("250 taken");
          continue;
        }
        const verb = line.slice(0, 4).toUpperCase();
        if (verb === "EHLO") socket.write("250-mail.example\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n");
        else if (verb === "MAIL" && sender && !line.toLowerCase().includes(`<${sender}>`)) say("550 5.7.1 Sender address rejected: not owned by user");
        else if (verb === "RCPT") { to.push(/<([^>]*)>/.exec(line)?.[1].toLowerCase()); say("250 ok"); }
        else if (verb === "DATA") { data = []; say("354 go on"); }
        else if (verb === "RSET") { to = []; say("250 ok"); }
        else if (verb === "QUIT") { say("221 bye"); socket.end(); }
        else if (["HELO", "MAIL", "NOOP"].includes(verb)) say("250 ok");
        else say("502 unknown");
      }
    });
  });
  const port = await listen(server);
  return {
    port, box,
    /** Waits for a mail to an address whose subject or text matches; it is taken
     *  out of the box, so that the next question finds the next mail. */
    take(to, pattern, seconds = 90) {
      return until(`a mail to ${to} that says ${pattern}; the box has ${JSON.stringify(box.map((m) => [m.to, m.subject]))}`, () => {
        const i = box.findIndex((m) => m.to === to && (pattern.test(m.subject) || pattern.test(m.text)));
        return i < 0 ? null : box.splice(i, 1)[0];
      }, seconds);
    },
    close() { for (const s of sockets) s.destroy(); server.close(); },
  };
}

/** The town of the tests. */
function town(world) {
  return `town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], networks: [192.0.2.0/24], land: HE, timezone: Europe/Berlin, language: de}
smtp: [{name: primary, host: 127.0.0.1, port: ${world.mail.port}, from: lage@tuermer.example, tls: none}]
people:
  - {name: Ada Beispiel, email: ada@musterstadt.example, alternative: ada@posteo.example, mobile: "+491700000001", roles: [it, publisher]}
  - {name: Bert Kern, email: bert@musterstadt.example, alternative: bert@posteo.example, roles: [admin, approver]}
services:
  - {slug: buergerportal, name: Bürgerportal, article: das, public: true, owner: ada@musterstadt.example, workaround: "Telefon 0611 000", depends_on: [], audiences: [citizens, staff], auto_public: checking}
  - {slug: kfz, name: Kfz-Zulassung, article: die, public: true, owner: ada@musterstadt.example, workaround: "Kreishaus, Zimmer 5", audiences: [citizens]}
monitors:
  - {slug: portal, service: buergerportal, url: "${world.target.url}", interval: 5s, timeout: 3s, expect: {status: [200], body: "Willkommen"}, confirm: 3}
audiences:
  - {slug: citizens, kind: citizens, name: Bürgerinnen und Bürger, recipients: [liste@musterstadt.example]}
  - {slug: staff, kind: staff, name: Beschäftigte, recipients: [alle@musterstadt.example]}
rosters:
  - {slug: presse, name: Pressestelle, template: essen, people: [ada@musterstadt.example, bert@musterstadt.example], rotation: weekly, start: 2026-01-05}
escalations:
  - {slug: edv, name: EDV-Bereitschaft, services: [kfz], steps: [{notify: ["person:ada@musterstadt.example"], by: [sms], wait: 5m}, {notify: ["roster:presse"], by: [sms, mail], wait: 5m}]}
`;
}

/** Starts the product with command and waits until it prints line. */
export function start(args, line, env = {}) {
  const child = spawn(tuermer, args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, TUERMER_LANG: "de", ...env } });
  let out = "", errors = "";
  child.stderr.on("data", (d) => { errors += d; });
  const ready = new Promise((up, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`tuermer ${args[0]} ended with ${code}: ${errors}`)));
    child.stdout.on("data", (d) => { out += d; if (line.test(out)) up(out); });
  });
  return {
    ready,
    errors: () => errors,
    async stop() {
      if (child.exitCode !== null) return;
      const gone = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
      await gone;
      clearTimeout(late);
    },
  };
}

/** A running town with targets and a mail server, on free ports and fresh data;
 *  config writes its tuermer.yaml, host is the name under which people reach it:
 *  browsers make passkeys for names only. */
export async function openWorld({ config = town, targets = 1, host = "127.0.0.1", env = {} } = {}) {
  const dir = await mkdtemp(join(tmpdir(), "tuermer-browser-"));
  const world = { targets: [], mail: await openMail() };
  while (world.targets.length < targets) world.targets.push(await openTarget());
  [world.target] = world.targets;
  const file = join(dir, "tuermer.yaml");
  const staff = `127.0.0.1:${await freePort()}`, open = `127.0.0.1:${await freePort()}`;
  const name = staff.replace("127.0.0.1", host);
  await writeFile(file, config(world) + (name === staff ? "" : `urls: {staff: "http://${name}"}\n`));
  const place = ["--config", file, "--data", join(dir, "data")];
  const server = start(["serve", ...place, "--staff", staff, "--public", open], new RegExp(`http://${open}`), env);
  await server.ready;
  return Object.assign(world, {
    staff: `http://${name}`, public: `http://${open}`,
    /** A one-time sign-in link, made beside the running server. */
    async link(email) {
      const { stdout } = await promisify(execFile)(tuermer, ["user", "reset", email, ...place]);
      return stdout.trim();
    },
    async close() {
      await server.stop();
      for (const t of world.targets) t.close();
      world.mail.close();
      await rm(dir, { recursive: true, force: true });
    },
  });
}

/** The demo, as `make run` starts it, on free ports and fresh data. */
export async function openDemo() {
  const dir = await mkdtemp(join(tmpdir(), "tuermer-browser-"));
  const staff = `127.0.0.1:${await freePort()}`, open = `127.0.0.1:${await freePort()}`;
  const server = start(["demo", "--data", dir, "--staff", staff, "--public", open], /http:\S+\/demo\n/);
  const out = await server.ready;
  return {
    staff: `http://${staff}`, public: `http://${open}`, link: /http:\S+\/identity\/link\/\S+/.exec(out)[0],
    async close() { await server.stop(); await rm(dir, { recursive: true, force: true }); },
  };
}
