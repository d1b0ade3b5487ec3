// <tm-here for="place"> asks the phone where it is and writes the answer into that
// field, as "52.01234, 9.12345 (±15 m)", which the program reads back. Without script,
// or where the browser has no such thing, it stays hidden and the field is typed.
customElements.define("tm-here", class extends HTMLElement {
  connectedCallback() {
    if (!("geolocation" in navigator) || !window.isSecureContext) return;
    this.hidden = false;
    this.querySelector("button").addEventListener("click", () => this.ask());
  }

  say(words) { this.querySelector("[role=status]").textContent = words; }

  ask() {
    const button = this.querySelector("button");
    button.disabled = true;
    this.say(this.dataset.asking);
    navigator.geolocation.getCurrentPosition(({ coords }) => {
      document.getElementById(this.getAttribute("for")).value =
        `${coords.latitude.toFixed(5)}, ${coords.longitude.toFixed(5)} (±${Math.ceil(coords.accuracy)} m)`;
      this.say(this.dataset.found);
      button.disabled = false;
    }, (e) => {
      this.say(e.code === 1 ? this.dataset.denied : this.dataset.failed);
      button.disabled = false;
    }, { enableHighAccuracy: true, timeout: 20000, maximumAge: 60000 });
  }
});
