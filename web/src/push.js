// The service worker of push messages. It shows what the town sends, tells the
// town that it did, and takes an alarm over by one press. It keeps nothing, sees
// no page and answers no request; it opens addresses of its own origin alone.
const pauses = [0, 2000, 10000];
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** A path on our own origin; whatever else was sent leads to the first page. */
const own = (path) => (typeof path === "string" && path.startsWith("/") && !path.startsWith("//") ? path : "/");

async function report(path) {
  for (const pause of pauses) {
    await wait(pause);
    try {
      const answer = await fetch(own(path), { method: "POST", credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(15000) });
      if (answer.ok || answer.status === 404) return;
    } catch { /* no network: once more */ }
  }
}

async function show(data) {
  let n = {};
  try { n = data.json(); } catch { /* something was sent, so something is shown */ }
  const actions = n.take ? [{ action: "take", title: n.words.take }, { action: "open", title: n.words.open }] : [];
  await self.registration.showNotification(n.title || "Türmer", {
    body: n.body || "", tag: n.tag || undefined, renotify: Boolean(n.tag && n.urgent), requireInteraction: Boolean(n.take),
    lang: n.lang || "", timestamp: n.at || undefined, actions, data: { url: own(n.url), take: n.take ? own(n.take) : "", words: n.words || {} },
  });
  if (n.receipt) await report(n.receipt);
}

async function take(note) {
  const { take, url, words } = note.data;
  let taken = false;
  try {
    const answer = await fetch(take, { method: "POST", body: new URLSearchParams(), cache: "no-store", signal: AbortSignal.timeout(15000) });
    taken = answer.ok;
  } catch { /* told below */ }
  await self.registration.showNotification(note.title, {
    body: taken ? words.taken : words.failed, tag: note.tag, lang: note.lang, requireInteraction: !taken, data: { url, take: "", words },
  });
}

async function open(path) {
  const address = new URL(own(path), self.location.origin).href;
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((p) => p.url === address);
  return page ? page.focus() : self.clients.openWindow(address);
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("push", (e) => e.waitUntil(show(e.data)));
self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const take_ = e.action === "take" && e.notification.data?.take;
  e.waitUntil(take_ ? take(e.notification) : open(e.notification.data?.url));
});

// A push service may change the address. Whoever is signed in tells the new one.
self.addEventListener("pushsubscriptionchange", (e) => e.waitUntil((async () => {
  const options = e.oldSubscription?.options ?? e.newSubscription?.options;
  const made = e.newSubscription ?? (options && await self.registration.pushManager.subscribe(options));
  if (!made) return;
  const { endpoint, keys } = made.toJSON();
  await fetch("/reach/devices", { method: "POST", body: new URLSearchParams({ endpoint, ...keys }), signal: AbortSignal.timeout(15000) });
})()));
