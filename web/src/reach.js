// <tm-push key="…" worker="…"> stands inside a form with hidden fields "endpoint",
// "p256dh" and "auth", and hides itself where the browser cannot be pushed to. A
// press on its button asks for permission, subscribes, and sends the form.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

/** The worker, once it is active: the page itself is not in its scope. */
async function worker(address) {
  const found = await navigator.serviceWorker.register(address);
  const starting = found.installing ?? found.waiting;
  if (!found.active && starting) {
    await new Promise((done, failed) => starting.addEventListener("statechange", () => {
      if (starting.state === "activated") done();
      if (starting.state === "redundant") failed(new Error("redundant"));
    }));
  }
  return found;
}

customElements.define("tm-push", class extends HTMLElement {
  connectedCallback() {
    if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return;
    this.hidden = false;
    this.querySelector("button").addEventListener("click", () => this.ask());
  }

  say(words) { this.querySelector("[role=alert]").textContent = words; }

  async ask() {
    const button = this.querySelector("button"), form = this.closest("form");
    button.disabled = true;
    this.say("");
    try {
      if (await Notification.requestPermission() !== "granted") {
        this.say(this.dataset.denied);
        button.disabled = false;
        return;
      }
      const at = await worker(this.getAttribute("worker"));
      const options = { userVisibleOnly: true, applicationServerKey: bytes(this.getAttribute("key")) };
      let made;
      try {
        made = await at.pushManager.subscribe(options);
      } catch (e) {
        if (e.name !== "InvalidStateError") throw e;
        // It was registered for another key, as after a move of the town's server.
        await (await at.pushManager.getSubscription())?.unsubscribe();
        made = await at.pushManager.subscribe(options);
      }
      const told = made.toJSON();
      form.elements.endpoint.value = told.endpoint;
      form.elements.p256dh.value = told.keys.p256dh;
      form.elements.auth.value = told.keys.auth;
      form.submit();
    } catch {
      this.say(this.dataset.failed);
      button.disabled = false;
    }
  }
});
