// What JavaScript adds to pages that work without it: keys, the evidence drawer, live updates, the entity graph.
"use strict";

const main = () => document.getElementById("main");
const drawer = document.getElementById("drawer");

// Keys: j and k move in the queue, Enter opens, / finds, Escape closes the drawer.
// The line where the reader stands, by its id: a page that is fetched again does not know it.
let standing = "";

function stand() {
  document.querySelectorAll("[data-row]").forEach((row) => row.classList.toggle("at", row.id === standing));
}

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const next = Math.min(Math.max(at + step, 0), rows.length - 1);
  standing = rows[next].id;
  stand();
  rows[next].scrollIntoView({ block: "nearest" });
  rows[next].querySelector("[data-open]").focus({ preventScroll: true });
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  "/": () => document.querySelector("[data-find]")?.focus(),
  Enter: () => document.querySelector("[data-row].at [data-open]")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return closeDrawer();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, button, summary, a[href]:not([data-open])")) return;
  if (!(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

// The drawer: evidence beside the case. Focus goes in, and back to where it was.
let cameFrom = null;

function closeDrawer() {
  if (drawer.hidden) return;
  drawer.hidden = true;
  document.getElementById("drawer-content").replaceChildren();
  cameFrom?.focus();
}

drawer.querySelector("[data-close]").addEventListener("click", closeDrawer);
document.addEventListener("click", (event) => {
  const link = event.target.closest('[hx-target="#drawer-content"]');
  if (link && !drawer.contains(link)) cameFrom = link;
});
new MutationObserver(() => {
  const content = document.getElementById("drawer-content");
  if (!content.childElementCount) return;
  const opened = drawer.hidden;
  drawer.hidden = false;
  content.querySelector("mark")?.scrollIntoView({ block: "center" });
  if (opened) drawer.querySelector("[data-close]").focus();
}).observe(document.getElementById("drawer-content"), { childList: true });

// One click for all steps that this person may approve.
function offerTickAll() {
  const button = document.querySelector("[data-tick-all]");
  if (button) button.hidden = false;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-tick-all]")) return;
  document.querySelectorAll('input[name="steps"]:not(:disabled)').forEach((box) => { box.checked = true; });
});

// Live: what changed is told by server-sent events; the page is fetched again and merged, unless somebody is writing.
function writing() {
  const fields = [...main().querySelectorAll("input:not([type=hidden]), textarea")];
  const touched = fields.some((f) => (f.type === "checkbox" ? f.checked !== f.defaultChecked : f.value !== f.defaultValue));
  return touched || main().querySelector("details[open] form, select:focus") !== null;
}

// A little later, so that many changes at once cost one look; never put off again, so that steady change is seen, too.
let waiting = 0;

function refresh() {
  if (waiting) return;
  waiting = window.setTimeout(() => {
    waiting = 0;
    if (writing()) {
      document.getElementById("changed").hidden = false;
      return;
    }
    const here = window.location.pathname + window.location.search;
    window.htmx.ajax("GET", here, { target: "#main", select: "#main", swap: "outerMorph" });
  }, 400);
}

// `queue` says that deciding has come to an end: whatever is open may have changed.
const EVERYTHING = ["queue", "floor"];

function concerns(change) {
  const live = main().dataset.live ?? "";
  return live === `case:${change.subject}` || EVERYTHING.includes(live) || live === change.kind || change.kind === "queue";
}

if (window.htmx && main().dataset.live) {
  const stream = new EventSource("/api/v1/updates");
  stream.addEventListener("changed", (event) => {
    if (concerns(JSON.parse(event.data))) refresh();
  });
  // What changed between the page and its stream, or between a stream that ended and the next, was told to nobody.
  let opened = false;
  stream.addEventListener("open", () => {
    if (opened || !writing()) refresh();
    opened = true;
  });
  window.addEventListener("pagehide", () => stream.close());
}

// The entity graph, in the page's own colours.
// Of many entities only those with most links are named; the others when they are pointed at.
const NAMED = 9;
const SHAPES = { user: "ellipse", mailbox: "ellipse", host: "round-rectangle", address: "diamond", file: "hexagon" };

function drawGraph() {
  const place = document.getElementById("graph");
  if (!place || !window.cytoscape) return;
  const data = JSON.parse(place.dataset.graph);
  if (data.nodes.length < 2) return;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  place.hidden = false;
  const links = new Map();
  data.edges.forEach((e) => [e.source, e.target].forEach((id) => links.set(id, (links.get(id) ?? 0) + 1)));
  const ranked = data.nodes.map((n) => n.id).sort((a, b) => (links.get(b) ?? 0) - (links.get(a) ?? 0));
  const named = new Set(ranked.slice(0, NAMED));
  const drawn = window.cytoscape({
    container: place,
    elements: { nodes: data.nodes.map((d) => ({ data: { ...d, named: named.has(d.id) } })), edges: data.edges.map((d) => ({ data: d })) },
    layout: { name: "cose", animate: false, padding: 18, nodeRepulsion: 9000 + 600 * data.nodes.length, idealEdgeLength: 70, randomize: false },
    userZoomingEnabled: false,
    style: [
      { selector: "node", style: {
        shape: (n) => SHAPES[n.data("type")] ?? "round-tag", width: 16, height: 16,
        "background-color": colour("--accent"), color: colour("--ink"), "font-size": 10, "text-valign": "bottom",
        "text-margin-y": 4, "text-wrap": "ellipsis", "text-max-width": 110 } },
      { selector: "node[?named], node.named", style: { label: "data(label)", "z-index": 1, "text-background-opacity": 0.8,
        "text-background-color": colour("--bg"), "text-background-padding": 1 } },
      { selector: "node.named", style: { "z-index": 9, "text-wrap": "wrap", "text-overflow-wrap": "anywhere" } },
      { selector: "edge", style: {
        width: (e) => Math.min(1 + Math.log2(e.data("count")), 5), "line-color": colour("--muted"), opacity: 0.6,
        "target-arrow-color": colour("--muted"), "arrow-scale": 0.8, "target-arrow-shape": "triangle", "curve-style": "bezier" } },
    ],
  });
  // Names stay readable however small the graph has to be.
  const scale = Math.max(1 / drawn.zoom(), 1);
  drawn.nodes().style({ "font-size": 10 * scale, "text-max-width": 110 * scale, width: 12 * scale, height: 12 * scale });
  drawn.on("mouseover tap", "node", (event) => event.target.addClass("named"));
  drawn.on("mouseout", "node", (event) => event.target.removeClass("named"));
}

// A form that takes long says so, and is not sent twice.
document.addEventListener("submit", (event) => {
  const button = event.target.dataset.busy && event.target.querySelector("button");
  if (!button) return;
  button.textContent = event.target.dataset.busy;
  button.disabled = true;
});

// Cytoscape would add a style element, which the content security policy forbids; our style sheet has that rule.
const standIn = document.createElement("meta");
standIn.id = "__________cytoscape_stylesheet";
document.head.append(standIn);
drawGraph();
offerTickAll();
document.addEventListener("htmx:after:swap", offerTickAll);
document.addEventListener("htmx:after:swap", stand);
