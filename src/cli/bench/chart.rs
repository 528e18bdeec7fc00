//! The sweep's picture: small panels with GFLOP/s against batch size, a line for each number of hidden units.

use crate::cli::plot::ticks;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// One panel.
pub struct Panel {
    pub title: String,
    /// For each `H`, the same in all panels, its points (`B`, GFLOP/s) from the least `B` on; they may be missing.
    pub lines: Vec<(usize, Vec<(usize, f64)>)>,
    /// The peak of the multiply-adds on as many threads, GFLOP/s.
    pub peak: f64,
}

/// A panel's plot area.
const WIDTH: i32 = 300;
const HEIGHT: i32 = 210;
/// Left of it: the numbers, and in the first column their name.
const LEFT: i32 = 62;
const RIGHT: i32 = 16;
/// Above it: its title.
const ABOVE: i32 = 34;
/// Below it: the batch sizes and their name.
const BELOW: i32 = 50;
/// Above all panels: title and legend.
const TOP: i32 = 76;

/// Width of a line's entry in the legend, and of the peak's.
const ENTRY: i32 = 104;
const PEAK_ENTRY: i32 = 240;

const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(228, 228, 228);
/// Okabe and Ito's colours less yellow, which is too light for a line: the colour-blind can tell them apart, and each
/// line has a marker of its own besides.
const COLOURS: [RGBColor; 7] = [
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The picture as the text of an SVG.
pub fn draw(title: &str, panels: &[Vec<Panel>]) -> Result<String> {
    let columns = panels.iter().map(Vec::len).max().unwrap_or(0) as i32;
    let entries = panels.iter().flatten().next().map_or(0, |panel| panel.lines.len()) as i32;
    let width = (columns * (LEFT + WIDTH + RIGHT)).max(LEFT + entries * ENTRY + PEAK_ENTRY);
    let size = (width, TOP + panels.len() as i32 * (ABOVE + HEIGHT + BELOW));
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1.max(120) as u32)).into_drawing_area();
    let drawn = (|| {
        area.fill(&WHITE)?;
        text(&area, title, (LEFT, 24), 18, HPos::Left)?;
        legend(&area, panels)?;
        for (r, row) in panels.iter().enumerate() {
            // One scale for a row, so that its panels can be compared.
            let all = row.iter().flat_map(|p| &p.lines).flat_map(|line| &line.1).map(|point| point.1);
            let top = all.chain(row.iter().map(|p| p.peak)).fold(1.0, f64::max) * 1.05;
            for (c, panel) in row.iter().enumerate() {
                let corner = (
                    LEFT + c as i32 * (LEFT + WIDTH + RIGHT),
                    TOP + ABOVE + r as i32 * (ABOVE + HEIGHT + BELOW),
                );
                draw_panel(&area, panel, corner, top, c == 0)?;
            }
        }
        area.present()
    })();
    drawn.map_err(|e| anyhow!("cannot draw the sweep: {e}"))?;
    drop(area);
    Ok(svg)
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn text(area: &Area, what: &str, at: (i32, i32), size: i32, anchor: HPos) -> Drawn {
    let style = (FONT, size).into_font().color(&TEXT).pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(what.to_string(), at, style))
}

fn legend(area: &Area, panels: &[Vec<Panel>]) -> Drawn {
    let y = 54;
    let mut x = LEFT;
    let widths = panels.iter().flatten().next().map_or(&[][..], |panel| &panel.lines);
    for (k, (hidden, _)) in widths.iter().enumerate() {
        area.draw(&PathElement::new([(x, y), (x + 32, y)], colour(k).stroke_width(2)))?;
        marker(area, k, (x + 16, y))?;
        text(area, &format!("H {hidden}"), (x + 39, y), 14, HPos::Left)?;
        x += ENTRY;
    }
    if !widths.is_empty() {
        dashes(area, (x, x + 32), y)?;
        text(area, "peak of the multiply-adds", (x + 39, y), 14, HPos::Left)?;
    }
    Ok(())
}

fn draw_panel(area: &Area, panel: &Panel, (left, above): (i32, i32), top: f64, named: bool) -> Drawn {
    let (right, bottom) = (left + WIDTH, above + HEIGHT);
    let y_of = |gflops: f64| bottom - (gflops / top * f64::from(HEIGHT)).round() as i32;
    text(area, &panel.title, (left, above - 16), 15, HPos::Left)?;
    for tick in ticks(&(0.0..top), 5, 0.0) {
        area.draw(&PathElement::new([(left, y_of(tick)), (right, y_of(tick))], GRID))?;
        text(area, &format!("{tick}"), (left - 8, y_of(tick)), 13, HPos::Right)?;
    }

    // Batch sizes on a logarithmic axis, each that was measured with its number where there is room for it.
    let mut sizes: Vec<usize> = panel.lines.iter().flat_map(|line| &line.1).map(|p| p.0).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let log = |b: usize| (b as f64).log2();
    let first = sizes.first().map_or(0.0, |&b| log(b));
    let span = sizes.last().map_or(0.0, |&b| log(b)) - first;
    let x_of = |b: usize| {
        let part = if span > 0.0 { (log(b) - first) / span } else { 0.5 };
        left + 14 + (part * f64::from(WIDTH - 28)).round() as i32
    };
    let mut free = i32::MIN;
    for &b in &sizes {
        area.draw(&PathElement::new([(x_of(b), bottom), (x_of(b), bottom + 5)], TEXT))?;
        let label = b.to_string();
        let half = 4 * label.len() as i32 + 3;
        if x_of(b) - half >= free {
            text(area, &label, (x_of(b), bottom + 15), 13, HPos::Center)?;
            free = x_of(b) + half;
        }
    }
    text(area, "batch size B", ((left + right) / 2, bottom + 34), 14, HPos::Center)?;
    if named {
        let font = (FONT, 14).into_font().transform(FontTransform::Rotate270).color(&TEXT);
        let style = font.pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new("GFLOP/s", (left - 46, (above + bottom) / 2), style))?;
    }

    if panel.peak > 0.0 {
        dashes(area, (left, right), y_of(panel.peak))?;
    }
    for (k, (_, line)) in panel.lines.iter().enumerate() {
        let points: Vec<(i32, i32)> = line.iter().map(|&(b, gflops)| (x_of(b), y_of(gflops))).collect();
        area.draw(&PathElement::new(points.clone(), colour(k).stroke_width(2)))?;
        for at in points {
            marker(area, k, at)?;
        }
    }
    area.draw(&PathElement::new([(left, above), (left, bottom), (right, bottom)], TEXT.mix(0.6)))?;
    if sizes.is_empty() {
        text(area, "nothing measured", ((left + right) / 2, (above + bottom) / 2), 14, HPos::Center)?;
    }
    Ok(())
}

fn colour(k: usize) -> RGBColor {
    COLOURS[k % COLOURS.len()]
}

fn dashes(area: &Area, (from, to): (i32, i32), y: i32) -> Drawn {
    for x in (from..to).step_by(10) {
        area.draw(&PathElement::new([(x, y), ((x + 6).min(to), y)], TEXT))?;
    }
    Ok(())
}

/// A shape that stands for line `k`, in its colour.
fn marker(area: &Area, k: usize, (x, y): (i32, i32)) -> Drawn {
    let corners: &[(i32, i32)] = match k % 6 {
        0 => return area.draw(&Circle::new((x, y), 4, colour(k).filled())),
        1 => &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
        2 => &[(0, -5), (5, 4), (-5, 4)],
        3 => &[(0, -6), (5, 0), (0, 6), (-5, 0)],
        4 => &[(0, 5), (5, -4), (-5, -4)],
        _ => &[
            (-2, -6),
            (2, -6),
            (2, -2),
            (6, -2),
            (6, 2),
            (2, 2),
            (2, 6),
            (-2, 6),
            (-2, 2),
            (-6, 2),
            (-6, -2),
            (-2, -2),
        ],
    };
    let points: Vec<(i32, i32)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    area.draw(&Polygon::new(points, colour(k).filled()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_empty_and_single_sweeps_make_a_picture() {
        let lines = |n: usize| {
            (0..n).map(|k| (64 << k, vec![(1, 10.0 * k as f64), (64, 80.0), (256, 90.5)])).collect()
        };
        let panel = |n, peak| Panel { title: "T 25 & <2> threads".into(), lines: lines(n), peak };
        let single =
            Panel { title: "one".into(), lines: vec![(64, vec![(7, 3.0)]), (128, vec![])], peak: 0.0 };
        for panels in [
            vec![],
            vec![vec![panel(6, 120.0), panel(9, 100.0), panel(1, 1.0)], vec![panel(0, 0.0)]],
            vec![vec![single]],
        ] {
            let svg = draw("a processor", &panels).expect("drawn");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            let titles = panels.iter().flatten().count();
            assert_eq!(svg.matches("batch size B").count(), titles);
        }
    }
}
