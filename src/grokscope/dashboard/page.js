// The page of the dashboard. Everything that comes from runs is set as text, never as markup.
window.grokscope = (() => {
  const narrow = () => window.innerWidth < 700;
  const place = () => document.getElementById("gs-content") || document.getElementById("gs-early");
  const keys = ["section", "runs", "where", "color", "facet", "x", "x_scale", "y_scale", "smooth", "detail"];
  const first = { section: "training_curves", runs: [], where: "", color: "", facet: "", x: "step", x_scale: "log", y_scale: "declared", smooth: 0, detail: "" };
  let start = null, asked = "", shown = "", last = null, following = true, busy = false, restoring = true;
  let scheme = "system";

  function make(kind, attributes = {}, ...children) {
    const node = document.createElement(kind);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  }

  // While a link is restored the controls change one by one; only the whole counts.
  function restored(values) {
    restoring = false;
    document.body.classList.remove("gs-starting");
    setTimeout(reveal, 100);
    return show(values);
  }

  function reveal() {
    document.querySelector("#gs-sections label.selected")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function show(values) {
    if (restoring) return;
    const query = new URLSearchParams();
    keys.forEach((key, i) => {
      const value = values[i];
      if (key === "runs") for (const name of value || []) query.append(key, name);
      else if (value !== null && value !== undefined && String(value) !== String(first[key])) query.set(key, value);
    });
    const now = query.toString();
    if (now === asked && (busy || shown)) return;
    asked = now;
    history.replaceState(null, "", asked ? `?${asked}` : location.pathname);
    return ask();
  }

  async function ask(quiet = false) {
    const query = asked;
    busy = true;
    if (!quiet) place()?.classList.add("gs-waiting");
    try {
      const first = query === location.search.slice(1) ? window.grokscopeFirst : null;
      window.grokscopeFirst = null;
      const answer = await (first || fetch(`/content?${query}`, { cache: "no-store" }));
      if (!answer.ok) throw new Error(await answer.text());
      const text = await answer.text();
      if (query === asked && text !== shown) {
        shown = text;
        last = JSON.parse(text);
        draw(last);
      }
    } catch (error) {
      if (query === asked) say(`The dashboard does not answer: ${error.message}`);
    } finally {
      busy = false;
      if (query === asked) place()?.classList.remove("gs-waiting");
    }
  }

  function say(words) {
    const box = place().querySelector(".gs-problem") || place().insertBefore(make("p", { class: "gs-note gs-problem" }), place().firstChild);
    box.textContent = words;
    shown = "";
  }

  function draw(found) {
    const root = place();
    const same = root.dataset.section === found.section;
    const old = new Map(same ? [...root.querySelectorAll(".gs-figure")].map(node => [node.dataset.key, node]) : []);
    const parts = [
      make("header", { class: "gs-head" }, make("h1", {}, found.label), make("p", {}, found.doc)),
      make("p", { class: "gs-counts" }, found.counts, found.live ? " · training now" : ""),
    ];
    for (const note of found.notes) parts.push(make("p", { class: "gs-note" }, note));
    if (found.legend.length) parts.push(legend(found.legend));
    const grid = make("div", { class: "gs-grid" });
    const drawings = [];
    for (const panel of found.panels) {
      const kept = old.get(panel.key);
      const node = kept && kept.dataset.title === panel.title ? kept : frame(panel);
      node.querySelector(".gs-caption").textContent = panel.caption;
      grid.append(node);
      drawings.push([node.querySelector(".gs-plot"), panel]);
    }
    if (found.panels.length) parts.push(grid);
    if (found.table) parts.push(table(found.table));
    if (found.problems.length) parts.push(problems(found.problems));
    for (const [key, node] of old) if (!found.panels.some(panel => panel.key === key)) Plotly.purge(node.querySelector(".gs-plot"));
    root.replaceChildren(...parts);
    root.dataset.section = found.section;
    for (const [node, panel] of drawings) plot(node, panel);
    root.dataset.drawn = found.query;
    reveal();
  }

  function plot(node, panel) {
    const dark = document.body.classList.contains("dark");
    const layout = structuredClone(panel.figure.layout);
    layout.template = start.templates[dark ? "dark" : "light"];
    layout.autosize = true;
    layout.uirevision = `${panel.key}`;
    layout.height = panel.height;
    if (narrow()) layout.margin = { ...(layout.margin || {}), l: 48, t: Math.max(layout.margin?.t ?? 40, 12), b: 44 };
    const minimum = layout.meta?.min_width || 0;
    node.style.minWidth = `${minimum}px`;
    const figure = { data: panel.figure.data, layout };
    if (panel.figure.frames) figure.frames = panel.figure.frames;
    const config = { responsive: true, displaylogo: false, displayModeBar: narrow() ? false : "hover" };
    if (figure.frames) Plotly.newPlot(node, { ...figure, config });
    else Plotly.react(node, figure.data, layout, config);
  }

  function frame(panel) {
    const node = make("figure", { class: panel.wide ? "gs-figure gs-wide" : "gs-figure" });
    node.dataset.key = panel.key;
    node.dataset.title = panel.title;
    const plotted = make("div", { class: "gs-plot", style: `height:${panel.height}px` });
    const button = (word, title, act) => make("button", { type: "button", title, onclick: act }, word);
    const name = `${panel.key}`.replace(/[^A-Za-z0-9_.-]+/g, "_");
    node.append(
      make("div", { class: "gs-title" },
        make("h2", {}, panel.title), make("span", {}, panel.subtitle),
        make("div", { class: "gs-save" },
          button("PNG", "Save as PNG", () => image(plotted, name, "png")),
          button("SVG", "Save as SVG", () => image(plotted, name, "svg")),
          button("data", "Save the data as CSV", () => save(`${name}.csv`, rows(plotted))))),
      make("div", { class: "gs-scroll" }, plotted),
      make("figcaption", { class: "gs-caption" }, panel.caption));
    widths.observe(node);
    return node;
  }

  // A figure is as wide as its frame, also when the sidebar opens beside it.
  const widths = new ResizeObserver(entries => {
    for (const { target } of entries) {
      const plotted = target.querySelector(".gs-plot");
      if (plotted?._fullLayout && plotted.clientWidth > 0 && Math.abs(plotted._fullLayout.width - plotted.clientWidth) > 2) Plotly.Plots.resize(plotted);
    }
  });

  async function image(node, name, format) {
    const ground = getComputedStyle(document.body).getPropertyValue("--gs-panel").trim();
    const layout = { ...node.layout, paper_bgcolor: ground, width: Math.max(node.clientWidth, 700), height: node.clientHeight };
    const url = await Plotly.toImage({ data: node.data, layout, frames: [] }, { format, scale: format === "png" ? 2 : 1, imageDataOnly: false });
    save(`${name}.${format}`, null, url);
  }

  function save(name, text, url) {
    const target = url || URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    const link = make("a", { href: target, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    if (!url) setTimeout(() => URL.revokeObjectURL(target), 10000);
  }

  function rows(node) {
    const cell = value => {
      const text = value === null || value === undefined ? "" : String(value);
      return /[",\n]|^[=+@-][^0-9.]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = [["curve", "x", "y", "z"].join(",")];
    for (const trace of node._fullData) {
      const { x = [], y = [], z } = trace;
      const name = trace.name ?? "";
      if (z && z.length && (Array.isArray(z[0]) || ArrayBuffer.isView(z[0])))
        Array.from(z).forEach((row, i) => Array.from(row).forEach((value, j) => lines.push([name, x[j] ?? j, y[i] ?? i, value].map(cell).join(","))));
      else for (let i = 0; i < Math.max(x.length, y.length); i++) lines.push([name, x[i], y[i], z?.[i]].map(cell).join(","));
    }
    return lines.join("\n") + "\n";
  }

  function legend(entries) {
    return make("ul", { class: "gs-legend" }, ...entries.map(({ word, color }) => {
      const swatch = make("i", {});
      if (color) swatch.style.background = color;
      else swatch.style.display = "none";
      return make("li", {}, swatch, word);
    }));
  }

  function table({ head, rows: cells, links }) {
    const body = make("tbody", {});
    const fill = order => body.replaceChildren(...order.map(i => make("tr", {}, ...cells[i].map((cell, j) =>
      j === 0 && links[i] !== undefined ? make("td", {}, make("a", { href: `?${links[i]}` }, cell)) : make("td", {}, cell)))));
    const all = cells.map((_, i) => i);
    const number = text => (text === "–" ? Infinity : Number(text.replaceAll(",", "")));
    let sorted = -1, up = true;
    const sort = j => {
      up = sorted === j ? !up : true;
      sorted = j;
      const numeric = cells.every(row => !Number.isNaN(number(row[j])));
      const compare = (a, b) => numeric ? number(cells[a][j]) - number(cells[b][j]) || 0 : cells[a][j].localeCompare(cells[b][j]);
      fill([...all].sort((a, b) => (up ? 1 : -1) * compare(a, b)));
    };
    fill(all);
    return make("div", { class: "gs-table" }, make("table", {},
      make("thead", {}, make("tr", {}, ...head.map((word, j) => make("th", {}, make("button", { type: "button", title: "Sort", onclick: () => sort(j) }, word))))), body));
  }

  function problems(lines) {
    return make("details", { class: "gs-problems", open: "" }, make("summary", {}, `${lines.length} cannot be read`),
      make("ul", {}, ...lines.map(line => make("li", {}, line))));
  }

  function dress(wanted) {
    scheme = wanted;
    const dark = scheme === "dark" || (scheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.body.classList.toggle("dark", dark);
    try { localStorage.setItem("grokscope-look", scheme); } catch { /* a browser without storage */ }
    if (last) draw(last);
  }

  // Figures need neither Gradio nor its controls: they are drawn before it is there.
  function begin(known) {
    start = known;
    asked = location.search.slice(1);
    try { scheme = localStorage.getItem("grokscope-look") || "system"; } catch { /* the same */ }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dress(scheme));
    const ready = setInterval(() => {
      if (!document.body || !window.Plotly) return;
      clearInterval(ready);
      document.body.classList.add("gs-starting");
      if (!place()) document.body.append(make("div", { id: "gs-early", style: early() }));
      dress(scheme);
      if (!shown && !busy) ask();
    }, 20);
    setInterval(() => { if (following && !busy && document.visibilityState === "visible") ask(true); }, 3000);
  }

  // Where Gradio will have its place for figures, above what it shows until then.
  function early() {
    const padding = narrow() ? "80px 43px 32px" : "104px 43px 32px 341px";
    return `position: absolute; z-index: 1000; inset: 0 0 auto 0; min-height: 100vh; box-sizing: border-box;
      background: var(--gs-page); padding: ${padding}`;
  }

  // Gradio is there: what was drawn moves to its place, and the sidebar of a phone is folded.
  function settle() {
    const moved = setInterval(() => {
      const root = document.getElementById("gs-content"), before = document.getElementById("gs-early");
      if (!root) return;
      clearInterval(moved);
      if (!before) return; // Gradio was the first: figures are drawn in its place.
      root.append(...before.childNodes);
      Object.assign(root.dataset, before.dataset);
      root.className = before.className;
      before.remove();
      dress(scheme);
    }, 20);
    const fold = setInterval(() => {
      const toggle = document.querySelector(".sidebar .toggle-button");
      if (!toggle) return;
      clearInterval(fold);
      if (narrow() && document.querySelector(".sidebar.open")) toggle.click();
    }, 50);
  }

  // Whether a section stands there whole, and with its controls: for tests and screenshots.
  function drawn(section, controls = true) {
    const root = place();
    return !(controls && document.body.classList.contains("gs-starting")) && root?.dataset.section === section
      && root.dataset.drawn !== undefined && !root.classList.contains("gs-waiting")
      && [...root.querySelectorAll(".gs-plot")].every(node => node._fullLayout && node.querySelector(".main-svg"));
  }

  return { begin, settle, restored, show, dress, drawn, follow: value => { following = value; } };
})();
