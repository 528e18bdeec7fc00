//! Pictures of small panels, as SVG.

use crate::cli::plot::ticks;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// An axis from `low` to `high`, linear or by powers of ten.
#[derive(Clone, Debug)]
pub struct Axis {
    pub name: String,
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

impl Axis {
    pub fn linear(name: &str, low: f64, high: f64) -> Self {
        Axis { name: name.to_string(), low, high: if high > low { high } else { low + 1.0 }, log: false }
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
    /// Joined by dashes.
    Dashes,
    /// The lower edge of a band forth, the upper edge back: filled, faint.
    Band,
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

/// The picture: panels in rows of `columns`, and for each colour what it stands for.
pub fn draw(title: &str, columns: usize, panels: &[Panel], legend: &[&str]) -> Result<String> {
    let columns = columns.clamp(1, panels.len().max(1));
    let rows = panels.len().div_ceil(columns) as i32;
    let top = TOP + if legend.is_empty() { 0 } else { LEGEND };
    let size = (
        (columns as i32 * (LEFT + WIDTH + RIGHT)).max(LEFT + 9 * title.chars().count() as i32) as u32,
        (top + rows * (ABOVE + HEIGHT + BELOW)) as u32,
    );
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = (|| {
        area.fill(&WHITE)?;
        text(&area, title, (LEFT, 24), 18, HPos::Left)?;
        let mut x = LEFT;
        for (k, name) in legend.iter().enumerate() {
            area.draw(&PathElement::new([(x, TOP + 10), (x + 26, TOP + 10)], colour(k).stroke_width(3)))?;
            text(&area, name, (x + 32, TOP + 10), 14, HPos::Left)?;
            x += 50 + 8 * name.chars().count() as i32;
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
    for (tick, label) in panel.x.ticks() {
        let Some(x) = x_of(tick) else { continue };
        area.draw(&PathElement::new([(x, above), (x, bottom)], GRID))?;
        text(area, &label, (x, bottom + 14), 13, HPos::Center)?;
    }
    text(area, &panel.x.name, ((left + right) / 2, bottom + 34), 14, HPos::Center)?;
    let font = (FONT, 14).into_font().transform(FontTransform::Rotate270).color(&TEXT);
    let style = font.pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(panel.y.name.clone(), (left - 58, (above + bottom) / 2), style))?;
    for Series { colour: k, mark, points } in &panel.series {
        let colour = colour(*k);
        let points: Vec<(i32, i32)> =
            points.iter().filter_map(|&(x, y)| Some((x_of(x)?, y_of(y)?))).collect();
        match mark {
            Mark::Dots => {
                for &at in &points {
                    area.draw(&Circle::new(at, 3, colour.mix(0.45).filled()))?;
                }
            }
            Mark::Line => area.draw(&PathElement::new(points, colour.stroke_width(2)))?,
            Mark::Dashes => area.draw(&plotters::element::DashedPathElement::new(
                points,
                5,
                4,
                ShapeStyle::from(colour).stroke_width(1),
            ))?,
            Mark::Band => area.draw(&Polygon::new(points, colour.mix(0.18).filled()))?,
        }
    }
    area.draw(&PathElement::new([(left, above), (left, bottom), (right, bottom)], TEXT.mix(0.6)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_numbers_a_picture_comes_of_it() {
        let points = vec![(0.0, 0.0), (0.5, f64::NAN), (f64::INFINITY, 1.0), (1.0, 1e-9), (-3.0, 1e300)];
        let marks = [Mark::Dots, Mark::Line, Mark::Dashes, Mark::Band];
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
            let svg = draw("a title", 2, panels, &["one", "two"]).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert_eq!(svg.matches("&lt;&amp;&gt;").count(), panels.len());
        }
    }

    #[test]
    fn a_logarithmic_axis_has_whole_powers() {
        let axis = Axis::log("", [0.0, 0.03, 40.0].into_iter());
        assert!((axis.low - 0.01).abs() < 1e-12 && (axis.high - 100.0).abs() < 1e-9, "{axis:?}");
        let labels: Vec<String> = axis.ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(labels, ["0.01", "0.1", "1", "10", "100"]);
    }
}
