// Opens every prototype at 360 and 1440 px, light and dark, reads it with axe, looks
// for sideways scrolling (also at 320 px, which is 400 % zoom) and for anything the
// content security policy refuses, and leaves screenshots.
//
//   cd web/test && npm ci --ignore-scripts && cd ../.. && sh web/build.sh
//   node web/prototypes/check.mjs [name …]        screenshots in /tmp/shots
//
// Ends with 1 when it found anything.
import { createServer } from "node:http";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const web = dirname(here);
const need = createRequire(join(web, "test", "package.json"));
const { chromium } = need("playwright-core");
const axe = need.resolve("axe-core/axe.min.js");
const shots = process.env.SHOTS ?? "/tmp/shots";

const types = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2" };
const policy = "default-src 'self'; img-src 'self' data:";

// Files of web/ as they lie, and a live stream that stays silent.
const server = createServer(async (req, res) => {
  const path = normalize(new URL(req.url, "http://x").pathname);
  if (path === "/live") {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    res.write(": hello\n\n");
    return;
  }
  try {
    const body = await readFile(join(web, path));
    res.writeHead(200, { "Content-Type": types[extname(path)] ?? "application/octet-stream", "Content-Security-Policy": policy });
    res.end(body);
  } catch {
    res.writeHead(404, { "Content-Security-Policy": policy });
    res.end();
  }
});
await new Promise((up) => server.listen(0, "127.0.0.1", up));
const base = `http://127.0.0.1:${server.address().port}/prototypes/`;

const wanted = process.argv.slice(2);
const names = (await readdir(here)).filter((f) => f.endsWith(".html")).filter((f) => !wanted.length || wanted.includes(f.replace(".html", "")));
await mkdir(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });

// State words and times need 7:1, more than axe asks for. Runs in the page; a canvas
// turns every notation of a colour into bytes.
function contrast() {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const bytes = (color) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); return pen.getImageData(0, 0, 1, 1).data; };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => { const v = c[i] / 255; return sum + w * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
  const ground = (el) => { for (let e = el; e; e = e.parentElement) { const c = bytes(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return bytes("Canvas"); };
  const low = new Set();
  for (const el of document.querySelectorAll(".tm-state, .tm-time, .tm-clock, time")) {
    const [a, b] = [light(bytes(getComputedStyle(el).color)), light(ground(el))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 7) low.add(`contrast ${ratio.toFixed(1)}:1 on ${el.className || el.tagName}: ${el.textContent.trim().slice(0, 30)}`);
  }
  return [...low];
}

let found = 0;
const say = (name, text) => { found += 1; console.log(`${name}: ${text}`); };
for (const colorScheme of ["light", "dark"]) {
  for (const width of [360, 1440]) {
    const context = await browser.newContext({ viewport: { width, height: width === 360 ? 740 : 900 }, colorScheme, locale: "de-DE", reducedMotion: "reduce", bypassCSP: false });
    for (const name of names) {
      const id = `${name.replace(".html", "")}-${width}-${colorScheme}`;
      const page = await context.newPage();
      page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") say(id, `console: ${m.text()}`); });
      page.on("pageerror", (e) => say(id, `script: ${e.message}`));
      page.on("response", (r) => { if (r.status() >= 400 && !r.url().endsWith("favicon.ico")) say(id, `${r.status()} ${r.url()}`); });
      await page.goto(base + name, { waitUntil: "load" });
      await page.evaluate(() => document.fonts.ready);
      await page.screenshot({ path: join(shots, `${id}.png`), fullPage: process.env.FULL !== "0" });
      for (const w of width === 360 ? [360, 320] : [width]) {
        await page.setViewportSize({ width: w, height: 740 });
        const over = await page.evaluate(() => {
          const max = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= max) return null;
          const wide = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > max + 1 && !e.closest(".kern-table-responsive, .tm-tabs, .kern-sr-only"));
          return wide.slice(-3).map((e) => `${e.tagName}.${e.className?.baseVal ?? e.className}`).join(" ") || "unknown";
        });
        if (over) say(id, `scrolls sideways at ${w} px: ${over}`);
      }
      await page.setViewportSize({ width, height: 900 });
      // A second page load without the policy is not needed: axe comes in by the debugger's door.
      await page.evaluate(await readFile(axe, "utf8"));
      const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
      for (const v of violations) say(id, `axe ${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")}`);
      for (const bad of await page.evaluate(contrast)) say(id, bad);
      await page.close();
    }
    await context.close();
  }
}

await browser.close();
server.closeAllConnections();
server.close();
console.log(found ? `${found} findings` : `${names.length} prototypes, no findings`);
process.exitCode = found ? 1 : 0;
