// What is chosen, and how it is told.

const state = { by: "", signal: 0, layer: meta.layers - 1, unit: 0, at: 0, show: "colours" };
const controls = Object.fromEntries(["by", "layer", "unit", "show"].map(id => [id, document.getElementById(id)]));
const tip = document.getElementById("tip"), complaint = document.getElementById("complaint");

const percent = p => p >= 0.9995 ? "100 %" : p >= 0.0995 ? `${(100 * p).toFixed(1)} %` : p >= 0.00095 ? `${(100 * p).toFixed(2)} %` : `${(100 * p).toPrecision(1)} %`;
const signed = v => (v < 0 ? "−" : "") + Math.abs(v).toFixed(Math.abs(v) < 9.95 ? 3 : 2);
const probability = at => Math.exp(-nats[at]);

// What the text is coloured by: `part` is 0 to 1, where the colours lie.
function chosen() {
  if (state.by === "surprise") {
    const most = Math.log(meta.vocabulary.length);
    return { part: at => Math.min(1, nats[at] / most), colours: light.surprise, low: "0 nats", high: `${most.toFixed(1)} nats or more` };
  }
  if (state.by === "confidence") {
    return { part: at => topProbabilities[at * meta.top], colours: light.confidence, low: "unsure", high: "sure" };
  }
  const b = block(state.layer, state.signal), base = state.unit * n;
  if (b.share) return { part: at => b.bytes[base + at] / 255, colours: light.share, low: "0", high: "1" };
  const shape = { colours: light.signed, signed: true };
  if (b.free && state.show !== "own") {
    // As the network sees it.
    const part = Float32Array.from({ length: 256 }, (_, byte) => 0.5 + 0.5 * Math.tanh(number(b, state.unit, byte)));
    return { ...shape, part: at => part[b.bytes[base + at]], low: "−3 or below", high: "3 or above, by tanh" };
  }
  const scale = b.scale[state.unit];
  return { ...shape, part: at => (b.bytes[base + at] - 1) / 254, low: signed(-scale), high: signed(scale) };
}

// Takes a change of what is chosen, and shows it.
function choose(change) {
  const before = { ...state };
  Object.assign(state, change);
  const place = by => meta.signals.findIndex(signal => signal.name === by);
  const known = by => place(by) >= 0 || by === "surprise" || by === "confidence";
  if (!known(state.by)) state.by = [before.by, "c", "h"].find(known);
  const named = place(state.by);
  if (named >= 0) state.signal = named;
  state.layer = Math.max(0, Math.min(meta.layers - 1, Math.trunc(state.layer) || 0));
  state.unit = Math.max(0, Math.min(meta.hidden - 1, Math.trunc(state.unit) || 0));
  state.at = Math.max(0, Math.min(n - 1, Math.trunc(state.at) || 0));
  if (state.show !== "bars" && state.show !== "own") state.show = "colours";
  complaint.textContent = "";
  for (const [id, control] of Object.entries(controls)) control.value = state[id];
  document.querySelectorAll("#controls .unit").forEach(e => e.classList.toggle("idle", named < 0));
  showLegend();
  if (["by", "layer", "unit", "show"].some(key => before[key] !== state[key])) repaint(); else paint();
  drawSoon();
  try { history.replaceState(null, "", `#by=${state.by}&layer=${state.layer}&unit=${state.unit}&at=${state.at}&show=${state.show}`); } catch { /* some viewers forbid it */ }
}

function showLegend() {
  const series = chosen(), pen = document.getElementById("ramp").getContext("2d");
  for (let x = 0; x < 120; x++) {
    pen.fillStyle = css(series.colours, Math.round(255 * x / 119));
    pen.fillRect(x, 0, 1, 12);
  }
  document.getElementById("low").textContent = series.low;
  document.getElementById("high").textContent = series.high;
}

function line(at) {
  let [row, column] = [1, 1];
  for (let k = 0; k < at; k++) [row, column] = characters[k] === "\n" ? [row + 1, 1] : [row, column + 1];
  return `line ${row}, column ${column}`;
}

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function list(title, at) {
  const table = element("table");
  table.append(element("caption", title));
  for (const { character, probability } of expected(at)) {
    const row = table.insertRow(), bar = element("span", undefined, "bar");
    if (at < n && character === characters[at]) row.className = "came";
    row.insertCell().textContent = visible(character);
    row.insertCell().textContent = percent(probability);
    bar.style.width = `${Math.max(1, 60 * probability)}px`;
    row.insertCell().append(bar);
  }
  return table;
}

// Tells of a character: how it was expected, what is expected next, what the unit does there.
function tellOf(at, x, y, [layer, unit] = [state.layer, state.unit]) {
  const first = element("p"), second = element("p"), third = element("p"), lists = element("div", undefined, "lists");
  first.append(element("span", visible(characters[at]), "character"), ` character ${at}, ${line(at)}`);
  second.textContent = `surprise ${nats[at].toFixed(3)} nats: it had ${percent(probability(at))}, rank ${ranks[at]}`;
  third.append(`unit ${unit}, layer ${layer}: `);
  meta.signals.forEach((s, k) => third.append(element("span", `${s.name} ${signed(value(layer, k, unit, at))}`, "number"), " "));
  lists.append(list("expected here", at), list("expected next", at + 1));
  tip.replaceChildren(first, second, third, lists);
  tip.dataset.at = at;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(x + 14, window.innerWidth - box.width - 8))}px`;
  const below = y + 20 + box.height < window.innerHeight;
  tip.style.top = `${below ? y + 20 : Math.max(8, y - box.height - 14)}px`;
}

function tellNothing() {
  if (document.activeElement === reader) tellOfCursor(); else tip.hidden = true;
}

function tellOfCursor() {
  const place = cell(state.at), box = sheet.getBoundingClientRect();
  tellOf(state.at, box.left + place.left, box.top + place.top + 6);
}

// For those who hear the page.
function speak() {
  const next = expected(state.at + 1).map(e => `${visible(e.character)} ${percent(e.probability)}`).join(", ");
  const unit = `${meta.signals[state.signal].name} of unit ${state.unit} ${signed(value(state.layer, state.signal, state.unit, state.at))}`;
  document.getElementById("spoken").textContent =
    `${visible(characters[state.at])}, surprise ${nats[state.at].toFixed(2)} nats, ${unit}. Expected next: ${next}`;
}

function move(at) {
  choose({ at });
  follow();
  paint();
  tellOfCursor();
  speak();
}

// Up or down by rows, in the same column as far as the row goes.
function vertical(by) {
  const row = rowOf(state.at), to = Math.max(0, Math.min(grid.starts.length - 1, row + by));
  return Math.min(grid.starts[to] + state.at - grid.starts[row], rowEnd(to) - 1);
}

function turn(by) {
  const options = [...controls.by.options].map(o => o.value);
  choose({ by: options[(options.indexOf(state.by) + by + options.length) % options.length] });
}

reader.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const page = Math.max(1, Math.floor(reader.clientHeight / grid.height) - 2);
  const keys = {
    ArrowLeft: () => move(state.at - 1), ArrowRight: () => move(state.at + 1),
    ArrowUp: () => move(vertical(-1)), ArrowDown: () => move(vertical(1)),
    PageUp: () => move(vertical(-page)), PageDown: () => move(vertical(page)),
    Home: () => move(grid.starts[rowOf(state.at)]), End: () => move(rowEnd(rowOf(state.at)) - 1),
    "[": () => choose({ unit: state.unit - 1 }), "]": () => choose({ unit: state.unit + 1 }),
    "{": () => choose({ layer: state.layer - 1 }), "}": () => choose({ layer: state.layer + 1 }),
    s: () => turn(1), S: () => turn(-1), u: () => { controls.unit.focus(); controls.unit.select(); },
    Escape: () => { tip.hidden = true; },
  };
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
  if ("[]{}sS".includes(event.key)) { tellOfCursor(); speak(); }
});
reader.addEventListener("focus", () => { if (reader.matches(":focus-visible")) { tellOfCursor(); speak(); } });
reader.addEventListener("blur", () => { tip.hidden = true; });

function underPointer(event) {
  const box = sheet.getBoundingClientRect();
  return characterAt(event.clientX - box.left, event.clientY - box.top);
}
reader.addEventListener("pointermove", event => {
  const at = underPointer(event);
  if (at >= 0) tellOf(at, event.clientX, event.clientY); else tellNothing();
});
reader.addEventListener("pointerleave", event => { if (event.pointerType === "mouse") tellNothing(); });
reader.addEventListener("click", event => {
  const at = underPointer(event);
  if (at < 0) return;
  choose({ at });
  tellOf(at, event.clientX, event.clientY);
  speak();
});

window.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
document.addEventListener("pointerdown", event => { if (!event.target.closest("#reader, #maps canvas")) tip.hidden = true; });

controls.by.addEventListener("change", () => choose({ by: controls.by.value }));
controls.layer.addEventListener("change", () => choose({ layer: Number(controls.layer.value) }));
controls.show.addEventListener("change", () => choose({ show: controls.show.value }));
controls.unit.addEventListener("input", () => {
  const unit = Number(controls.unit.value);
  if (controls.unit.value !== "" && Number.isInteger(unit) && unit >= 0 && unit < meta.hidden) choose({ unit });
  else complaint.textContent = `units are numbered from 0 to ${meta.hidden - 1}`;
});
document.getElementById("controls").addEventListener("submit", event => event.preventDefault());
const on = (id, action) => document.getElementById(id).addEventListener("click", action);
on("previous", () => choose({ unit: state.unit - 1 }));
on("next", () => choose({ unit: state.unit + 1 }));
on("closer", () => zoom(0.6, 1, state.at >= view.x0 && state.at < view.x1 ? state.at : undefined));
on("farther", () => zoom(1 / 0.6, 1));
on("taller", () => zoom(1, 0.6, undefined, state.unit >= view.y0 && state.unit < view.y1 ? state.unit : undefined));
on("flatter", () => zoom(1, 1 / 0.6));
on("whole", whole);
on("here", around);

// A link may say what to show: trace.html#by=c&layer=1&unit=17&at=120
function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)), change = {};
  for (const key of ["layer", "unit", "at"]) if (given.has(key)) change[key] = Number(given.get(key));
  for (const key of ["by", "show"]) if (given.has(key)) change[key] = given.get(key);
  return change;
}

function start() {
  for (const signal of meta.signals) controls.by.add(new Option(`${signal.name}: ${signal.about}`, signal.name));
  controls.by.add(new Option("surprise: nats of each character", "surprise"));
  controls.by.add(new Option("confidence: probability of the best guess", "confidence"));
  for (let l = 0; l < meta.layers; l++) controls.layer.add(new Option(l, l));
  controls.unit.max = meta.hidden - 1;
  const mean = nats.reduce((sum, x) => sum + x, 0) / n;
  document.getElementById("about").textContent =
    `${n.toLocaleString("en")} characters, ${mean.toFixed(3)} nats each; ${meta.layers} layers of ${meta.hidden} units${meta.note}`;
  addPlot(null);
  for (let l = 0; l < meta.layers; l++) addPlot(l);
  layout();
  choose({ by: meta.signals.some(s => s.name === "c") ? "c" : meta.signals[0].name, ...fromAddress() });
  follow();
  let size = 0;
  new ResizeObserver(() => {
    if (reader.clientWidth !== size && size > 0) { layout(); drawSoon(); } else paint();
    size = reader.clientWidth;
  }).observe(reader);
  window.addEventListener("hashchange", () => { choose(fromAddress()); follow(); });
}

start();
// For the console, and for those who want numbers.
window.hornpipe = { meta, state, value, expected, nats, ranks, choose, view, block };
