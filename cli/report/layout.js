// SPDX-License-Identifier: Apache-2.0
// Places a graph in layers from top to bottom: longest paths give the layers, barycentres their
// order, and least squares under a least distance the positions.
"use strict";

const kNodeWidth = 158, kNodeHeight = 38, kGapX = 22, kGapY = 34, kBend = 10;

// nodes: count. edges: [from, to] with from before to in a topological order of the nodes.
// Returns {x, y, width, height, paths}: centres of nodes, a list of points for each edge.
function placeGraph(count, edges) {
  const layer = longestPaths(count, edges);
  const items = [];
  for (let i = 0; i < count; ++i) items.push({ layer: layer[i], up: [], down: [], bend: false });
  const routes = edges.map(([from, to]) => route(items, from, to));
  const layers = [];
  items.forEach((item, i) => (layers[item.layer] = layers[item.layer] || []).push(i));
  for (let round = 0; round < 12; ++round) orderLayers(items, layers, round % 2 === 0);
  placeLayers(items, layers);
  let left = Infinity, right = -Infinity;
  for (const item of items) {
    const half = (item.bend ? kBend : kNodeWidth) / 2;
    left = Math.min(left, item.x - half);
    right = Math.max(right, item.x + half);
  }
  const y = (i) => items[i].layer * (kNodeHeight + kGapY) + kNodeHeight / 2;
  return {
    x: items.slice(0, count).map((item) => item.x - left),
    y: items.slice(0, count).map((_, i) => y(i)),
    width: Math.max(right - left, kNodeWidth),
    height: layers.length * (kNodeHeight + kGapY) - kGapY,
    paths: routes.map((points) => points.map((i) => [items[i].x - left, y(i)])),
  };
}

function longestPaths(count, edges) {
  const layer = new Array(count).fill(0);
  const outgoing = Array.from({ length: count }, () => []);
  for (const [from, to] of edges) outgoing[from].push(to);
  for (let i = 0; i < count; ++i)
    for (const to of outgoing[i]) layer[to] = Math.max(layer[to], layer[i] + 1);
  // A source stands right above what it feeds.
  const hasInput = new Array(count).fill(false);
  for (const [, to] of edges) hasInput[to] = true;
  for (let i = 0; i < count; ++i)
    if (!hasInput[i] && outgoing[i].length > 0)
      layer[i] = Math.max(0, Math.min(...outgoing[i].map((to) => layer[to])) - 1);
  return layer;
}

// Adds a bend in every layer that the edge crosses.
function route(items, from, to) {
  const points = [from];
  for (let l = items[from].layer + 1; l < items[to].layer; ++l) {
    items.push({ layer: l, up: [], down: [], bend: true });
    points.push(items.length - 1);
  }
  points.push(to);
  for (let i = 1; i < points.length; ++i) {
    items[points[i]].up.push(points[i - 1]);
    items[points[i - 1]].down.push(points[i]);
  }
  return points;
}

function orderLayers(items, layers, downwards) {
  for (const layer of layers) layer.forEach((i, at) => (items[i].at = at / layer.length));
  const sweep = downwards ? layers : [...layers].reverse();
  for (const layer of sweep) {
    for (const i of layer) {
      const others = downwards ? items[i].up : items[i].down;
      if (others.length > 0)
        items[i].at = others.reduce((sum, k) => sum + items[k].at, 0) / others.length;
    }
    layer.sort((a, b) => items[a].at - items[b].at);
    layer.forEach((i, at) => (items[i].at = (at + 0.5) / layer.length));
  }
}

function placeLayers(items, layers) {
  for (const layer of layers) {
    let x = 0;
    for (const i of layer) {
      const half = (items[i].bend ? kBend : kNodeWidth) / 2;
      items[i].x = x + half;
      x += 2 * half + kGapX;
    }
    for (const i of layer) items[i].x -= x / 2;
  }
  for (let round = 0; round < 24; ++round) {
    const downwards = round % 2 === 0;
    for (const layer of downwards ? layers : [...layers].reverse())
      settle(items, layer, round < 20 ? (downwards ? "up" : "down") : "both");
  }
}

// Moves the items of a layer to where their neighbours are, keeping order and distance: the
// pool-adjacent-violators algorithm.
function settle(items, layer, which) {
  const offsets = [];
  let at = 0;
  layer.forEach((i, k) => {
    const half = (items[i].bend ? kBend : kNodeWidth) / 2;
    at += k === 0 ? 0 : half + kGapX;
    offsets.push(at);
    at += half;
  });
  const pools = [];
  layer.forEach((i, k) => {
    const item = items[i];
    const others = which === "both" ? item.up.concat(item.down) : item[which];
    let weight = 0, sum = 0;
    for (const o of others) {
      const w = item.bend && items[o].bend ? 8 : item.bend || items[o].bend ? 2 : 1;
      weight += w;
      sum += w * items[o].x;
    }
    if (weight === 0) [weight, sum] = [0.05, 0.05 * item.x];
    let pool = { weight, sum: sum - weight * offsets[k], from: k };
    while (pools.length > 0) {
      const last = pools[pools.length - 1];
      if (last.sum / last.weight <= pool.sum / pool.weight) break;
      pool = { weight: last.weight + pool.weight, sum: last.sum + pool.sum, from: last.from };
      pools.pop();
    }
    pools.push(pool);
  });
  pools.forEach((pool, p) => {
    const end = p + 1 < pools.length ? pools[p + 1].from : layer.length;
    for (let k = pool.from; k < end; ++k) items[layer[k]].x = pool.sum / pool.weight + offsets[k];
  });
}
