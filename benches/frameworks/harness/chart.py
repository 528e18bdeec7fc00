"""The picture: a line for each job, a mark for each engine where its ratio stands, on a logarithmic axis."""

import math
from xml.sax.saxutils import escape

from .record import write as write_file

WIDTH, LEFT, RIGHT, ROW = 1000, 330, 30, 21
COLOURS = ("#d62728", "#ff7f0e", "#b8860b", "#8c564b", "#9467bd", "#1f77b4", "#17becf", "#2f4f4f", "#e377c2", "#6b8e23", "#000000")
SHAPES = ("circle", "square", "diamond", "triangle")
TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def write(path, entries, all_jobs, engines, machine):
    """Draws the ratios of all entries that have one; none, no picture."""
    shown = [e for e in entries if "ratio" in e and e["status"] == "ok"]
    if not shown:
        return
    names = [name for name in engines if any(e["engine"] == name for e in shown)]
    rows = [job for job in all_jobs if any(e["job"] == job for e in shown)]
    least, most = (f([e["ratio"] for e in shown] + [1.0]) for f in (min, max))
    low, high = math.log(min(0.5, least / 1.15)), math.log(max(2.0, most * 1.15))
    legend_rows = math.ceil(len(names) / 4)
    top = 92 + 22 * legend_rows

    def x(ratio):
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(ratio) - low) / (high - low)

    suites = {all_jobs[job]["suite"] for job in rows}
    height = top + ROW * len(rows) + 26 * len(suites) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
           text(20, 28, "How many times as long as Hornpipe other frameworks take", size=19, weight="bold"),
           text(20, 50, f"The same LSTM work on {machine['cpu']}, {machine['cores']} cores, in turns; right of the line Hornpipe is faster",
                fill="#555555")]
    for k, name in enumerate(names):
        at_x, at_y = 30 + 240 * (k % 4), 78 + 22 * (k // 4)
        out += [mark(k, at_x, at_y), text(at_x + 12, at_y + 4.5, engines[name]["title"])]

    bottom = height - 34
    out.append(f'<rect x="{LEFT}" y="{top - 14}" width="{x(1) - LEFT:.1f}" height="{bottom - top + 14}" fill="#fbeaea"/>')
    for tick in TICKS:
        if low <= math.log(tick) <= high:
            stroke = 'stroke="#444444" stroke-width="1.6"' if tick == 1 else 'stroke="#dddddd"'
            out.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 14}" y2="{bottom}" {stroke}/>')
            out.append(text(x(tick), bottom + 17, f"{tick:g}×", anchor="middle", fill="#333333"))

    y, suite = top, None
    for job in rows:
        if all_jobs[job]["suite"] != suite:
            suite = all_jobs[job]["suite"]
            out.append(text(20, y + 10, suite, weight="bold"))
            y += 26
        found = sorted((e for e in shown if e["job"] == job), key=lambda e: e["ratio"])
        threads = found[0]["threads"]
        label = all_jobs[job]["title"] + (", 1 thread" if all_jobs[job].get("threads") == 1 and threads == 1 else "")
        out.append(text(LEFT - 10, y + 4.5, label, anchor="end"))
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#eeeeee"/>')
        for e in found:
            k = names.index(e["engine"])
            title = f"{engines[e['engine']]['title']}: {e['ratio']:.2f} ({e['ratio_min']:.2f} to {e['ratio_max']:.2f})"
            out.append(mark(k, x(e["ratio"]), y, title))
        y += ROW
    out.append("</svg>")
    write_file(path, "\n".join(out) + "\n")


def text(x, y, content, size=13, weight="normal", anchor="start", fill="#111111"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}">'
            f"{escape(content)}</text>")


def mark(k, x, y, title=""):
    """An engine's mark: of its own colour and, since some see few colours, its own shape for the next four."""
    style = f'fill="{COLOURS[k % len(COLOURS)]}" fill-opacity="0.85" stroke="#ffffff" stroke-width="0.7"'
    hint = f"<title>{escape(title)}</title>" if title else ""
    shape = SHAPES[k % len(SHAPES)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" {style}>{hint}</circle>'
    corners = {"square": [(-5, -5), (5, -5), (5, 5), (-5, 5)], "diamond": [(0, -6.5), (6.5, 0), (0, 6.5), (-6.5, 0)],
               "triangle": [(0, -6.5), (6, 5), (-6, 5)]}[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {style}>{hint}</polygon>'
