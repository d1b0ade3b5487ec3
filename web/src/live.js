// The console's only own script, and everything in it is an extra: without it the
// pages work by links and forms. It keeps relative times true, counts what fits in
// a message, saves drafts, knows four keys, and lets live changes arrive without
// touching what somebody reads or types. How markup asks for each of these:
// web/prototypes/README.md.

const words = {
  de: {
    now: "gerade eben", ago: (n) => `vor ${n}`, left: (n) => `noch ${n}`, late: (n) => `seit ${n} überfällig`,
    s: "s", min: (n) => (n === 1 ? "1 Minute" : `${n} Minuten`), m: "Min.", h: "Std.", d: (n) => (n === 1 ? "1 Tag" : `${n} Tagen`), dd: (n) => (n === 1 ? "1 Tag" : `${n} Tage`),
    of: (n, max) => `${n} von ${max} Zeichen`, chars: (n) => `${n} Zeichen`, over: (n) => `, ${n} zu viel`,
    sms: (n) => `, ${n} SMS je Empfänger`, odd: (c) => `. „${c}“ verkürzt jede SMS auf 70 Zeichen`,
    unsaved: "Noch nicht gesichert. Der Text bleibt hier stehen, wir versuchen es weiter.",
  },
  en: {
    now: "just now", ago: (n) => `${n} ago`, left: (n) => `${n} left`, late: (n) => `${n} overdue`,
    s: "s", min: (n) => (n === 1 ? "1 minute" : `${n} minutes`), m: "min", h: "h", d: (n) => (n === 1 ? "1 day" : `${n} days`), dd: (n) => (n === 1 ? "1 day" : `${n} days`),
    of: (n, max) => `${n} of ${max} characters`, chars: (n) => `${n} characters`, over: (n) => `, ${n} too many`,
    sms: (n) => `, ${n} texts per recipient`, odd: (c) => `. “${c}” shortens every text to 70 characters`,
    unsaved: "Not saved yet. Your text stays here, we keep trying.",
  },
};

// GSM 03.38 (3GPP TS 23.038): the basic alphabet costs one septet, the extension two.
const gsm = new Set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà");
const gsmTwice = new Set("\f^{}\\[~]|€");

/** Size of a text as SMS: units used, units that fit in the present number of messages, messages, and the first character that forces 16-bit units. */
export function sms(text) {
  let units = 0;
  let odd = "";
  for (const c of text) {
    if (gsm.has(c)) units += 1;
    else if (gsmTwice.has(c)) units += 2;
    else { odd = c; break; }
  }
  if (odd) units = text.length;
  const [one, many] = odd ? [70, 67] : [160, 153];
  const parts = units <= one ? 1 : Math.ceil(units / many);
  return { units, parts, fits: parts === 1 ? one : parts * many, odd };
}

/** Length of a text as the given network counts it: "graphemes" (Bluesky), "mastodon" (a link counts 23), else code points. */
export function length(text, how) {
  if (how === "mastodon") text = text.replace(/https?:\/\/\S+/g, "x".repeat(23));
  if ((how === "mastodon" || how === "graphemes") && typeof Intl.Segmenter === "function") {
    return [...new Intl.Segmenter("de", { granularity: "grapheme" }).segment(text)].length;
  }
  return [...text].length;
}

/** "vor 12 Minuten" for a past moment; both times in milliseconds. */
export function ago(at, now, lang = "de") {
  const w = words[lang] ?? words.de;
  const s = Math.max(0, Math.round((now - at) / 1000));
  if (s < 5) return w.now;
  if (s < 60) return w.ago(`${s} ${w.s}`);
  return w.ago(span(s, w, false));
}

/** "noch 11 Min." for a coming moment, "seit 4 Min. überfällig" after it. */
export function left(at, now, lang = "de") {
  const w = words[lang] ?? words.de;
  const s = Math.round((at - now) / 1000);
  if (s >= 0) return w.left(s < 60 ? `${s} ${w.s}` : span(s, w, true));
  return w.late(-s < 60 ? `${-s} ${w.s}` : span(-s, w, true));
}

function span(s, w, short) {
  const m = Math.floor(s / 60);
  if (m < 60) return short ? `${m} ${w.m}` : w.min(m);
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 && h < 6 ? `${h} ${w.h} ${m % 60} ${w.m}` : `${h} ${w.h}`;
  const d = Math.floor(h / 24);
  return short ? w.dd(d) : w.d(d);
}

function start() {
  const lang = document.documentElement.lang.slice(0, 2);
  const w = words[lang] ?? words.de;
  // The server's clock counts: a laptop that is five minutes off must not call an update late.
  const stamp = Date.parse(document.querySelector('meta[name="tm-now"]')?.content ?? "");
  const skew = Number.isNaN(stamp) ? 0 : stamp - Date.now();
  const now = () => Date.now() + skew;
  const put = (el, text) => { if (el.textContent !== text) el.textContent = text; };

  // ---- times ----
  function times(root = document) {
    for (const el of root.querySelectorAll("[data-ago]")) put(el, ago(Date.parse(el.dataset.ago), now(), lang));
    for (const el of root.querySelectorAll("[data-left]")) {
      const at = Date.parse(el.dataset.left);
      put(el, left(at, now(), lang));
      const rest = at - now();
      const chip = el.closest(".tm-clock");
      chip?.classList.toggle("tm-clock--late", rest < 0);
      chip?.classList.toggle("tm-clock--soon", rest >= 0 && rest < 15 * 60e3);
      const bar = el.closest(".tm-due");
      bar?.classList.toggle("tm-due--late", rest < 0);
      bar?.classList.toggle("tm-due--soon", rest >= 0 && rest < 15 * 60e3);
    }
  }
  times();
  setInterval(times, 10e3);

  // ---- counters: <p class="tm-count" data-count-for="field" data-count="sms" data-max="160"> ----
  function count(out) {
    const field = document.getElementById(out.dataset.countFor);
    if (!field) return;
    const max = Number(out.dataset.max) || 0;
    let n, text;
    if (out.dataset.count === "sms") {
      const s = sms(field.value);
      n = s.units;
      text = w.of(n, max || s.fits) + w.sms(s.parts) + (s.odd ? w.odd(s.odd) : "");
    } else {
      n = length(field.value, out.dataset.count);
      text = max ? w.of(n, max) : w.chars(n);
    }
    if (max && n > max) text += w.over(n - max);
    put(out, text);
    out.classList.toggle("tm-count--over", max > 0 && n > max);
    out.classList.toggle("tm-count--near", max > 0 && n <= max && n > max * 0.9);
  }
  const counts = (root = document) => root.querySelectorAll("[data-count-for]").forEach(count);
  counts();

  // ---- drafts: <form data-autosave hx-post="…" hx-trigger="tm:save"> ----
  const waiting = new Map();
  const saving = new Set();
  const held = new Set();
  let checking; // <section data-check hx-post="…" hx-trigger="tm:check">: read while somebody types
  function save(form) {
    clearTimeout(waiting.get(form));
    waiting.delete(form);
    saving.add(form);
    form.dispatchEvent(new CustomEvent("tm:save", { bubbles: true }));
  }
  document.addEventListener("input", (e) => {
    document.querySelectorAll(`[data-count-for="${CSS.escape(e.target.id)}"]`).forEach(count);
    const part = e.target.closest?.("form")?.querySelector("[data-check]");
    if (part) {
      clearTimeout(checking);
      checking = setTimeout(() => part.isConnected && part.dispatchEvent(new CustomEvent("tm:check")), 700);
    }
    const form = e.target.closest?.("form[data-autosave]");
    if (!form) return;
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(() => save(form), 1500));
  });
  const saveAll = () => [...waiting.keys()].forEach(save);
  document.addEventListener("focusout", (e) => { const f = e.target.closest?.("form[data-autosave]"); if (waiting.has(f)) save(f); });
  document.addEventListener("visibilitychange", () => { if (document.hidden) saveAll(); });
  // A button pressed while the draft is being kept waits for the answer, which
  // brings the new revision; else somebody alone would be told that "somebody has
  // changed the text". After 5 s it goes anyway.
  document.addEventListener("submit", (e) => {
    const form = e.target;
    clearTimeout(waiting.get(form));
    waiting.delete(form);
    if (!saving.has(form)) return;
    e.preventDefault();
    if (held.has(form)) return;
    held.add(form);
    const go = () => {
      clearTimeout(late);
      held.delete(form);
      form.removeEventListener("htmx:finally:request", go);
      saving.delete(form);
      if (form.isConnected) form.requestSubmit(e.submitter);
    };
    const late = setTimeout(go, 5e3);
    form.addEventListener("htmx:finally:request", go);
  });
  document.addEventListener("htmx:finally:request", (e) => saving.delete(e.target));
  function unsaved(e) {
    const form = e.target.closest?.("form[data-autosave]");
    if (!form) return;
    form.querySelectorAll(".tm-saved").forEach((el) => put(el, w.unsaved));
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(() => save(form), 10e3));
  }
  document.addEventListener("htmx:error", unsaved);
  document.addEventListener("htmx:response:error", unsaved);

  // ---- keys: whatever carries data-key="g l"; <body data-keys="off"> switches them off ----
  let before = "";
  let beforeAt = 0;
  document.addEventListener("keydown", (e) => {
    if (document.body.dataset.keys === "off" || e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
    if (e.target.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
    const pair = e.timeStamp - beforeAt < 1500 ? `${before} ${e.key}` : e.key;
    before = e.key;
    beforeAt = e.timeStamp;
    const el = document.querySelector(`[data-key="${CSS.escape(pair)}"]`) ?? document.querySelector(`[data-key="${CSS.escape(e.key)}"]`);
    if (!el) return;
    e.preventDefault();
    if (el instanceof HTMLDialogElement) el.showModal();
    else if (el.matches("input, textarea, select")) el.focus();
    else el.click();
  });

  // ---- live: a lost line is said, a line that is back fetches what was missed ----
  const seen = new WeakSet();
  document.addEventListener("htmx:sse:after:connection", (e) => {
    document.body.classList.remove("is-offline");
    if (seen.has(e.target)) e.target.dispatchEvent(new CustomEvent("refresh"));
    seen.add(e.target);
  });
  document.addEventListener("htmx:sse:error", () => document.body.classList.add("is-offline"));
  document.addEventListener("htmx:after:swap", () => { times(); counts(); });

  // A morph must not close what somebody opened nor overwrite what somebody typed.
  globalThis.htmx?.registerExtension("tm", {
    htmx_before_morph_attr: (el, { attrName }) => !(attrName === "open" && el.matches("details, dialog")),
    // A page that was put anew while an answer was on its way has fetched that
    // answer itself: what belongs to the old one has no place any more.
    htmx_before_swap: (el, { tasks }) => { tasks.splice(0, tasks.length, ...tasks.filter((t) => !(t.target instanceof Element) || t.target.isConnected)); return true; },
    htmx_before_morph_node: (el) => !(el.matches?.("input, textarea, select") && touched(el)),
  });
}

function touched(el) {
  if (el === document.activeElement) return true;
  if (el instanceof HTMLSelectElement) return [...el.options].some((o) => o.selected !== o.defaultSelected);
  if (el.type === "checkbox" || el.type === "radio") return el.checked !== el.defaultChecked;
  return el.value !== el.defaultValue;
}

if (typeof document !== "undefined") start();
