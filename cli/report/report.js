// SPDX-License-Identifier: Apache-2.0
// Fills the page from the data inside it.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const main = data.programs[0];
main.output_names = data.outputs.map((port) => port.name);
if (data.before) data.before.program.output_names = main.output_names;

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "onclick" || key === "oninput") made[key] = value;
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

function bytesText(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function timeText(seconds) {
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(1)} \u00b5s`;
  return seconds < 1 ? `${(seconds * 1e3).toFixed(3)} ms` : `${seconds.toFixed(2)} s`;
}

// ---- what is known of each step of the network ------------------------------------------------

const record = (kind) => data.report.filter((r) => r.kind === kind);
const tacticOf = new Map(record("tactic").map((r) => [r.subject, r.fields]));
const secondsOf = new Map();
for (const row of data.measured ? data.measured.steps : [])
  if (row.program === 0) secondsOf.set(row.step, row.seconds);
const totalSeconds = [...secondsOf.values()].reduce((a, b) => a + b, 0);
const slowest = Math.max(...secondsOf.values(), 1e-12);

// Which nodes of the graph before a step came from: a step keeps the name of a node that it
// computes, at the front of its own; a node that no step is named after went into its consumer's.
const sources = new Map(), stepOfSource = new Map();
function findSources() {
  if (!data.before) return;
  const before = data.before.program;
  const byName = new Map(before.steps.map((s, i) => [s.node, i]));
  main.steps.forEach((step, i) => {
    let name = step.node;
    while (name && !byName.has(name)) {
      const cut = Math.max(name.lastIndexOf("/"), name.lastIndexOf("_"), name.lastIndexOf(":"));
      name = cut > 0 ? name.slice(0, cut) : "";
    }
    if (name && !stepOfSource.has(byName.get(name))) stepOfSource.set(byName.get(name), i);
  });
  const consumers = new Map();
  before.steps.forEach((step, i) =>
    step.inputs.forEach((v) => consumers.set(v, (consumers.get(v) || []).concat(i))));
  for (let i = before.steps.length - 1; i >= 0; --i) {
    if (stepOfSource.has(i)) continue;
    const users = before.steps[i].outputs.flatMap((v) => consumers.get(v) || []);
    const steps = new Set(users.map((u) => stepOfSource.get(u)));
    if (steps.size === 1 && !steps.has(undefined)) stepOfSource.set(i, [...steps][0]);
  }
  for (const [source, step] of stepOfSource)
    sources.set(step, (sources.get(step) || []).concat(source));
}
findSources();

// ---- top ---------------------------------------------------------------------------------------

function tile(value, label) {
  return element("div", { class: "tile" }, element("b", {}, value), element("span", {}, label));
}

function drawTop() {
  const model = record("model")[0];
  const fields = model ? model.fields : {};
  const arena = data.layout ? { bytes: data.layout.bytes + data.layout.device_bytes,
    lower_bound: data.layout.lower_bound + data.layout.device_lower_bound } : data.memory.arenas[0];
  const isMeasured = secondsOf.size > 0;
  document.getElementById("top").append(
    element("h1", {}, data.title),
    element("div", { class: "soft" },
      `${data.path} \u00b7 planish ${data.made_by} \u00b7 ${data.target.backend}, ${data.target.isa}`),
    element("div", { class: "tiles" },
      fields.nodes_before ? tile(`${fields.nodes_before} \u2192 ${fields.nodes_after}`, "nodes before and after") : null,
      tile(String(main.steps.length), `steps of the network${data.programs.length > 1 ? `, ${data.programs.length - 1} programs of control flow` : ""}`),
      tile(bytesText(data.memory.weights), `weights, ${data.constants.length} tensors`),
      tile(bytesText(arena.bytes), `for intermediate values; at least ${bytesText(arena.lower_bound)}`),
      isMeasured ? tile(timeText(totalSeconds), `all steps, median of ${data.measured.runs} runs`) : null));
}

// ---- sections ----------------------------------------------------------------------------------

const content = document.getElementById("content");
function section(id, title, note) {
  document.getElementById("sections").append(element("a", { href: `#${id}` }, title));
  const made = element("section", {}, element("h2", { id }, title));
  if (note) made.append(element("p", {}, note));
  content.append(made);
  return made;
}

function table(headers, rows) {
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, ...headers.map((h) =>
      element("th", { class: h.number ? "number" : undefined }, h.name || h)))),
    element("tbody", {}, ...rows)));
}
const cell = (text, kind) => element("td", { class: kind }, text);

function drawInterface() {
  const part = section("interface", "Inputs and outputs");
  const ranges = new Map(data.symbols.map((s) => [s.name, s]));
  const rows = [...data.inputs.map((p, i) => ["input", p, i]), ...data.outputs.map((p) => ["output", p])]
    .map(([kind, port]) => element("tr", {}, cell(kind, "soft"), cell(port.name, "name"),
      element("td", { class: "mono" }, port.type)));
  part.append(table(["", "name", "type"], rows));
  if (ranges.size > 0)
    part.append(element("h3", {}, "Symbolic dimensions"), element("div", {},
      ...data.symbols.map((s) => element("span", { class: "mono" },
        `${s.name}: ${s.min} to ${s.max > 1e15 ? "any" : s.max}  \u00a0 `))));
  if (data.profiles.length > 0)
    part.append(element("h3", {}, "Profiles"), table(["profile", "input", "least", "usual", "greatest"],
      data.profiles.flatMap((p) => Object.entries(p.inputs).map(([name, r]) =>
        element("tr", {}, cell(p.name), cell(name, "name"),
          ...[r.min, r.opt, r.max].map((d) => cell(d.join("x") || "-", "mono")))))));
  const metadata = Object.entries(data.metadata);
  if (metadata.length > 0)
    part.append(element("h3", {}, "Metadata"), table(["key", "value"], metadata.map(([k, v]) =>
      element("tr", {}, cell(k), cell(v.length > 400 ? `${v.slice(0, 400)}\u2026 (${v.length} characters)` : v, "name")))));
  part.append(element("h3", {}, "To make it again"), element("code", {}, data.rebuild));
}

let views = [];
function select(step, isMoved) {
  const [after, before] = views;
  after.mark([step], "selected");
  if (isMoved) after.goTo(step);
  const from = sources.get(step) || [];
  if (before) {
    before.mark(from, "related");
    if (from.length > 0) before.goTo(from[0]);
  }
  for (const row of document.querySelectorAll("tr.selected")) row.classList.remove("selected");
  const row = document.querySelector(`tr[data-step="${step}"]`);
  if (row) row.classList.add("selected");
  drawDetail(main, step, from);
}

function valueText(program, v) {
  if (v < 0) return "none";
  const value = program.values[v];
  return `${shorten(value.name, 60)}: ${value.type}${value.storage === "constant" ? " (constant)" : ""}`;
}

function attributeText(value) {
  return shorten(typeof value === "string" ? value : JSON.stringify(value), 300);
}

function drawDetail(program, i, from) {
  const step = program.steps[i];
  const list = element("dl");
  const add = (key, ...values) => values.forEach((value, k) =>
    list.append(element("dt", {}, k === 0 ? key : ""), element("dd", {}, value)));
  add("node", step.node);
  if (from.length > 0)
    add("computes", from.map((k) => { const s = data.before.program.steps[k]; return `${s.op} ${s.node}`; }).join(", "));
  if (step.kernel && step.kernel !== "ref") add("kernel", step.kernel);
  if (step.kernel === "ref") add("kernel", "ref: the op's portable kernel, since no faster one takes it");
  if (step.tactic) add("tactic", step.tactic);
  const tactic = tacticOf.get(step.node);
  if (tactic) {
    if (tactic.reason) add("chosen", `${tactic.tactic || "nothing"}: ${tactic.reason}`);
    if (tactic.rivals) add("rivals", tactic.rivals);
    for (const [key, why] of Object.entries(tactic))
      if (key.startsWith("refused ")) list.append(element("dt", { class: "refused" }, "refused"),
        element("dd", {}, `${key.slice(8)}: ${why}`));
  }
  if (secondsOf.has(i))
    add("time", `${timeText(secondsOf.get(i))}, ${(100 * secondsOf.get(i) / totalSeconds).toFixed(1)} % of the run`);
  add("inputs", ...step.inputs.map((v) => valueText(program, v)));
  add("outputs", ...step.outputs.map((v) => valueText(program, v)));
  const attributes = Object.entries(step.attributes || {});
  if (attributes.length > 0)
    add("attributes", ...attributes.map(([k, v]) => `${k} = ${attributeText(v)}`));
  document.getElementById("detail").replaceChildren(
    element("b", {}, `Step ${i}: ${stepTitle(step)}`), list);
}

function pane(title, view) {
  return element("div", { class: "pane" },
    element("div", { class: "head" }, element("b", {}, title),
      element("button", { onclick: () => view.zoom(1.35) }, "+"),
      element("button", { onclick: () => view.zoom(1 / 1.35) }, "\u2212"),
      element("button", { onclick: () => view.home() }, "top"),
      element("button", { onclick: () => view.fit() }, "whole")),
    view.root);
}

// Nodes that only compute sizes are no steps of the model, so fewer are drawn than it has.
function beforeTitle() {
  const drawn = data.before.program.steps.length, model = record("model")[0];
  const all = model && data.before.what === "the model" ? Number(model.fields.nodes_before) : drawn;
  return drawn < all ? `Before: ${drawn} of the model's ${all} nodes, the others compute sizes`
    : `Before: ${drawn} nodes (${data.before.what})`;
}

function drawGraphs() {
  const part = section("graph", "Graph", data.before
    ? "Left, what the model says; right, what runs. Click a step to see where it comes from. Drag to move, Ctrl and wheel to magnify."
    : "What runs. Drag to move, Ctrl and wheel to magnify. The plan holds no graph from before the optimiser: build with --embed-graph, or inspect the model.");
  const after = new GraphView(main, (step) => select(step, false));
  views = [after];
  if (data.before) {
    const before = new GraphView(data.before.program, (source) => {
      if (stepOfSource.has(source)) select(stepOfSource.get(source), true);
      else {
        before.mark([source], "selected");
        const step = data.before.program.steps[source];
        document.getElementById("detail").replaceChildren(element("b", {}, `${step.op} ${step.node}`),
          element("div", { class: "soft" }, "No step is left of it: folded, merged with others, or taken apart."));
      }
    });
    views.push(before);
    part.append(element("div", { class: "columns" },
      pane(beforeTitle(), before),
      pane(`After: ${main.steps.length} steps`, after)));
  } else {
    part.append(pane(`${main.steps.length} steps`, after));
  }
  const legend = element("div", { class: "legend more" }, "Colours:",
    ...kFamilies.flatMap(([name, light, dark]) => {
      const chip = element("span", { class: "chip" });
      chip.style.background = isDark() ? dark : light;
      return [chip, name];
    }));
  if (secondsOf.size > 0) {
    let isHeat = false;
    legend.append(" \u00a0 ", element("button", { onclick: (e) => {
      isHeat = !isHeat;
      after.colour(isHeat ? (step) => (secondsOf.get(step) || 0) / slowest : null);
      e.target.textContent = isHeat ? "colour by kind" : "colour by time";
    } }, "colour by time"));
  }
  part.append(legend, element("div", { id: "detail" },
    element("span", { class: "soft" }, "Click a step in a graph or in the table of steps.")));
}

function drawSteps() {
  const isMeasured = secondsOf.size > 0;
  const part = section("steps", "Steps", isMeasured
    ? `Median times of ${data.measured.runs} runs with ${data.measured.inputs.map((i) => `${i.name} ${i.shape}`).join(", ")}. Click a header to sort.`
    : "Times are missing: the network was not run. Click a header to sort.");
  const rows = main.steps.map((step, i) => ({ step, i, seconds: secondsOf.get(i) || 0 }));
  const body = element("tbody");
  const filter = element("input", { placeholder: "filter by op, kernel, name", size: 32 });
  let key = isMeasured ? "seconds" : "i", direction = isMeasured ? -1 : 1;
  const text = (row) => `${row.step.op} ${row.step.kernel} ${row.step.node} ${row.step.tactic || ""}`.toLowerCase();
  const value = { i: (r) => r.i, seconds: (r) => r.seconds, op: (r) => stepTitle(r.step),
    kernel: (r) => r.step.kernel, node: (r) => r.step.node };
  function fill() {
    const shown = rows.filter((r) => text(r).includes(filter.value.toLowerCase()));
    shown.sort((a, b) => {
      const [x, y] = [value[key](a), value[key](b)];
      return (x < y ? -1 : x > y ? 1 : a.i - b.i) * direction;
    });
    body.replaceChildren(...shown.slice(0, 2000).map((r) => {
      const bar = element("div", { class: "bar" });
      bar.style.width = `${(100 * r.seconds) / slowest}%`;
      const made = r.step.outputs.find((v) => v >= 0);
      return element("tr", { class: "row", "data-step": r.i, onclick: () => select(r.i, true) },
        cell(String(r.i), "number soft"),
        isMeasured ? cell(timeText(r.seconds), "number") : null,
        isMeasured ? element("td", { style: "width:90px" }, bar) : null,
        cell(stepTitle(r.step)), cell(r.step.kernel, "mono"), cell(r.step.tactic || ""),
        element("td", { class: "mono" }, made === undefined ? "" : main.values[made].type),
        cell(r.step.node, "name soft"));
    }));
  }
  const header = (name, sort, kind) => element("th", { class: `sortable ${kind || ""}`, onclick: () => {
    direction = key === sort ? -direction : sort === "seconds" ? -1 : 1;
    key = sort;
    fill();
  } }, name);
  filter.oninput = fill;
  fill();
  part.append(filter, element("div", { class: "scroll more" }, element("table", {},
    element("thead", {}, element("tr", {}, header("#", "i", "number"),
      isMeasured ? header("time", "seconds", "number") : null, isMeasured ? element("th") : null,
      header("op", "op"), header("kernel", "kernel"), element("th", {}, "tactic"),
      element("th", {}, "result"), header("node", "node"))), body)));
}

function drawMemory() {
  if (!data.layout || data.layout.placements.length === 0) return;
  const { placements } = data.layout;
  const shapes = data.measured ? data.measured.inputs.map((i) => `${i.name} ${i.shape}`).join(", ") : "";
  const part = section("memory", "Memory",
    `Each box is an intermediate value, from the step that makes it to its last use, at its place in ` +
    `one block of memory. With ${shapes}.`);
  drawArena(part, "the GPU", data.layout.device_bytes, data.layout.device_lower_bound,
    placements.filter((p) => p.on_device));
  drawArena(part, "the host", data.layout.bytes, data.layout.lower_bound, placements.filter((p) => !p.on_device));
}

function drawArena(part, where, bytes, bound, placements) {
  if (placements.length === 0) return;
  part.append(element("p", {}, `In the memory of ${where}: ${bytesText(bytes)}; no plan could do with less than ${bytesText(bound)}.`));
  const [width, height, left, bottom] = [1400, 380, 78, 26];
  const steps = Math.max(1, main.steps.length);
  const x = (s) => left + ((width - left - 10) * s) / steps;
  const y = (b) => (height - bottom) * (1 - b / Math.max(1, bytes)) + 4 * (b / Math.max(1, bytes));
  const drawn = svg("svg", { class: "memory", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  for (let i = 0; i <= 4; ++i) {
    const at = (bytes * i) / 4;
    drawn.append(svg("line", { x1: left, x2: width - 10, y1: y(at), y2: y(at), stroke: "var(--line)" }),
      svg("text", { x: left - 6, y: y(at) + 4, "font-size": 12, "text-anchor": "end" }, bytesText(Math.round(at))));
  }
  for (let i = 0; i <= 8; ++i) {
    const step = Math.round(((steps - 1) * i) / 8);
    drawn.append(svg("text", { x: x(step), y: height - 8, "font-size": 12 }, i === 0 ? `step ${step}` : String(step)));
  }
  for (const p of placements) {
    const isScratch = p.value === undefined;
    const name = isScratch ? "scratch memory" : main.values[p.value].name;
    const box = svg("rect", {
      x: x(p.first_step), width: Math.max(1, x(p.last_step + 1) - x(p.first_step)),
      y: y(p.offset + p.bytes), height: Math.max(0.8, y(p.offset) - y(p.offset + p.bytes)),
      fill: isScratch ? "var(--hot)" : `hsl(${(p.first_step * 47) % 360} 45% ${isDark() ? 45 : 68}%)`,
      opacity: isScratch ? 0.5 : 0.9,
    }, svg("title", {}, `${name}\n${bytesText(p.bytes)} at ${p.offset}, steps ${p.first_step} to ${p.last_step}`));
    box.addEventListener("click", () => select(p.first_step, true));
    drawn.append(box);
  }
  part.append(drawn);
}

function drawWeights() {
  const users = new Map();
  main.values.forEach((value, v) => {
    if (value.storage === "constant" && !users.has(value.constant)) users.set(value.constant, { value, v });
  });
  const rows = data.constants.map((c, i) => ({ ...c, name: users.has(i) ? users.get(i).value.name : "(of control flow)",
    v: users.has(i) ? users.get(i).v : -1 })).sort((a, b) => b.bytes - a.bytes);
  const part = section("weights", "Weights", rows.length === 0 ? "None." :
    `${rows.length} tensors, ${bytesText(data.memory.weights)} in all.`);
  const largest = Math.max(1, ...rows.map((r) => r.bytes));
  const row = (r) => {
    const bar = element("div", { class: "bar" });
    bar.style.width = `${(100 * r.bytes) / largest}%`;
    const step = main.steps.findIndex((s) => s.inputs.includes(r.v));
    return element("tr", { class: step >= 0 ? "row" : undefined, onclick: () => step >= 0 && select(step, true) },
      cell(bytesText(r.bytes), "number"), element("td", { style: "width:120px" }, bar),
      element("td", { class: "mono" }, `${r.type}${r.splat ? ", one number" : ""}`), cell(r.name, "name"));
  };
  if (rows.length > 0) {
    const shown = table([{ name: "size", number: true }, "", "type", "name"], rows.slice(0, 25).map(row));
    part.append(shown);
    if (rows.length > 25)
      part.append(element("button", { class: "more", onclick: (e) => {
        shown.querySelector("tbody").append(...rows.slice(25).map(row));
        e.target.remove();
      } }, `show the ${rows.length - 25} others`));
  }
}

function drawPasses() {
  const passes = record("pass");
  if (passes.length === 0) return;
  const part = section("passes", "Passes", "Those that changed the graph, and in how many rounds. Each can be left out with --disable-pass.");
  part.append(table(["pass", { name: "rounds", number: true }], passes.map((r) =>
    element("tr", {}, cell(r.subject, "mono"), cell(r.fields.rounds || "", "number")))));
}

drawTop();
drawInterface();
drawGraphs();
drawSteps();
drawMemory();
drawWeights();
drawPasses();
