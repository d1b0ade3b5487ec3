// <tm-passkey options="…"> stands inside a form with a hidden field "answer" and
// hides itself where the browser knows no passkeys: the form then keeps its
// other ways. A press on its button asks for the options, lets the
// authenticator sign, and sends the form.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** The options as the browser wants them: bytes for text. */
function open(options) {
  const o = options.publicKey;
  o.challenge = bytes(o.challenge);
  if (o.user) o.user.id = bytes(o.user.id);
  for (const list of [o.excludeCredentials, o.allowCredentials]) for (const c of list ?? []) c.id = bytes(c.id);
  return o;
}

/** The answer as the server reads it: text for bytes. */
function close(made) {
  const response = { clientDataJSON: text(made.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[name]) response[name] = text(made.response[name]);
  }
  if (made.response.getTransports) response.transports = made.response.getTransports();
  return JSON.stringify({
    id: made.id, rawId: text(made.rawId), type: made.type, response,
    clientExtensionResults: made.getClientExtensionResults(), authenticatorAttachment: made.authenticatorAttachment ?? undefined,
  });
}

customElements.define("tm-passkey", class extends HTMLElement {
  connectedCallback() {
    if (!window.PublicKeyCredential || !navigator.credentials) return;
    this.hidden = false;
    this.querySelector("button").addEventListener("click", () => this.ask());
  }

  say(words) { this.querySelector("[role=alert]").textContent = words; }

  async ask() {
    const button = this.querySelector("button"), form = this.closest("form");
    // Fields of the form first, so that nobody touches a key in vain.
    if (this.hasAttribute("create") && !form.reportValidity()) return;
    button.disabled = true;
    this.say("");
    try {
      const answer = await fetch(this.getAttribute("options"), { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const publicKey = open(await answer.json());
      const made = this.hasAttribute("create") ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey });
      form.elements.answer.value = close(made);
      form.submit();
    } catch (e) {
      const known = e.name === "InvalidStateError" ? this.dataset.known : "";
      this.say(known || this.dataset.failed);
      button.disabled = false;
    }
  }
});
