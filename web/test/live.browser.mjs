// node web/test/live.browser.mjs: the live example of prototypes/README.md in a real
// browser. A refresh replaces what aged, and leaves focus, typed text and opened
// details alone; a message with a partial is announced; a broken line heals.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
let state = "gestört seit 14:02 Uhr";
let drafts = 0;
let slow = 0;
let sent = "";
let streams = [];
const asked = [];

const page = () => `<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Lage</title>
<meta name="htmx-config" content='{"includeIndicatorCSS":false,"history":false,"extensions":"sse,tm","noSwap":[204,304,"5xx"]}'>
<script src="/dist/htmx.min.js" defer></script><script src="/src/live.js" type="module"></script></head>
<body class="tm"><section id="due">${state}</section><main>
<section id="now" hx-get="/lage" hx-trigger="refresh from:#live" hx-select="#now" hx-select-oob="#due:outerMorph" hx-target="this" hx-swap="outerMorph">
<p id="state">${state}</p><details id="more"><summary>Mehr</summary><p>…</p></details>
<form action="/x" method="post"><input id="note" name="note" value=""><input id="other" name="other" value=""></form></section>
<form id="draft" action="/senden" method="post" data-autosave hx-post="/entwurf" hx-trigger="tm:save" hx-target="#saved" hx-swap="outerHTML">
<textarea id="t" name="t"></textarea><p class="tm-count" id="c" data-count-for="t" data-count="sms" data-max="160">0</p><p class="tm-saved" id="saved">–</p><button name="act" value="send">Senden</button></form>
<a id="gl" href="#lage" data-key="g l">Lagebild</a></main>
<p id="say" role="status"></p><div id="live" hx-sse:connect="/live?since=1" hx-swap="none"></div></body></html>`;

const server = createServer(async (req, res) => {
  const policy = { "Content-Security-Policy": "default-src 'self'; img-src 'self' data:" };
  const path = new URL(req.url, "http://x").pathname;
  if (path === "/live") {
    asked.push(req.headers["last-event-id"] ?? "");
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    res.write(": hello\n\n");
    streams.push(res);
  } else if (path === "/lage") {
    res.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...policy });
    res.end(page());
  } else if (path === "/entwurf") {
    req.resume();
    drafts += 1;
    if (slow) await new Promise((on) => setTimeout(on, slow));
    res.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    res.end(`<p class="tm-saved" id="saved"><input type="hidden" name="revision" value="${drafts}">Entwurf gesichert (${drafts})</p>`);
  } else if (path === "/senden") {
    for await (const chunk of req) sent += chunk;
    res.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...policy });
    res.end("<!doctype html><title>Gesendet</title><p id=done>gesendet</p>");
  } else {
    const type = path.endsWith(".js") ? "text/javascript" : "text/plain";
    try {
      const body = await readFile(join(web, path));
      res.writeHead(200, { "Content-Type": type });
      res.end(body);
    } catch {
      res.writeHead(404);
      res.end();
    }
  }
});
await new Promise((up) => server.listen(0, "127.0.0.1", up));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
try {
  const p = await browser.newPage();
  const wrong = [];
  p.on("pageerror", (e) => wrong.push(e.message));
  p.on("console", (m) => { if (m.type() === "error" && !/404|ERR_|sse:error/.test(m.text())) wrong.push(m.text()); });
  await p.goto(`http://127.0.0.1:${server.address().port}/lage`);
  const text = (id, want) => p.waitForFunction(([i, w]) => document.getElementById(i).textContent === w, [id, want]);
  const connected = async (n) => { while (streams.length < n) await p.waitForTimeout(20); };
  await connected(1);

  // A refresh while somebody types, with details opened.
  await p.click("#more summary");
  await p.fill("#other", "halb getippt");
  await p.fill("#note", "Anruf von");
  state = "funktioniert";
  streams[0].write("id: 7\nevent: refresh\ndata: incident\n\n");
  await text("state", "funktioniert");
  await text("due", "funktioniert");
  assert.equal(await p.inputValue("#note"), "Anruf von");
  assert.equal(await p.inputValue("#other"), "halb getippt");
  assert.equal(await p.evaluate(() => document.activeElement.id), "note");
  assert.ok(await p.evaluate(() => document.getElementById("more").open), "details stay open");

  // An announcement without a fetch.
  streams[0].write('id: 8\ndata: <hx-partial hx-target="#say" hx-swap="innerHTML">Neuer Eintrag von C. Vertretung.</hx-partial>\n\n');
  await text("say", "Neuer Eintrag von C. Vertretung.");

  // A broken line heals, says where it was, and fetches what was missed.
  state = "in Wartung";
  streams[0].destroy();
  await connected(2);
  await text("state", "in Wartung");
  assert.equal(asked[1], "8");
  await p.waitForFunction(() => !document.body.classList.contains("is-offline"));

  // Counter and draft.
  await p.fill("#t", "5 € für Ä");
  assert.match(await p.textContent("#c"), /^10 von 160 Zeichen, 1 SMS/);
  await text("saved", "Entwurf gesichert (1)");

  // Keys, and none while typing.
  await p.keyboard.type("gl");
  assert.ok(!p.url().endsWith("#lage"));
  await p.evaluate(() => document.activeElement.blur());
  await p.keyboard.press("g");
  await p.keyboard.press("l");
  await p.waitForURL(/#lage$/);

  // A button pressed while the draft is being kept sends the revision that came of it.
  slow = 400;
  await p.fill("#t", "ganz neu");
  await p.dblclick("#draft button");
  await p.waitForSelector("#done");
  assert.match(sent, new RegExp(`revision=${drafts}&act=send$`));
  assert.deepEqual(wrong, []);
  console.log("live: ok");
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
