"use strict";
(() => {
  const data = JSON.parse(document.getElementById("palate-data").textContent);
  const canvas = document.getElementById("map-canvas");
  if (!data.map || !canvas || !canvas.getContext) return;

  const { x, y, category, titles, names } = data.map;
  const words = data.words;
  const count = x.length;
  const other = names.length;
  const frame = canvas.parentElement;
  const part = (name) => document.getElementById(`map-${name}`);
  const [tip, status, search, found, all] = ["tip", "status", "search", "found", "all"].map(part);
  const personBar = part("person");
  const pen = canvas.getContext("2d");
  const lowered = titles.map((title) => title.toLowerCase());
  const hiddenCategories = new Set();
  const SIDE = 10000;
  const PAD = 16;
  const view = { zoom: 1, x: SIDE / 2, y: SIDE / 2 };
  let matches = null;
  let person = null;
  let current = -1;
  let [width, height] = [0, 0];
  let colours = {};
  let waiting = false;

  const scaleX = () => ((width - 2 * PAD) / SIDE) * view.zoom;
  const scaleY = () => ((height - 2 * PAD) / SIDE) * view.zoom;
  const atX = (point) => width / 2 + (x[point] - view.x) * scaleX();
  const atY = (point) => height / 2 - (y[point] - view.y) * scaleY();
  const codeOf = (point) => (category ? category[point] : other);
  const colourOf = (point) => colours.series[codeOf(point)] ?? colours.other;
  const isVisible = (point) => !hiddenCategories.has(codeOf(point));
  const marked = () => new Set(person ? [...person.history, ...person.recommended] : []);

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    colours = {
      series: names.map((_, place) => value(`--c${place}`)),
      other: names.length ? value("--other") : value("--accent"),
      ink: value("--ink"),
      accent: value("--accent"),
      paper: value("--card"),
    };
    schedule();
  }

  function resize() {
    const box = canvas.getBoundingClientRect();
    const density = window.devicePixelRatio || 1;
    width = box.width;
    height = box.height;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    pen.setTransform(density, 0, 0, density, 0, 0);
    schedule();
  }

  function schedule() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function dot(point, radius, fill, alpha) {
    pen.globalAlpha = alpha;
    pen.fillStyle = fill;
    pen.beginPath();
    pen.arc(atX(point), atY(point), radius, 0, 2 * Math.PI);
    pen.fill();
    pen.globalAlpha = 1;
  }

  function ring(point, radius, line) {
    for (const [colour, thickness] of [[colours.paper, line + 2.5], [colours.ink, line]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thickness;
      pen.beginPath();
      pen.arc(atX(point), atY(point), radius, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  function star(point, radius) {
    pen.beginPath();
    for (let corner = 0; corner < 10; corner += 1) {
      const reach = corner % 2 ? radius * 0.45 : radius;
      const angle = (corner * Math.PI) / 5 - Math.PI / 2;
      pen.lineTo(atX(point) + reach * Math.cos(angle), atY(point) + reach * Math.sin(angle));
    }
    pen.closePath();
    pen.lineWidth = 3;
    pen.strokeStyle = colours.paper;
    pen.stroke();
    pen.fillStyle = colours.accent;
    pen.fill();
  }

  function draw() {
    waiting = false;
    pen.clearRect(0, 0, width, height);
    const base = (count > 1200 ? 2.6 : count > 300 ? 3.4 : 4.5) * Math.pow(view.zoom, 0.4);
    const dimmed = person !== null || matches !== null;
    for (const pass of [false, true]) {
      for (let point = 0; point < count; point += 1) {
        const coloured = codeOf(point) < other;
        if (coloured !== pass || !isVisible(point)) continue;
        dot(point, base, colourOf(point), dimmed ? 0.22 : coloured ? 0.85 : 0.6);
      }
    }
    if (matches) for (const point of matches) dot(point, base + 1.5, colourOf(point), 1);
    if (person) {
      for (const point of person.history) {
        dot(point, base, colourOf(point), 1);
        ring(point, base + 2.5, 1.5);
      }
      for (const point of person.recommended) star(point, base + 5);
    }
    if (current >= 0) ring(current, base + 3, 2);
  }

  function select(point, quiet) {
    current = point;
    tip.hidden = point < 0;
    if (point >= 0) {
      const label = codeOf(point) < other ? names[codeOf(point)] : names.length ? words.other : "";
      tip.firstElementChild.textContent = titles[point];
      tip.lastElementChild.textContent = label;
      const left = Math.min(Math.max(atX(point) - tip.offsetWidth / 2, 4), width - tip.offsetWidth - 4);
      const above = atY(point) - tip.offsetHeight - 12;
      tip.style.left = `${Math.max(left, 4)}px`;
      tip.style.top = `${above < 4 ? atY(point) + 14 : above}px`;
      if (!quiet) status.textContent = label ? `${titles[point]} · ${label}` : titles[point];
    } else if (!quiet) {
      status.textContent = words.hint;
    }
    schedule();
  }

  function nearest(px, py, reach) {
    const special = marked();
    let best = -1;
    let least = reach * reach;
    for (let point = 0; point < count; point += 1) {
      if (!isVisible(point) && !special.has(point)) continue;
      const away = ((atX(point) - px) ** 2 + (atY(point) - py) ** 2) * (special.has(point) ? 0.3 : 1);
      if (away < least) [best, least] = [point, away];
    }
    return best;
  }

  function towards(dx, dy) {
    if (current < 0) return nearest(width / 2, height / 2, Infinity);
    let best = current;
    let least = Infinity;
    for (let point = 0; point < count; point += 1) {
      if (point === current || !isVisible(point)) continue;
      const px = atX(point) - atX(current);
      const py = atY(point) - atY(current);
      const along = px * dx + py * dy;
      const across = Math.abs(px * dy) + Math.abs(py * dx);
      if (along > 0 && along >= across && along + 2 * across < least) {
        [best, least] = [point, along + 2 * across];
      }
    }
    return best;
  }

  function zoomTo(zoom, px = width / 2, py = height / 2) {
    const dataX = view.x + (px - width / 2) / scaleX();
    const dataY = view.y - (py - height / 2) / scaleY();
    view.zoom = Math.min(Math.max(zoom, 1), 16);
    moveTo(dataX - (px - width / 2) / scaleX(), dataY + (py - height / 2) / scaleY());
  }

  function moveTo(dataX, dataY) {
    const half = SIDE / 2 / view.zoom;
    view.x = Math.min(Math.max(dataX, half), SIDE - half);
    view.y = Math.min(Math.max(dataY, half), SIDE - half);
    canvas.classList.toggle("zoomed", view.zoom > 1);
    select(current, true);
  }

  function keepInView(point) {
    const outside = (at, size) => at < PAD || at > size - PAD;
    if (outside(atX(point), width) || outside(atY(point), height)) moveTo(x[point], y[point]);
  }

  let drag = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    const [px, py] = place(event);
    drag = { px, py, x: view.x, y: view.y, moved: false };
    if (view.zoom > 1) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = place(event);
    if (drag && Math.hypot(px - drag.px, py - drag.py) > 5) drag.moved = true;
    if (drag && drag.moved && view.zoom > 1) {
      moveTo(drag.x - (px - drag.px) / scaleX(), drag.y + (py - drag.py) / scaleY());
    } else if (event.pointerType === "mouse") {
      select(nearest(px, py, 14), true);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) select(nearest(...place(event), event.pointerType === "mouse" ? 14 : 28));
    drag = null;
  });
  for (const away of ["pointercancel", "pointerleave"]) {
    canvas.addEventListener(away, (event) => {
      drag = null;
      if (event.pointerType === "mouse") select(-1, true);
    });
  }
  const pinch = (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomTo(view.zoom * Math.exp(-event.deltaY / 100), ...place(event));
  };
  canvas.addEventListener("wheel", pinch, { passive: false });

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      const next = towards(...steps[event.key]);
      if (next >= 0) keepInView(next);
      select(next);
    } else if (event.key === "+" || event.key === "=") zoomTo(view.zoom * 1.5);
    else if (event.key === "-") zoomTo(view.zoom / 1.5);
    else if (event.key === "0") zoomTo(1);
    else if (event.key === "Escape") select(-1);
    else return;
    event.preventDefault();
  });

  for (const [name, factor] of [["in", 1.6], ["out", 1 / 1.6], ["reset", 0]]) {
    part(name).addEventListener("click", () => zoomTo(view.zoom * factor));
  }

  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    const points = lowered.flatMap((title, point) => (title.includes(wanted) ? [point] : []));
    matches = wanted ? points : null;
    found.textContent = wanted ? words.found.replace("{count}", () => points.length) : "";
    select(points.length === 1 && wanted ? points[0] : -1, true);
  });

  const toggles = [...frame.closest("section").querySelectorAll("[data-category]")];
  function showCategories() {
    const press = (button, on) => button.setAttribute("aria-pressed", String(on));
    for (const toggle of toggles) press(toggle, !hiddenCategories.has(Number(toggle.dataset.category)));
    if (all) press(all, hiddenCategories.size === 0);
    if (current >= 0 && !isVisible(current)) select(-1, true);
    schedule();
  }
  for (const toggle of toggles) {
    toggle.addEventListener("click", () => {
      const code = Number(toggle.dataset.category);
      if (!hiddenCategories.delete(code)) hiddenCategories.add(code);
      showCategories();
    });
  }
  if (all) {
    all.addEventListener("click", () => {
      const hide = hiddenCategories.size === 0;
      hiddenCategories.clear();
      if (hide) for (const toggle of toggles) hiddenCategories.add(Number(toggle.dataset.category));
      showCategories();
    });
  }

  function showPerson(chosen) {
    person = chosen;
    personBar.hidden = person === null;
    if (person) personBar.firstElementChild.textContent = words.person.replace("{name}", () => person.name);
    select(-1);
  }
  for (const button of document.querySelectorAll("[data-person]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      zoomTo(1);
      showPerson(data.people[Number(button.dataset.person)]);
      document.getElementById("map").scrollIntoView();
      canvas.focus({ preventScroll: true });
    });
  }
  personBar.lastElementChild.addEventListener("click", () => showPerson(null));

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
  new ResizeObserver(resize).observe(canvas);
  readColours();
  frame.closest("section").classList.add("live");
})();
