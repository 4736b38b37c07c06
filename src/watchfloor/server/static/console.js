// What JavaScript adds to pages that work without it: keys, the evidence drawer, live updates, the entity graph.
"use strict";

const main = () => document.getElementById("main");
const drawer = document.getElementById("drawer");

// Keys: j and k move in the queue, Enter opens, / finds, Escape closes the drawer.
function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const next = Math.min(Math.max(at + step, 0), rows.length - 1);
  rows.forEach((row, index) => row.classList.toggle("at", index === next));
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

let waiting = 0;

function refresh() {
  window.clearTimeout(waiting);
  waiting = window.setTimeout(() => {
    if (writing()) {
      document.getElementById("changed").hidden = false;
      return;
    }
    const here = window.location.pathname + window.location.search;
    window.htmx.ajax("GET", here, { target: "#main", select: "#main", swap: "outerMorph" });
  }, 250);
}

function concerns(change) {
  const live = main().dataset.live ?? "";
  return live === `case:${change.subject}` || live === "queue" || live === change.kind;
}

if (window.htmx && main().dataset.live) {
  const stream = new EventSource("/api/v1/updates");
  stream.addEventListener("changed", (event) => {
    if (concerns(JSON.parse(event.data))) refresh();
  });
  window.addEventListener("pagehide", () => stream.close());
}

// The entity graph, in the page's own colours.
const SHAPES = { user: "ellipse", mailbox: "ellipse", host: "round-rectangle", address: "diamond", file: "hexagon" };

function drawGraph() {
  const place = document.getElementById("graph");
  if (!place || !window.cytoscape) return;
  const data = JSON.parse(place.dataset.graph);
  if (data.nodes.length < 2) return;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  place.hidden = false;
  window.cytoscape({
    container: place,
    elements: { nodes: data.nodes.map((d) => ({ data: d })), edges: data.edges.map((d) => ({ data: d })) },
    layout: { name: "cose", animate: false, padding: 18, nodeRepulsion: 9000, idealEdgeLength: 70, randomize: false },
    userZoomingEnabled: false,
    style: [
      { selector: "node", style: {
        label: "data(label)", shape: (n) => SHAPES[n.data("type")] ?? "round-tag", width: 16, height: 16,
        "background-color": colour("--accent"), color: colour("--ink"), "font-size": 10, "text-valign": "bottom",
        "text-margin-y": 4, "text-wrap": "ellipsis", "text-max-width": 110, "min-zoomed-font-size": 6 } },
      { selector: "edge", style: {
        width: (e) => Math.min(1 + Math.log2(e.data("count")), 5), "line-color": colour("--muted"), opacity: 0.6,
        "target-arrow-color": colour("--muted"), "arrow-scale": 0.8, "target-arrow-shape": "triangle", "curve-style": "bezier" } },
    ],
  });
}

// Cytoscape would add a style element, which the content security policy forbids; our style sheet has that rule.
const standIn = document.createElement("meta");
standIn.id = "__________cytoscape_stylesheet";
document.head.append(standIn);
drawGraph();
offerTickAll();
document.addEventListener("htmx:after:swap", offerTickAll);
