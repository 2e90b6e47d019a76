"use strict";
(() => {
  const steps = new Map(JSON.parse(document.getElementById("steps").textContent).map((step) => [step.id, { ...step, users: [] }]));
  for (const step of steps.values()) for (const id of step.needs) steps.get(id)?.users.push(step.id);
  const picture = document.getElementById("picture");
  const details = document.getElementById("details");
  const hint = details.innerHTML;
  const boxes = [...picture.querySelectorAll("[data-step]")];
  const lines = [...picture.querySelectorAll("[data-from]")];
  const idOf = (box) => Number(box.dataset.step);
  let kept = null;

  /** All that is reached from a step by `next`. */
  function reached(id, next) {
    const seen = new Set();
    const open = [id];
    while (open.length > 0)
      for (const other of steps.get(open.pop())[next])
        if (!seen.has(other) && steps.has(other)) { seen.add(other); open.push(other); }
    return seen;
  }

  function element(name, text, parent) {
    const made = document.createElement(name);
    made.textContent = text;
    parent.append(made);
    return made;
  }

  function list(title, ids, kind) {
    if (ids.length === 0) return;
    element("h3", title, details);
    const ul = element("ul", "", details);
    ul.className = kind;
    for (const id of ids) element("li", steps.get(id).title, ul).addEventListener("click", () => keep(id));
  }

  function show(id) {
    const step = steps.get(id);
    const needs = reached(id, "needs");
    const users = reached(id, "users");
    for (const box of boxes) {
      const other = idOf(box);
      box.classList.toggle("chosen", other === id);
      box.classList.toggle("needs", needs.has(other));
      box.classList.toggle("users", users.has(other));
      box.classList.toggle("away", other !== id && !needs.has(other) && !users.has(other));
    }
    for (const line of lines) {
      const from = Number(line.dataset.from), to = Number(line.dataset.to);
      const isNeeded = (to === id || needs.has(to)) && needs.has(from);
      const isUsed = (from === id || users.has(from)) && users.has(to);
      line.classList.toggle("needs", isNeeded);
      line.classList.toggle("users", isUsed);
      line.classList.toggle("away", !isNeeded && !isUsed);
    }
    details.replaceChildren();
    element("h2", step.title, details);
    const rows = element("dl", "", details);
    for (const [name, value] of step.rows) { element("dt", name, rows); element("dd", value, rows); }
    list("needs", step.needs.filter((other) => steps.has(other)), "needs");
    list("needed by", step.users, "users");
  }

  function clear() {
    for (const one of [...boxes, ...lines]) one.classList.remove("chosen", "needs", "users", "away");
    details.innerHTML = hint;
  }

  function keep(id) {
    kept = id;
    show(id);
    boxes.find((box) => idOf(box) === id)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  for (const box of [...boxes, ...document.querySelectorAll(".below [data-step]")]) {
    const id = idOf(box);
    box.addEventListener("mouseenter", () => kept === null && show(id));
    box.addEventListener("mouseleave", () => kept === null && clear());
    box.addEventListener("focus", () => kept === null && show(id));
    box.addEventListener("click", () => keep(id));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    kept = null;
    clear();
  });

  const search = document.getElementById("search");
  let hits = [];
  let next = 0;
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter((word) => word);
    const isHit = (step) => words.every((word) => step.title.toLowerCase().includes(word));
    const all = boxes.filter((box) => steps.has(idOf(box)));
    hits = words.length === 0 ? [] : all.map(idOf).filter((id) => isHit(steps.get(id)));
    next = 0;
    for (const box of all) box.classList.toggle("missed", words.length > 0 && !isHit(steps.get(idOf(box))));
    document.getElementById("found").textContent = words.length === 0 ? "" : `${hits.length} of ${all.length}`;
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || hits.length === 0) return;
    keep(hits[next]);
    next = (next + 1) % hits.length;
  });

  let zoom = 1;
  function scale(by) {
    zoom = Math.min(64, Math.max(0.1, zoom * by));
    picture.style.setProperty("--zoom", zoom);
  }
  document.getElementById("in").addEventListener("click", () => scale(1.5));
  document.getElementById("out").addEventListener("click", () => scale(1 / 1.5));
  document.getElementById("fit").addEventListener("click", () => {
    scale(1 / zoom);
    // The padding is no part of the picture.
    scale(Math.min(1, (picture.clientWidth - 20) / (picture.scrollWidth - 20)));
  });
})();
