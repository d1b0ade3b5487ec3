// Draws response times over the table that <tm-chart> holds. The table stays the
// truth and is folded away once the picture stands; without JavaScript, or
// without uPlot in the binary, it is simply open. Numbers come from the table's
// own rows, so that picture and table cannot differ.

/** Columns of a chart from rows as the server writes them: from, to (Unix seconds), median, 95th percentile, slowest (ms, null: no answer), down and watched (seconds). */
export function columns(points) {
  const at = [], mid = [], high = [], top = [], down = [];
  for (const p of points) {
    at.push((p[0] + p[1]) / 2);
    mid.push(p[2]);
    high.push(p[3]);
    top.push(p[4]);
    down.push(p[6] > 0 ? p[5] / p[6] : 0);
  }
  return [at, mid, high, top, down];
}

if (typeof HTMLElement === "function") {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  class Chart extends HTMLElement {
    async connectedCallback() {
      let uPlot;
      try {
        uPlot = (await import("./uPlot.js")).default;
      } catch {
        return; // the table is there
      }
      if (!this.isConnected || this.plot) return;
      this.box = document.createElement("div");
      this.box.className = "tm-chart";
      this.box.setAttribute("aria-hidden", "true"); // the table says it all
      this.prepend(this.box);
      this.table = this.querySelector("details");
      this.table?.removeAttribute("open");
      const draw = () => this.draw(uPlot);
      this.dark = matchMedia("(prefers-color-scheme: dark)");
      this.dark.addEventListener("change", draw);
      this.sizes = new ResizeObserver(() => {
        if (this.plot && this.box.clientWidth > 0) this.plot.setSize({ width: this.box.clientWidth, height: this.height() });
      });
      this.sizes.observe(this.box);
      // On paper the table is worth more than a picture.
      this.print = () => this.table?.setAttribute("open", "");
      addEventListener("beforeprint", this.print);
      draw();
      this.redraw = draw;
    }

    disconnectedCallback() {
      this.plot?.destroy();
      this.plot = undefined;
      this.sizes?.disconnect();
      this.dark?.removeEventListener("change", this.redraw);
      removeEventListener("beforeprint", this.print);
      this.box?.remove();
    }

    height() { return this.box.clientWidth < 500 ? 200 : 260; }

    draw(uPlot) {
      this.plot?.destroy();
      const lang = document.documentElement.lang || "de";
      const points = JSON.parse(this.dataset.points);
      const data = columns(points);
      const long = points.length > 1 && points[0][1] - points[0][0] >= 86400;
      const when = new Intl.DateTimeFormat(lang, long ? { day: "numeric", month: "numeric", timeZone: this.dataset.zone } : { hour: "2-digit", minute: "2-digit", day: "numeric", month: "numeric", timeZone: this.dataset.zone });
      const tick = new Intl.DateTimeFormat(lang, this.dataset.range === "24h" ? { hour: "2-digit", minute: "2-digit", timeZone: this.dataset.zone } : { day: "numeric", month: "numeric", timeZone: this.dataset.zone });
      const ms = (v) => (v == null ? "–" : `${new Intl.NumberFormat(lang).format(v)} ms`);
      const font = `14px ${getComputedStyle(document.body).fontFamily}`;
      const axis = { stroke: css("--tm-muted"), font, grid: { stroke: css("--tm-line"), width: 1 }, ticks: { stroke: css("--tm-line"), width: 1 } };
      const line = (label, colour, dash) => ({ label, stroke: colour, width: 2, dash, spanGaps: false, points: { show: points.length < 60, size: 5 }, value: (_, v) => ms(v) });
      this.plot = new uPlot({
        width: Math.max(this.box.clientWidth, 200), height: this.height(),
        cursor: { y: false, points: { size: 8 } },
        scales: { x: { time: false, range: () => [points[0][0], points.at(-1)[1]] }, y: { range: (_, __, max) => [0, Math.max(max ?? 0, 10) * 1.1] } },
        axes: [
          { ...axis, values: (_, at) => at.map((s) => tick.format(s * 1000)), space: 64, incrs: [1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 5184000] },
          { ...axis, values: (_, v) => v.map((n) => ms(n)), size: 76 },
        ],
        series: [
          { label: this.dataset.when, value: (_, v) => (v == null ? "–" : when.format(v * 1000)) },
          line(this.dataset.mid, css("--tm-link")),
          line(this.dataset.high, css("--tm-degraded"), [6, 4]),
          line(this.dataset.top, css("--tm-muted"), [2, 4]),
        ],
        hooks: {
          // Outages stand behind the lines, as wide as they lasted at least two pixels.
          drawClear: [(u) => {
            u.ctx.save();
            u.ctx.fillStyle = css("--tm-down");
            points.forEach((p, i) => {
              if (data[4][i] <= 0) return;
              const x = u.valToPos(p[0], "x", true), w = u.valToPos(p[1], "x", true) - x;
              u.ctx.globalAlpha = 0.25;
              u.ctx.fillRect(x, u.bbox.top, Math.max(w, 2), u.bbox.height);
              u.ctx.globalAlpha = 1;
              u.ctx.fillRect(x, u.bbox.top + u.bbox.height - 6, Math.max(w, 2), 6);
            });
            u.ctx.restore();
          }],
        },
      }, data.slice(0, 4), this.box);
    }
  }
  customElements.define("tm-chart", Chart);
}
