"use strict";
(() => {
  const root = document.documentElement;
  const text = id => document.getElementById(id).textContent.trim();
  const places = new Map([...document.querySelectorAll("[data-figure]")].map(node => [node.dataset.figure, node]));
  const PAPER = 860;  // px; the style sheet zooms what is printed to the width of A4 and Letter
  const TALLEST = 1120;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const choices = [...document.querySelectorAll("[data-choice]")];
  let figures = [], templates = null, opened = [];

  function bytes(base64) {
    const raw = atob(base64), array = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) array[i] = raw.charCodeAt(i);
    return array;
  }

  function inflate(base64) {
    const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  const KINDS = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };

  function unpacked({ dtype, shape, bytes: packed }) {
    const flat = new KINDS[dtype](bytes(packed).buffer);
    return shape.length === 1 ? flat : Array.from({ length: shape[0] }, (_, i) => flat.subarray(i * shape[1], (i + 1) * shape[1]));
  }

  function filled(tree, arrays) {
    if (Array.isArray(tree)) return tree.map(item => filled(item, arrays));
    if (tree === null || typeof tree !== "object") return tree;
    if ("packed" in tree) return arrays[tree.packed];
    return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, filled(item, arrays)]));
  }

  const isDark = () => root.dataset.look ? root.dataset.look === "dark" : dark.matches;

  async function draw(figure, paper) {
    const node = places.get(figure.name);
    const layout = structuredClone(figure.layout);
    const narrow = !paper && innerWidth < 600;
    layout.template = templates[isDark() && !paper ? "dark" : "light"];
    layout.autosize = !paper;
    layout.uirevision = 1;
    layout.height = paper ? Math.min(figure.height, TALLEST) : figure.height;
    if (paper) layout.width = PAPER;
    if (narrow) layout.margin = { ...layout.margin, l: 48, r: 10 };
    node.style.height = `${layout.height}px`;
    const config = { responsive: !paper, displaylogo: false, displayModeBar: narrow || paper ? false : "hover" };
    const whole = { data: figure.data, layout, frames: figure.frames, config };
    try {
      await Plotly.react(node, whole);
    } catch (error) {
      node.textContent = `This figure cannot be drawn here: ${error.message}`;
    }
  }

  // A logarithmic axis that is labeled once a decade has one label or none where it spans less.
  function label({ name: figure, layout }) {
    const bare = Object.entries(places.get(figure)._fullLayout || {}).filter(([name, axis]) =>
      /^[xy]axis/.test(name) && axis.type === "log" && axis.dtick === 1 && Math.floor(axis.range[1]) < Math.ceil(axis.range[0]) + 1);
    for (const [name] of bare) layout[name] = { ...layout[name], dtick: null, exponentformat: "none", nticks: 4 };
    return bare.length > 0;
  }

  function drawAll(paper = false) {
    return Promise.all(figures.map(figure => draw(figure, paper)));
  }

  function dress(look) {
    if (look) root.dataset.look = look;
    else delete root.dataset.look;
    for (const button of choices) button.setAttribute("aria-pressed", String(button.dataset.choice === look));
    drawAll();
  }

  function kept() {
    try { return localStorage.getItem("grokscope-report") || ""; } catch { return ""; }
  }

  function say(words) {
    for (const node of places.values()) node.style.height = "auto";
    const note = document.getElementById("page-note");
    note.textContent = words;
    note.hidden = false;
    root.dataset.drawn = "no";
  }

  async function begin() {
    for (const button of choices) button.addEventListener("click", () => {
      try { localStorage.setItem("grokscope-report", button.dataset.choice); } catch { /* a browser without storage */ }
      dress(button.dataset.choice);
    });
    dress(kept());
    root.classList.add("scripted");
    if (innerWidth < 1180) document.querySelector(".contents").open = false;
    addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("main details:not([open])")];
      for (const node of opened) node.open = true;
      drawAll(true);
    });
    addEventListener("afterprint", () => {
      for (const node of opened) node.open = false;
      drawAll();
    });
    if (!places.size) return;
    if (typeof DecompressionStream === "undefined")
      return say("The figures need a browser that can inflate them: Chrome or Edge 80, Firefox 113, Safari 16.4, or later. All tables are here.");
    try {
      const [library, content] = await Promise.all([inflate(text("page-library")), inflate(text("page-figures"))]);
      const element = document.createElement("script");
      element.textContent = library;
      document.head.append(element);
      const found = JSON.parse(content);
      const arrays = found.arrays.map(unpacked);
      templates = found.templates;
      figures = found.figures.map(figure => filled(figure, arrays));
      await drawAll();
      await Promise.all(figures.filter(label).map(figure => draw(figure)));
      dark.addEventListener("change", () => drawAll());
      root.dataset.drawn = "yes";
    } catch (error) {
      say(`The figures cannot be shown: ${error.message}. All tables are here.`);
    }
  }

  begin();
})();
