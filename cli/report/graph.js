// SPDX-License-Identifier: Apache-2.0
// Draws a program as a graph that can be moved, magnified and clicked.
"use strict";

const kMaxDrawn = 4000;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Colours tell families of ops apart.
const kFamilies = [
  ["products", "#f6c89f", "#6b4423", /conv|depthwise|matmul|gemm|einsum|attention|lstm|gru|rnn/i],
  ["normalisation, reduction", "#bfe0c6", "#2c5a3a", /norm|softmax|reduce|pool|mean|sum$|argm|topk/i],
  ["movement", "#cdd6f4", "#38456f", /transpose|concat|slice|gather|scatter|pad|split|tile|expand|resize|reshape|squeeze|flatten|identity|cast|depthto|spaceto|shape|dims|where|alias/i],
  ["control flow, sequences", "#f3c3d8", "#6b2f4c", /^if$|loop|scan|sequence|optional/i],
  ["pointwise and other", "#ece7c4", "#595230", /./],
];
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

function familyOf(step) {
  const text = step.kernel === "ref" || !step.kernel ? step.op : `${step.op} ${step.kernel}`;
  const plain = text.replace("planish.Fused", "").replace("planish.", "").replace("cpu.", "");
  return kFamilies.find((family) => family[3].test(plain.trim()));
}

// What to draw of a program: inputs, steps and outputs with the edges between them.
function drawing(program) {
  const nodes = [], edges = [], makers = new Map();
  for (const value of program.inputs) {
    makers.set(value, nodes.length);
    nodes.push({ op: program.values[value].name, sub: program.values[value].type, kind: "input" });
  }
  program.steps.forEach((step, i) => {
    const at = nodes.length;
    const from = new Set(step.inputs.filter((v) => makers.has(v)).map((v) => makers.get(v)));
    from.forEach((f) => edges.push([f, at]));
    step.outputs.filter((v) => v >= 0).forEach((v) => makers.set(v, at));
    const made = step.outputs.find((v) => v >= 0);
    const type = made === undefined ? "" : program.values[made].type;
    nodes.push({ op: stepTitle(step), sub: type, kind: "step", step: i });
  });
  program.outputs.forEach((value, i) => {
    if (makers.has(value)) edges.push([makers.get(value), nodes.length]);
    const name = (program.output_names || [])[i] || program.values[value].name;
    nodes.push({ op: name, sub: program.values[value].type, kind: "output" });
  });
  return { nodes, edges };
}

// The op as a person knows it; of a fused node, what it is fused to.
function stepTitle(step) {
  const op = step.op.replace("planish.", "").replace("Nhwc", "");
  if (op !== "Fused") return op;
  const kernel = step.kernel.replace(/^[a-z]+\./, "");
  const tail = (step.attributes || {}).activation;
  return `${kernel} + tail${tail ? ` (${tail})` : ""}`;
}

function shorten(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}\u2026`;
}

class GraphView {
  // onSelect(step) is called with the number of the step that was clicked.
  constructor(program, onSelect) {
    this.byStep = new Map();
    this.edgesOf = new Map();
    this.root = svg("svg", { class: "graph", role: "img" });
    this.layer = svg("g", {});
    this.root.append(this.layer);
    const { nodes, edges } = drawing(program);
    if (nodes.length > kMaxDrawn) {
      this.root.append(svg("text", { x: 20, y: 30 },
        `${nodes.length} nodes are too many to draw; the table of steps lists them`));
      this.place = { width: 10, height: 10 };
      return;
    }
    this.draw(nodes, edges, program, onSelect);
    this.listen();
    requestAnimationFrame(() => this.home());
  }

  draw(nodes, edges, program, onSelect) {
    const place = (this.place = placeGraph(nodes.length, edges));
    edges.forEach(([from, to], e) => {
      const line = svg("path", { class: "edge", d: curve(place.paths[e]) });
      for (const end of [from, to])
        this.edgesOf.set(end, (this.edgesOf.get(end) || []).concat(line));
      this.layer.append(line);
    });
    nodes.forEach((node, i) => {
      const group = svg("g", {
        class: "node",
        transform: `translate(${place.x[i] - kNodeWidth / 2},${place.y[i] - kNodeHeight / 2})`,
      });
      const isStep = node.kind === "step";
      const family = isStep ? familyOf(program.steps[node.step]) : null;
      const box = svg("rect", {
        width: kNodeWidth, height: kNodeHeight, rx: isStep ? 5 : 19,
        fill: isStep ? family[isDark() ? 2 : 1] : "var(--accent-soft)",
      });
      group.append(box,
        svg("text", { class: "op", x: 9, y: 16 }, shorten(node.op, 21)),
        svg("text", { class: "sub", x: 9, y: 30 }, shorten(node.sub, 31)),
        svg("title", {}, isStep ? program.steps[node.step].node : `${node.kind} ${node.op}`));
      if (isStep) {
        this.byStep.set(node.step, { group, box, node: i, fill: box.getAttribute("fill") });
        group.addEventListener("click", () => this.wasDragged || onSelect(node.step));
      }
      this.layer.append(group);
    });
  }

  listen() {
    let from = null;
    this.root.addEventListener("pointerdown", (e) => {
      from = { x: e.clientX, y: e.clientY, view: { ...this.view } };
      this.wasDragged = false;
    });
    addEventListener("pointermove", (e) => {
      if (!from) return;
      const [dx, dy] = [e.clientX - from.x, e.clientY - from.y];
      if (Math.abs(dx) + Math.abs(dy) > 4) this.wasDragged = true;
      this.root.classList.add("moving");
      this.show({ ...from.view, x: from.view.x + dx, y: from.view.y + dy });
    });
    addEventListener("pointerup", () => {
      from = null;
      this.root.classList.remove("moving");
    });
    this.root.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && !e.shiftKey && !e.metaKey) return;
      e.preventDefault();
      const area = this.root.getBoundingClientRect();
      this.zoom(Math.exp(-(e.deltaY || e.deltaX) / 400), e.clientX - area.left, e.clientY - area.top);
    }, { passive: false });
  }

  show(view) {
    this.view = view;
    this.layer.setAttribute("transform", `translate(${view.x},${view.y}) scale(${view.scale})`);
  }

  zoom(factor, x = this.root.clientWidth / 2, y = this.root.clientHeight / 2) {
    const scale = Math.min(3, Math.max(0.02, this.view.scale * factor));
    const f = scale / this.view.scale;
    this.show({ scale, x: x - (x - this.view.x) * f, y: y - (y - this.view.y) * f });
  }

  // The top of the graph, legible.
  home() {
    const width = this.root.clientWidth || 600;
    const scale = Math.min(1, Math.max(0.55, (width - 30) / this.place.width));
    this.show({ scale, x: (width - this.place.width * scale) / 2, y: 16 });
  }

  fit() {
    const [w, h] = [this.root.clientWidth, this.root.clientHeight];
    const scale = Math.min(1, (w - 30) / this.place.width, (h - 30) / this.place.height);
    this.show({ scale, x: (w - this.place.width * scale) / 2, y: (h - this.place.height * scale) / 2 });
  }

  mark(steps, kind) {
    for (const { group } of this.byStep.values()) group.classList.remove("selected", "related");
    for (const line of this.layer.querySelectorAll(".edge.selected")) line.classList.remove("selected");
    for (const step of steps) {
      const shown = this.byStep.get(step);
      if (!shown) continue;
      shown.group.classList.add(kind);
      if (kind === "selected")
        for (const line of this.edgesOf.get(shown.node) || []) line.classList.add("selected");
    }
  }

  goTo(step) {
    const shown = this.byStep.get(step);
    if (!shown) return;
    const scale = Math.max(this.view.scale, 0.6);
    this.show({
      scale,
      x: this.root.clientWidth / 2 - this.place.x[shown.node] * scale,
      y: this.root.clientHeight / 2 - this.place.y[shown.node] * scale,
    });
  }

  // heat: step -> 0..1, or null for the colours of families.
  colour(heat) {
    for (const [step, { box, fill }] of this.byStep)
      box.setAttribute("fill", heat ? heatColour(heat(step)) : fill);
  }
}

function heatColour(share) {
  const t = Math.sqrt(Math.min(1, Math.max(0, share)));
  return isDark() ? `hsl(${220 - 205 * t} ${30 + 50 * t}% ${22 + 14 * t}%)`
                  : `hsl(${50 - 35 * t} ${30 + 65 * t}% ${95 - 27 * t}%)`;
}

function curve(points) {
  let [x, y] = points[0];
  let d = `M${x.toFixed(1)},${(y + kNodeHeight / 2).toFixed(1)}`;
  y += kNodeHeight / 2;
  points.slice(1).forEach(([nx, ny], i) => {
    const isLast = i === points.length - 2;
    const top = ny - kNodeHeight / 2;
    const middle = (y + top) / 2;
    d += `C${x.toFixed(1)},${middle.toFixed(1)} ${nx.toFixed(1)},${middle.toFixed(1)} ${nx.toFixed(1)},${top.toFixed(1)}`;
    [x, y] = [nx, top];
    if (!isLast) {
      y = ny + kNodeHeight / 2;
      d += `L${x.toFixed(1)},${y.toFixed(1)}`;
    }
  });
  return d;
}
