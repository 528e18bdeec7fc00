// The text: real characters in a grid, and under them canvases with what colours them. Only the canvases near the
// window are painted.

const reader = document.getElementById("reader"), sheet = document.getElementById("sheet");
const cursor = document.getElementById("cursor"), under = document.getElementById("under");
const tileRows = 40;
const grid = { columns: 0, width: 0, height: 0, starts: new Int32Array(0), tiles: [] };

// Cuts the text into rows as wide as the window.
function layout() {
  const pre = document.getElementById("text");
  pre.textContent = "0".repeat(100);
  const style = getComputedStyle(pre);
  grid.width = pre.getBoundingClientRect().width / 100;
  grid.height = parseFloat(style.lineHeight);
  grid.columns = Math.max(10, Math.floor((reader.clientWidth - 2) / grid.width));
  const starts = [], lines = [];
  let line = "";
  for (let at = 0; at < n; at++) {
    if (at === 0 || characters[at - 1] === "\n" || at - starts[starts.length - 1] === grid.columns) {
      if (at > 0) lines.push(line);
      starts.push(at);
      line = "";
    }
    line += characters[at] === " " ? " " : visible(characters[at]);
  }
  lines.push(line);
  grid.starts = Int32Array.from(starts);
  pre.textContent = lines.join("\n");
  sheet.style.height = `${starts.length * grid.height}px`;
  sheet.style.width = `${Math.ceil(grid.columns * grid.width)}px`;
  under.replaceChildren();
  grid.tiles = [];
  for (let row = 0; row < starts.length; row += tileRows) {
    const canvas = document.createElement("canvas");
    canvas.style.top = `${row * grid.height}px`;
    canvas.width = canvas.height = 0;
    under.append(canvas);
    grid.tiles.push({ canvas, row, painted: false });
  }
  paint();
}

function rowOf(at) {
  let low = 0, high = grid.starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (grid.starts[middle] <= at) low = middle; else high = middle - 1;
  }
  return low;
}

function rowEnd(row) {
  return row + 1 < grid.starts.length ? grid.starts[row + 1] : n;
}

// The character at a place within the sheet, or -1.
function characterAt(x, y) {
  const row = Math.floor(y / grid.height), column = Math.floor(x / grid.width);
  if (row < 0 || row >= grid.starts.length || column < 0) return -1;
  const at = grid.starts[row] + column;
  return at < rowEnd(row) ? at : -1;
}

// Where a character stands within the sheet.
function cell(at) {
  const row = rowOf(at), column = at - grid.starts[row];
  const left = Math.round(column * grid.width);
  return { left, top: row * grid.height, width: Math.round((column + 1) * grid.width) - left, height: grid.height };
}

// Paints what can be seen, and a little around it; the rest gives its memory back.
function paint() {
  const margin = reader.clientHeight, from = reader.scrollTop - margin, to = reader.scrollTop + 2 * margin;
  for (const tile of grid.tiles) {
    const top = tile.row * grid.height, near = top < to && top + tileRows * grid.height > from;
    if (near && !tile.painted) paintTile(tile);
    if (!near && tile.painted) tile.canvas.width = tile.canvas.height = 0;
    tile.painted = near;
  }
  const place = cell(state.at);
  cursor.style.cssText = `left:${place.left - 2}px;top:${place.top}px;width:${place.width + 4}px;height:${place.height}px`;
}

function repaint() {
  grid.tiles.forEach(tile => { tile.painted = false; });
  paint();
}

function paintTile(tile) {
  const last = Math.min(tile.row + tileRows, grid.starts.length);
  const height = grid.height, bars = state.show === "bars", series = chosen();
  tile.canvas.width = Math.ceil(grid.columns * grid.width);
  tile.canvas.height = (last - tile.row) * height;
  const pen = tile.canvas.getContext("2d");
  for (let row = tile.row; row < last; row++) {
    const top = (row - tile.row) * height, start = grid.starts[row];
    for (let at = start; at < rowEnd(row); at++) {
      const left = Math.round((at - start) * grid.width), width = Math.round((at - start + 1) * grid.width) - left;
      const part = series.part(at);
      if (!bars) {
        pen.fillStyle = css(series.colours, Math.round(255 * part));
        pen.fillRect(left, top, width, height);
        continue;
      }
      // From the foot of the line, or from its middle where there are values below zero.
      pen.fillStyle = css(series.colours, part < 0.5 && series.signed ? 0 : 255);
      const level = height - Math.round(part * (height - 1)), foot = series.signed ? Math.round(height / 2) : height;
      pen.fillRect(left + 1, top + Math.min(level, foot), width - 1, Math.max(1, Math.abs(level - foot)));
    }
  }
}

let waiting = false;
reader.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; paint(); });
}, { passive: true });

// Moves the reader so that the cursor can be seen.
function follow() {
  const place = cell(state.at), room = grid.height;
  if (place.top < reader.scrollTop + room) reader.scrollTop = place.top - room;
  const bottom = place.top + place.height + room;
  if (bottom > reader.scrollTop + reader.clientHeight) reader.scrollTop = bottom - reader.clientHeight;
}
