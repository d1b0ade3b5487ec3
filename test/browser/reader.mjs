// Reads pages as a strict reader would: in light and dark with axe, for sideways
// scrolling, for anything that the content security policy refuses, and for
// state words and times below 7:1.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const run = basename(process.argv[1], ".mjs");
export const shots = process.env.SHOTS ?? `/tmp/shots/${run === "run" ? "thread" : run}`;
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
await mkdir(shots, { recursive: true });

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// Runs in the page. A canvas turns every notation of a colour into bytes.
function contrast() {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const bytes = (color) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); return pen.getImageData(0, 0, 1, 1).data; };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => { const v = c[i] / 255; return sum + w * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
  const ground = (el) => { for (let e = el; e; e = e.parentElement) { const c = bytes(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return bytes("Canvas"); };
  const low = new Set();
  for (const el of document.querySelectorAll(".tm-state, .tm-time, .tm-clock, time, [class^='s-']")) {
    const [a, b] = [light(bytes(getComputedStyle(el).color)), light(ground(el))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 7) low.add(`contrast ${ratio.toFixed(1)}:1 on ${el.className || el.tagName}: ${el.textContent.trim().slice(0, 30)}`);
  }
  return [...low];
}

// Runs in the page: what is wider than the window, if anything.
function sideways() {
  const max = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= max) return "";
  const wide = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > max + 1 && !e.closest(".kern-table-responsive, .tm-tabs, .kern-sr-only"));
  return `${document.documentElement.scrollWidth} of ${max} px: ` + (wide.slice(-3).map((e) => `${e.tagName.toLowerCase()}.${e.className?.baseVal ?? e.className}`).join(" ") || "unknown");
}

/** One reader with a window of its own; findings are collected, not thrown. */
export class Reader {
  constructor(browser, name, { width, scripts = true, schemes = ["light", "dark"], more = {} }, findings) {
    Object.assign(this, { browser, name, width, scripts, schemes, more, findings, shot: 0 });
  }

  /** Opens the window, signed in to nothing. */
  async open() {
    const height = this.width < 600 ? 740 : 900;
    this.context = await this.browser.newContext({ viewport: { width: this.width, height }, locale: "de-DE", timezoneId: "Europe/Berlin", javaScriptEnabled: this.scripts, reducedMotion: "reduce", ...this.more });
    this.context.setDefaultTimeout(60_000);
    this.page = await this.context.newPage();
    this.page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !this.expected(m.text())) this.say(`console: ${m.text()}`); });
    this.page.on("pageerror", (e) => this.say(`script: ${e.message}`));
    this.page.on("response", (r) => {
      const own = r.request().resourceType();
      if (r.status() >= 500 || (r.status() >= 400 && own !== "document")) this.say(`${r.status()} ${r.url()}`);
      if (own === "document" && !r.headers()["content-security-policy"]?.startsWith("default-src 'self'")) this.say(`no policy: ${r.url()}`);
    });
    this.page.on("requestfailed", (r) => { if (r.failure()?.errorText !== "net::ERR_ABORTED") this.say(`request failed: ${r.url()} ${r.failure()?.errorText}`); });
    return this;
  }

  /** Chromium writes every page with an error status onto the console. */
  expected(text) { return /status of 4(03|04|09|22)/.test(text); }

  say(text) { this.findings.push(`${this.name} ${new URL(this.page.url()).pathname}: ${text}`); }

  async goto(url) {
    const answer = await this.page.goto(url, { waitUntil: "load" });
    if (answer.status() >= 400) this.say(`status ${answer.status()}`);
    return answer;
  }

  /** Clicks a button or link by its words and waits for the page behind it. */
  async click(name, { role = "button", within = this.page } = {}) {
    const target = within.getByRole(role, { name, exact: typeof name === "string" }).first();
    await Promise.all([this.page.waitForEvent("domcontentloaded"), target.click()]);
    await this.page.waitForLoadState("load");
  }

  /** Waits for words on the page; live regions bring them by themselves, a page
   *  without scripts is loaded again. */
  async sees(words, { reload = !this.scripts, seconds = 90 } = {}) {
    const end = Date.now() + seconds * 1000;
    const text = this.page.locator("body");
    for (;;) {
      if ((await text.innerText()).match(words)) return;
      if (Date.now() > end) throw new Error(`${this.name} ${this.page.url()} does not say ${words}:\n${(await text.innerText()).slice(0, 1500)}`);
      await new Promise((on) => setTimeout(on, 250));
      if (reload) await this.page.reload({ waitUntil: "load" });
    }
  }

  /** Looks at the page in light and dark and keeps a picture of each. */
  async look(what) {
    const { page } = this;
    this.shot += 1;
    const id = `${this.name}-${String(this.shot).padStart(2, "0")}-${what}`;
    await page.evaluate(() => document.fonts.ready.then(() => true));
    const size = page.viewportSize();
    const wide = await page.evaluate(sideways);
    if (wide) this.say(`${what} scrolls sideways, ${wide}`);
    for (const colorScheme of this.schemes) {
      await page.emulateMedia({ colorScheme });
      // As high as the page is, so that fixed bars stand at its foot in the picture.
      await page.setViewportSize({ width: size.width, height: Math.max(size.height, Math.min(await page.evaluate(() => document.documentElement.scrollHeight), 6000)) });
      await page.screenshot({ path: join(shots, `${id}-${colorScheme}.png`), animations: "disabled" });
      await page.setViewportSize(size);
      if (!this.scripts) continue;
      await page.evaluate(axe);
      const { violations } = await page.evaluate((runOnly) => window.axe.run(document, { runOnly, resultTypes: ["violations"] }), rules);
      for (const v of violations) this.say(`${what}, ${colorScheme}: axe ${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")}`);
      for (const bad of await page.evaluate(contrast)) this.say(`${what}, ${colorScheme}: ${bad}`);
    }
    await page.emulateMedia({ colorScheme: this.more.colorScheme ?? "light" });
    if (this.width > 360) return;
    // 320 px is what 400 % zoom leaves of a desktop (WCAG 1.4.10).
    await page.setViewportSize({ width: 320, height: 740 });
    const narrow = await page.evaluate(sideways);
    if (narrow) this.say(`${what} scrolls sideways at 320 px, ${narrow}`);
    await page.setViewportSize(size);
  }

  async close() { await this.context.close(); }
}
