//! Pictures of small panels, as SVG.

use crate::cli::plot::ticks;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// An axis from `low` to `high`, linear or logarithmic.
#[derive(Clone, Debug)]
pub struct Axis {
    pub name: String,
    pub low: f64,
    pub high: f64,
    pub log: bool,
    /// What stands where, if not round numbers.
    pub labels: Vec<(f64, String)>,
}

impl Axis {
    pub fn linear(name: &str, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Axis { name: name.to_string(), low, high, log: false, labels: Vec::new() }
    }

    /// A place for each name, from 0 on.
    pub fn names(name: &str, names: Vec<String>) -> Self {
        let axis = Axis::linear(name, -0.5, names.len() as f64 - 0.5);
        let labels = names.into_iter().enumerate().map(|(k, name)| (k as f64, name)).collect();
        Axis { labels, ..axis }
    }

    /// A logarithmic axis with a label at each of these sizes.
    pub fn sizes(name: &str, sizes: impl Iterator<Item = usize>) -> Self {
        let mut sizes: Vec<usize> = sizes.filter(|&size| size > 0).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let (low, high) =
            (sizes.first().map_or(1.0, |&size| size as f64), sizes.last().map_or(1.0, |&size| size as f64));
        // Room at both ends.
        let margin = (high / low).powf(0.05).max(1.1);
        let labels = sizes.into_iter().map(|size| (size as f64, size.to_string())).collect();
        Axis { name: name.to_string(), low: low / margin, high: high * margin, log: true, labels }
    }

    /// Whole powers of ten around the values that are above zero.
    pub fn log(name: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|v| v.is_finite() && *v > 0.0)
            .fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = if low > high { (0.1, 1.0) } else { (low, high) };
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        Axis {
            name: name.to_string(),
            low: 10f64.powf(low),
            high: 10f64.powf(high.max(low + 1.0)),
            log: true,
            labels: Vec::new(),
        }
    }

    /// Where a value stands, 0 to 1; none where it cannot.
    fn place(&self, value: f64) -> Option<f64> {
        let place = if self.log {
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        place.is_finite().then(|| place.clamp(0.0, 1.0))
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        if !self.labels.is_empty() {
            return self.labels.clone();
        }
        if self.log {
            let (low, high) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
            let stride = ((high - low) / 5).max(1) as usize;
            let label = |power: i32| {
                if (-2..=3).contains(&power) {
                    format!("{}", 10f64.powi(power))
                } else {
                    format!("1e{power}")
                }
            };
            return (low..=high).step_by(stride).map(|power| (10f64.powi(power), label(power))).collect();
        }
        let ticks = ticks(&(self.low..self.high), 5, 0.0);
        let step = ticks.get(1).map_or(1.0, |second| second - ticks[0]);
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        ticks.into_iter().map(|tick| (tick, format!("{tick:.decimals$}"))).collect()
    }
}

/// How points are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Each alone, translucent, so that many of them show as darkness.
    Dots,
    /// Joined.
    Line,
    /// Joined, each with a shape that goes with the colour.
    Marked,
    /// Joined by dashes.
    Dashes,
    /// The lower edge of a band forth, the upper edge back: filled, faint.
    Band,
}

/// What a colour and a mark stand for.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub colour: usize,
    pub mark: Mark,
}

/// Lines in the first colours.
pub fn lines<S: ToString>(names: impl IntoIterator<Item = S>) -> Vec<Entry> {
    let entry = |(colour, name): (usize, S)| Entry { name: name.to_string(), colour, mark: Mark::Line };
    names.into_iter().enumerate().map(entry).collect()
}

/// Points in one colour.
#[derive(Clone, Debug)]
pub struct Series {
    pub colour: usize,
    pub mark: Mark,
    pub points: Vec<(f64, f64)>,
}

/// A plot area with its axes.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// Okabe and Ito's colours less yellow, which is too light for a line.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const TEXT: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(228, 228, 228);
const FONT: &str = "sans-serif";

const WIDTH: i32 = 250;
const HEIGHT: i32 = 200;
const LEFT: i32 = 74;
const RIGHT: i32 = 18;
const ABOVE: i32 = 34;
const BELOW: i32 = 52;
const TOP: i32 = 44;
const LEGEND: i32 = 28;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The picture: panels in rows of `columns`, under a title and a legend.
pub fn draw(title: &str, columns: usize, panels: &[Panel], legend: &[Entry]) -> Result<String> {
    let columns = columns.clamp(1, panels.len().max(1));
    let rows = panels.len().div_ceil(columns) as i32;
    let top = TOP + if legend.is_empty() { 0 } else { LEGEND };
    let width = (columns as i32 * (LEFT + WIDTH + RIGHT))
        .max(LEFT + 9 * title.chars().count() as i32)
        .max(LEFT + legend.iter().map(entry_width).sum::<i32>());
    let size = (width as u32, (top + rows * (ABOVE + HEIGHT + BELOW)) as u32);
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = (|| {
        area.fill(&WHITE)?;
        text(&area, title, (LEFT, 24), 18, HPos::Left)?;
        let mut x = LEFT;
        for entry in legend {
            let y = TOP + 10;
            let line = if entry.mark == Mark::Dashes { Mark::Dashes } else { Mark::Line };
            draw_points(&area, entry.colour, line, vec![(x, y), (x + 26, y)])?;
            if entry.mark == Mark::Marked {
                draw_points(&area, entry.colour, Mark::Marked, vec![(x + 13, y)])?;
            }
            text(&area, &entry.name, (x + 32, TOP + 10), 14, HPos::Left)?;
            x += entry_width(entry);
        }
        for (k, panel) in panels.iter().enumerate() {
            let (row, column) = ((k / columns) as i32, (k % columns) as i32);
            let corner =
                (LEFT + column * (LEFT + WIDTH + RIGHT), top + ABOVE + row * (ABOVE + HEIGHT + BELOW));
            draw_panel(&area, panel, corner)?;
        }
        area.present()
    })();
    drawn.map_err(|e| anyhow!("cannot draw: {e}"))?;
    drop(area);
    Ok(svg)
}

/// About how wide an entry of the legend is.
fn entry_width(entry: &Entry) -> i32 {
    50 + 8 * entry.name.chars().count() as i32
}

fn colour(k: usize) -> RGBColor {
    COLOURS[k % COLOURS.len()]
}

fn text(area: &Area, what: &str, at: (i32, i32), size: i32, anchor: HPos) -> Drawn {
    let style = (FONT, size).into_font().color(&TEXT).pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(what.to_string(), at, style))
}

fn draw_panel(area: &Area, panel: &Panel, (left, above): (i32, i32)) -> Drawn {
    let (right, bottom) = (left + WIDTH, above + HEIGHT);
    let x_of = |v| Some(left + (panel.x.place(v)? * f64::from(WIDTH)).round() as i32);
    let y_of = |v| Some(bottom - (panel.y.place(v)? * f64::from(HEIGHT)).round() as i32);
    text(area, &panel.title, (left, above - 16), 15, HPos::Left)?;
    for (tick, label) in panel.y.ticks() {
        let Some(y) = y_of(tick) else { continue };
        area.draw(&PathElement::new([(left, y), (right, y)], GRID))?;
        text(area, &label, (left - 7, y), 13, HPos::Right)?;
    }
    let mut free = i32::MIN;
    for (tick, label) in panel.x.ticks() {
        let Some(x) = x_of(tick) else { continue };
        area.draw(&PathElement::new([(x, above), (x, bottom)], GRID))?;
        // Where there is room.
        let half = 1 + 7 * label.chars().count() as i32 / 2;
        if x - half >= free {
            text(area, &label, (x, bottom + 14), 13, HPos::Center)?;
            free = x + half;
        }
    }
    text(area, &panel.x.name, ((left + right) / 2, bottom + 34), 14, HPos::Center)?;
    let font = (FONT, 14).into_font().transform(FontTransform::Rotate270).color(&TEXT);
    let style = font.pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(panel.y.name.clone(), (left - 58, (above + bottom) / 2), style))?;
    for Series { colour, mark, points } in &panel.series {
        let points = points.iter().filter_map(|&(x, y)| Some((x_of(x)?, y_of(y)?))).collect();
        draw_points(area, *colour, *mark, points)?;
    }
    if panel.series.iter().all(|series| series.points.is_empty()) {
        text(area, "nothing measured", ((left + right) / 2, (above + bottom) / 2), 14, HPos::Center)?;
    }
    area.draw(&PathElement::new([(left, above), (left, bottom), (right, bottom)], TEXT.mix(0.6)))
}

fn draw_points(area: &Area, k: usize, mark: Mark, points: Vec<(i32, i32)>) -> Drawn {
    let colour = colour(k);
    match mark {
        Mark::Dots => {
            for at in points {
                area.draw(&Circle::new(at, 3, colour.mix(0.45).filled()))?;
            }
            Ok(())
        }
        Mark::Line => area.draw(&PathElement::new(points, colour.stroke_width(2))),
        Mark::Marked => {
            area.draw(&PathElement::new(points.clone(), colour.stroke_width(2)))?;
            points.into_iter().try_for_each(|at| shape(area, k, at))
        }
        Mark::Dashes => {
            let style = ShapeStyle::from(colour).stroke_width(1);
            area.draw(&plotters::element::DashedPathElement::new(points, 5, 4, style))
        }
        Mark::Band => area.draw(&Polygon::new(points, colour.mix(0.18).filled())),
    }
}

/// A shape that goes with colour `k`.
fn shape(area: &Area, k: usize, (x, y): (i32, i32)) -> Drawn {
    let corners: &[(i32, i32)] = match k % 6 {
        0 => return area.draw(&Circle::new((x, y), 4, colour(k).filled())),
        1 => &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
        2 => &[(0, -5), (5, 4), (-5, 4)],
        3 => &[(0, -6), (5, 0), (0, 6), (-5, 0)],
        4 => &[(0, 5), (5, -4), (-5, -4)],
        _ => &[
            (-4, -6),
            (0, -2),
            (4, -6),
            (6, -4),
            (2, 0),
            (6, 4),
            (4, 6),
            (0, 2),
            (-4, 6),
            (-6, 4),
            (-2, 0),
            (-6, -4),
        ],
    };
    let points: Vec<(i32, i32)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    area.draw(&Polygon::new(points, colour(k).filled()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_numbers_a_picture_comes_of_it() {
        let points = vec![(0.0, 0.0), (0.5, f64::NAN), (f64::INFINITY, 1.0), (1.0, 1e-9), (-3.0, 1e300)];
        let marks = [Mark::Dots, Mark::Line, Mark::Marked, Mark::Dashes, Mark::Band];
        let series = |points: &[(f64, f64)]| {
            marks
                .into_iter()
                .enumerate()
                .map(|(colour, mark)| Series { colour, mark, points: points.to_vec() })
                .collect()
        };
        let panel = |x: Axis, y: Axis, points: &[(f64, f64)]| Panel {
            title: "<&>".into(),
            x,
            y,
            series: series(points),
        };
        let some = [
            panel(Axis::linear("x", 0.0, 1.0), Axis::linear("y", 2.0, 2.0), &points),
            panel(
                Axis::log("x", points.iter().map(|p| p.0)),
                Axis::log("y", points.iter().map(|p| p.1)),
                &points,
            ),
            panel(Axis::log("x", std::iter::empty()), Axis::linear("y", 0.0, 1e-4), &[]),
        ];
        for panels in [&some[..], &some[..1], &[]] {
            let mut legend = lines(["one", "two"]);
            legend[1].mark = Mark::Marked;
            let svg = draw("a title", 2, panels, &legend).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert_eq!(svg.matches("&lt;&amp;&gt;").count(), panels.len());
        }
    }

    #[test]
    fn sizes_are_labels_and_a_panel_without_any_says_so() {
        let axis = Axis::sizes("", [64, 0, 1, 64, 8].into_iter());
        assert_eq!(axis.ticks(), [(1.0, "1".into()), (8.0, "8".into()), (64.0, "64".into())]);
        assert!(axis.place(1.0).unwrap() > 0.02 && axis.place(64.0).unwrap() < 0.98);
        assert!((axis.place(8.0).unwrap() - 0.5).abs() < 1e-9);
        let one = Axis::sizes("", [7].into_iter());
        assert!((one.place(7.0).unwrap() - 0.5).abs() < 1e-9);
        let x = Axis::sizes("", std::iter::empty());
        let series = vec![Series { colour: 0, mark: Mark::Line, points: Vec::new() }];
        let panel = Panel { title: String::new(), x, y: Axis::linear("", 0.0, 1.0), series };
        assert!(draw("", 1, &[panel], &[]).unwrap().contains("nothing measured"));
    }

    #[test]
    fn a_logarithmic_axis_has_whole_powers() {
        let axis = Axis::log("", [0.0, 0.03, 40.0].into_iter());
        assert!((axis.low - 0.01).abs() < 1e-12 && (axis.high - 100.0).abs() < 1e-9, "{axis:?}");
        let labels: Vec<String> = axis.ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(labels, ["0.01", "0.1", "1", "10", "100"]);
    }
}
