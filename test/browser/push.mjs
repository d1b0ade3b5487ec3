// Registers a browser for push messages, on the real product: the page, the
// service worker, a push service of our own over TLS that decrypts with another
// project's code (http_ece, Mozilla's), and Chromium's own push event, delivered
// by the DevTools protocol. Only the makers' service between the two is ours.
//
//   make build && node test/browser/push.mjs
//
// TUERMER names another binary, CHROMIUM another browser, SHOTS the folder for
// pictures. Ends with 1 when anything was found.
import { execFile } from "node:child_process";
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import ece from "http_ece";
import { play } from "./play.mjs";
import { Reader } from "./reader.mjs";
import { openWorld, until } from "./world.mjs";

const ada = "ada@musterstadt.example";

/** A push service with one subscription, whose keys it has made itself. */
async function openPush() {
  const dir = await mkdtemp(join(tmpdir(), "tuermer-push-"));
  const key = join(dir, "key.pem"), cert = join(dir, "cert.pem");
  await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
  const browser = createECDH("prime256v1");
  browser.generateKeys();
  const auth = randomBytes(16), notes = [], faults = [];
  let ended = false;
  const server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (req, res) => {
    const chunks = [];
    req.on("data", (c) => chunks.push(c)).on("end", () => {
      try {
        if (ended) { res.writeHead(410).end(); return; }
        const [, token, sender] = /^vapid t=(\S+), k=(\S+)$/.exec(req.headers.authorization);
        const [head, claims, signature] = token.split(".");
        const point = Buffer.from(sender, "base64url");
        const jwk = { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
        const good = verify("sha256", Buffer.from(`${head}.${claims}`), { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
        const says = JSON.parse(Buffer.from(claims, "base64url"));
        if (!good || says.aud !== `https://localhost:${server.address().port}`) throw new Error(`the token ${JSON.stringify(says)}, signature ${good}`);
        const plain = ece.decrypt(Buffer.concat(chunks), { version: "aes128gcm", privateKey: browser, authSecret: auth.toString("base64url") });
        notes.push({ text: plain.toString("utf8"), headers: req.headers });
        res.writeHead(201, { location: "/message/1" }).end();
      } catch (e) {
        faults.push(String(e));
        res.writeHead(400).end(String(e));
      }
    });
  });
  await new Promise((up) => server.listen(0, "localhost", up));
  return {
    cert, faults,
    endpoint: `https://localhost:${server.address().port}/wp/${randomBytes(8).toString("hex")}`,
    keys: { p256dh: browser.getPublicKey("base64url"), auth: auth.toString("base64url") },
    take: (pattern) => until(`a push that says ${pattern}; faults ${faults}; there are ${notes.map((n) => n.text)}`, () => {
      const i = notes.findIndex((n) => pattern.test(n.text));
      return i < 0 ? null : notes.splice(i, 1)[0];
    }, 60),
    end() { ended = true; },
    async close() { server.closeAllConnections(); server.close(); await rm(dir, { recursive: true, force: true }); },
  };
}

/** The town of this test: Ada's chain tries push alone. */
const town = (world) => `town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], land: HE, timezone: Europe/Berlin, language: de, probe_networks: [public, 127.0.0.0/8, "::1/128"]}
smtp: [{name: primary, host: 127.0.0.1, port: ${world.mail.port}, from: lage@tuermer.example, tls: none}]
people:
  - {name: Ada Beispiel, email: ${ada}, alternative: ada@posteo.example, roles: [it, publisher]}
  - {name: Bert Kern, email: bert@musterstadt.example, alternative: bert@posteo.example, roles: [admin, approver]}
services:
  - {slug: buergerportal, name: Bürgerportal, article: das, public: true, owner: ${ada}, workaround: "Telefon 0611 000", auto_public: checking}
monitors:
  - {slug: portal, service: buergerportal, url: "${world.target.url}", interval: 5s, timeout: 3s, expect: {status: [200], body: "Willkommen"}, confirm: 3}
escalations:
  - {slug: edv, name: EDV-Bereitschaft, services: [buergerportal], steps: [{notify: ["person:${ada}"], by: [push], wait: 20m}]}
`;

/** In the page: the one thing that needs the maker's service. */
function pretend({ endpoint, keys }) {
  PushManager.prototype.subscribe = async function (options) {
    if (!options.userVisibleOnly || new Uint8Array(options.applicationServerKey).length !== 65) throw new Error("the key");
    return { toJSON: () => ({ endpoint, keys }) };
  };
}

async function push(browser, findings) {
  const service = await openPush();
  const world = await openWorld({ config: town, host: "localhost", env: { SSL_CERT_FILE: service.cert } });
  const r = await new Reader(browser, "push", { width: 360 }, findings).open();
  const plain = await new Reader(browser, "push-plain", { width: 1440, scripts: false }, findings).open();
  try {
    await r.page.context().grantPermissions(["notifications"], { origin: world.staff });
    await r.page.addInitScript(pretend, { endpoint: service.endpoint, keys: service.keys });
    const cdp = await r.page.context().newCDPSession(r.page);
    const registered = new Promise((known) => cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const mine = registrations.find((x) => x.scopeURL.startsWith(world.staff) && !x.isDeleted);
      if (mine) known(mine.registrationId);
    }));
    await cdp.send("ServiceWorker.enable");

    await r.goto(await world.link(ada));
    await r.click("Anmelden");
    await r.goto(`${world.staff}/reach`);
    await r.look("reach-none");
    await r.click("Dieses Gerät anmelden");
    await r.sees(/angemeldet seit/);
    await r.look("reach-device");
    const id = await registered;
    const deliver = async (note) => {
      await cdp.send("ServiceWorker.deliverPushMessage", { origin: world.staff, registrationId: id, data: note.text });
    };
    const worker = r.page.context().serviceWorkers()[0] ?? await r.page.context().waitForEvent("serviceworker");
    // The worker is asked what it has shown, not the browser what stands there: Chromium
    // strikes from its list what is being shown at the moment of the question.
    await worker.evaluate(() => {
      const show = self.registration.showNotification.bind(self.registration);
      self.shown = [];
      self.registration.showNotification = async (title, options) => {
        await show(title, options);
        self.shown.push({ title, body: options.body, actions: options.actions?.map((a) => a.title) ?? [] });
      };
    });
    const shown = (pattern) => until(`a notification that says ${pattern}`, async () => (await worker.evaluate(() => self.shown)).find((n) => pattern.test(`${n.title} ${n.body}`)), 60);

    // A test push: shown by the worker, and its receipt stands on the page.
    await r.click("Test-Push senden");
    await deliver(await service.take(/Testnachricht von Türmer an Ada/));
    await shown(/Testnachricht/);
    await until("the receipt on the page", async () => { await r.page.reload(); return /auf dem Gerät angekommen/.test(await r.page.textContent("main")); }, 60);
    await r.look("reach-arrived");

    // An alarm: high urgency, under the alert's topic, taken over by its button.
    world.target.fail();
    const alarm = await service.take(/Bürgerportal/);
    if (alarm.headers.urgency !== "high" || !/^[\w-]{1,32}$/.test(alarm.headers.topic) || !(Number(alarm.headers.ttl) > 80_000)) {
      findings.push(`push: headers ${JSON.stringify(alarm.headers)}`);
    }
    await deliver(alarm);
    const note = await shown(/Bürgerportal ist gestört/);
    if (note.actions.join() !== "Übernehmen,Öffnen") findings.push(`push: actions ${note.actions}`);
    await worker.evaluate(async () => {
      const [notification] = (await self.registration.getNotifications()).filter((n) => n.data.take);
      self.dispatchEvent(new NotificationEvent("notificationclick", { notification, action: "take" }));
    });
    await shown(/Sie haben übernommen/);
    await r.goto(`${world.staff}/alert?all=1`);
    await r.page.getByRole("link", { name: /Bürgerportal/ }).first().click();
    await r.sees(/Ada Beispiel hat bestätigt/);
    await r.sees(/Push angekommen/);

    // Without script nothing is offered, and the rest of the page works.
    await plain.goto(await world.link(ada));
    await plain.click("Anmelden");
    await plain.goto(`${world.staff}/reach`);
    if (await plain.page.getByRole("button", { name: "Dieses Gerät anmelden" }).count()) findings.push("push: offered without script");
    await plain.look("reach-plain");

    // A browser that was reset: the person reads it, and gets a mail.
    service.end();
    await new Promise((later) => setTimeout(later, 1));
    await until("a second test", async () => {
      await r.goto(`${world.staff}/reach`);
      await r.click("Test-Push senden");
      return !/eine Minute/.test(await r.page.textContent("main"));
    }, 90);
    await world.mail.take(ada, /wird nicht mehr erreicht/, 60);
    await r.goto(`${world.staff}/reach`);
    await r.sees(/nicht mehr erreicht, bitte neu anmelden/);
    for (const f of service.faults) findings.push(`push: ${f}`);
  } finally {
    await r.close();
    await plain.close();
    await world.close();
    await service.close();
  }
}

await play({ push });
