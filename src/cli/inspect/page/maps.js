// Heat maps over time: the chosen unit with all its signals, then each layer with all its units.

const maps = document.getElementById("maps");
const view = { x0: 0, x1: n, y0: 0, y1: meta.hidden };
const gutter = 38, foot = 18, plots = [];

function addPlot(layer) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  figure.append(caption, canvas);
  maps.append(figure);
  const height = layer === null ? 16 * meta.signals.length : Math.min(Math.max(2 * meta.hidden, 90), 200);
  const plot = { layer, canvas, caption, height };
  canvas.style.height = `${height + foot}px`;
  canvas.id = layer === null ? "map-unit" : `map-${layer}`;
  plots.push(plot);
  canvas.addEventListener("dblclick", event => zoom(0.4, 1, place(plot, event).at));
  canvas.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
    event.preventDefault();
    const step = event.deltaY || event.deltaX, factor = Math.exp(Math.max(-1, Math.min(1, step / 200)));
    const { at, row } = place(plot, event);
    if (event.shiftKey) zoom(1, factor, at, row); else zoom(factor, 1, at);
  }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const move = { ArrowLeft: -0.2, ArrowRight: 0.2 }[event.key];
    if (move) pan(move * (view.x1 - view.x0), 0);
    else if (event.key === "+" || event.key === "=") zoom(0.6, 1);
    else if (event.key === "-") zoom(1 / 0.6, 1);
    else if (event.key === "0") whole();
    else return;
    event.preventDefault();
  });
  drag(plot);
}

// The row and the character under a pointer.
function place(plot, event) {
  const box = plot.canvas.getBoundingClientRect();
  const x = (event.clientX - box.left - 1 - gutter) / (box.width - 2 - gutter), y = (event.clientY - box.top - 1) / plot.height;
  const [low, high] = plot.layer === null ? [0, meta.signals.length] : [view.y0, view.y1];
  const clamp = (v, to) => Math.max(0, Math.min(to - 1, Math.floor(v)));
  return {
    at: clamp(view.x0 + x * (view.x1 - view.x0), n),
    row: clamp(low + y * (high - low), plot.layer === null ? meta.signals.length : meta.hidden),
    inside: x >= 0 && x <= 1 && y >= 0 && y <= 1,
  };
}

// Dragging moves, two fingers zoom, a click chooses.
function drag(plot) {
  const fingers = new Map();
  let moved = 0;
  plot.canvas.addEventListener("pointerdown", event => {
    fingers.set(event.pointerId, event);
    moved = fingers.size > 1 ? Infinity : 0;
    plot.canvas.setPointerCapture(event.pointerId);
  });
  plot.canvas.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId);
    if (!before) {
      const { at, row, inside } = place(plot, event);
      if (inside) tellOf(at, event.clientX, event.clientY, plot.layer === null ? undefined : [plot.layer, row]); else tellNothing();
      return;
    }
    fingers.set(event.pointerId, event);
    const width = plot.canvas.clientWidth - gutter;
    if (fingers.size === 2) {
      const [other] = [...fingers.values()].filter(finger => finger.pointerId !== event.pointerId);
      const distance = finger => Math.max(10, Math.abs(finger.clientX - other.clientX));
      zoom(distance(before) / distance(event), 1, place(plot, event).at);
    } else {
      const [dx, dy] = [before.clientX - event.clientX, before.clientY - event.clientY];
      moved += Math.abs(dx) + Math.abs(dy);
      const rows = plot.layer === null ? 0 : dy / plot.height * (view.y1 - view.y0);
      if (moved > 4) pan(dx / width * (view.x1 - view.x0), event.pointerType === "mouse" ? rows : 0);
    }
  });
  const end = event => {
    if (fingers.delete(event.pointerId) && event.type === "pointerup" && moved <= 4) {
      const { at, row, inside } = place(plot, event);
      if (inside) choose(plot.layer === null ? { at } : { at, layer: plot.layer, unit: row });
    }
  };
  plot.canvas.addEventListener("pointerup", end);
  plot.canvas.addEventListener("pointercancel", end);
  plot.canvas.addEventListener("pointerleave", tellNothing);
}

// [from, to) kept within [0, whole) and no narrower than `least`.
function within(from, to, whole, least) {
  const size = Math.min(whole, Math.max(least, to - from));
  const start = Math.max(0, Math.min(whole - size, from));
  return [start, start + size];
}

function zoom(x, y, at = (view.x0 + view.x1) / 2, row = (view.y0 + view.y1) / 2) {
  [view.x0, view.x1] = within(at - (at - view.x0) * x, at + (view.x1 - at) * x, n, Math.min(n, 8));
  [view.y0, view.y1] = within(row - (row - view.y0) * y, row + (view.y1 - row) * y, meta.hidden, Math.min(meta.hidden, 4));
  drawSoon();
}

function pan(x, y) {
  [view.x0, view.x1] = within(view.x0 + x, view.x1 + x, n, view.x1 - view.x0);
  [view.y0, view.y1] = within(view.y0 + y, view.y1 + y, meta.hidden, view.y1 - view.y0);
  drawSoon();
}

function whole() {
  [view.x0, view.x1, view.y0, view.y1] = [0, n, 0, meta.hidden];
  drawSoon();
}

function around() {
  const half = Math.min(n, 80) / 2;
  [view.x0, view.x1] = within(state.at - half, state.at + half, n, 2 * half);
  drawSoon();
}

let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawMaps(); });
}

function drawMaps() {
  // Surprise and confidence are no cell's; the maps then go on showing the last signal.
  const signal = state.signal, { name, about } = meta.signals[signal];
  for (const plot of plots) {
    if (plot.layer === null) {
      plot.caption.textContent = `unit ${state.unit} of layer ${state.layer}: ${meta.signals.map(s => s.name).join(", ")}`;
      drawPlot(plot, 0, meta.signals.length, row => [block(state.layer, row), state.unit], row => meta.signals[row].name, signal, signal);
    } else {
      plot.caption.textContent = `layer ${plot.layer}: ${name}, ${about}`;
      const b = block(plot.layer, signal);
      drawPlot(plot, view.y0, view.y1, row => [b, row], row => row, plot.layer === state.layer ? state.unit : -1, signal);
    }
    plot.canvas.setAttribute("aria-label", `heat map of ${plot.caption.textContent}, characters ${Math.floor(view.x0)} to ${Math.ceil(view.x1)}`);
  }
}

function drawPlot(plot, low, high, source, label, marked, signal) {
  const { canvas, height } = plot, ratio = window.devicePixelRatio || 1;
  const width = Math.max(60, canvas.clientWidth), room = Math.max(1, Math.floor(width - gutter));
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round((height + foot) * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  // What lies under the marks changes less often than they do.
  const key = [room, view.x0, view.x1, low, high, plot.layer === null ? `${state.layer} ${state.unit}` : signal].join();
  if (plot.key !== key) [plot.key, plot.image] = [key, heat(room, height, low, high, source)];
  pen.drawImage(plot.image, gutter, 0);

  const x = at => gutter + (at - view.x0) / (view.x1 - view.x0) * room, y = row => (row - low) / (high - low) * height;
  const one = height / (high - low);
  pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  pen.fillStyle = "#444";
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const stride = Math.max(1, nice(14 / one));
  for (let row = Math.ceil(low / stride) * stride; row < high; row += stride) pen.fillText(label(row), gutter - 5, Math.max(6, y(row + 0.5)));
  pen.textAlign = "center";
  if (room / (view.x1 - view.x0) >= 8) {
    pen.font = "12px ui-monospace, 'DejaVu Sans Mono', monospace";
    for (let at = Math.floor(view.x0); at < view.x1; at++) {
      if (x(at + 0.5) > gutter) pen.fillText(visible(characters[at]), x(at + 0.5), height + foot / 2);
    }
  } else {
    const step = Math.max(1, nice((view.x1 - view.x0) / room * 70));
    for (let at = Math.ceil(view.x0 / step) * step; at < view.x1; at += step) pen.fillText(at, Math.max(gutter + 8, x(at)), height + foot / 2);
  }
  pen.strokeStyle = "#000";
  pen.lineWidth = 1.5;
  if (state.at >= view.x0 - 1 && state.at < view.x1) {
    const left = Math.max(gutter, x(state.at)), right = Math.max(left + 2, x(state.at + 1));
    pen.strokeRect(left, -2, right - left, height + 4);
  }
  if (marked >= low && marked < high) {
    pen.beginPath();
    pen.moveTo(gutter - 4, y(marked + 0.5) - 4);
    pen.lineTo(gutter, y(marked + 0.5));
    pen.lineTo(gutter - 4, y(marked + 0.5) + 4);
    pen.fillStyle = "#000";
    pen.fill();
    pen.lineWidth = 1;
    if (one >= 3) pen.strokeRect(gutter, y(marked), room, one);
  }
}

// The least of 1, 2, 5, 10, … that is no less.
function nice(size) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, size)));
  return [1, 2, 5, 10].map(k => k * power).find(k => k >= size) || 1;
}

// A canvas with a pixel for each place: the mean over its characters (of many, over some), of the row that lies there.
function heat(width, height, low, high, source) {
  const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
  const step = (view.x1 - view.x0) / width, stride = Math.max(1, Math.floor(step / 4));
  let before = -1, line = 0;
  for (let y = 0; y < height; y++) {
    const row = Math.min(Math.floor(low + (y + 0.5) / height * (high - low)), Math.ceil(high) - 1);
    if (row === before) {
      out.copyWithin(y * width, line * width, (line + 1) * width);
      continue;
    }
    [before, line] = [row, y];
    const [b, unit] = source(row), colours = legend(b, unit), base = unit * n;
    for (let x = 0; x < width; x++) {
      const from = Math.floor(view.x0 + x * step), to = Math.min(n, Math.max(from + 1, Math.floor(view.x0 + (x + 1) * step)));
      let sum = 0, count = 0;
      for (let at = from; at < to; at += stride, count++) sum += b.bytes[base + at];
      out[y * width + x] = colours[Math.round(sum / count)];
    }
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

const pixels = { share: packed(dark.share), signed: packed(dark.signed) };

// Colours as pixels, red in the lowest byte.
function packed(table) {
  return Uint32Array.from({ length: 256 }, (_, k) => (255 << 24 | table[3 * k + 2] << 16 | table[3 * k + 1] << 8 | table[3 * k]) >>> 0);
}

// The pixel of each byte of a unit. What is signed goes from -1 to 1, a memory through tanh.
function legend(b, unit) {
  if (b.share) return pixels.share;
  return b.legends[unit] ||= Uint32Array.from({ length: 256 }, (_, byte) => {
    const v = number(b, unit, byte), seen = b.free ? Math.tanh(v) : Math.max(-1, Math.min(1, v));
    return pixels.signed[Math.round(127.5 + 127.5 * seen)];
  });
}
