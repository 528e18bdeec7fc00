//! The picture of a run: loss by epoch, on the training tunes and on those held out, as an SVG.

use crate::checkpoint::write_atomically;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The picture's width and height in pixels.
const SIZE: (u32, u32) = (800, 480);
/// Where the plot area begins, from the left.
const LEFT: i32 = 80;
/// Left of the axis' name.
const MARGIN: u32 = 14;
/// Height above the plot area: the title and under it the legend, where it can cover no line.
const TOP: u32 = 74;
const FONT: &str = "sans-serif";
/// Longer titles would leave the picture.
const TITLE_CHARS: usize = 80;
/// Up to here every point has a marker; beyond, markers would hide the line.
const MARKED_POINTS: usize = 60;
/// Losses beyond this are left out like those that are not finite.
const HIGHEST: f64 = 1e30;

// Blue and vermilion of Okabe and Ito, which the colour-blind can tell apart.
const TRAINING: RGBColor = RGBColor(0, 114, 178);
const HELD_OUT: RGBColor = RGBColor(213, 94, 0);
const GRID: RGBColor = RGBColor(225, 225, 225);
const TEXT: RGBColor = RGBColor(60, 60, 60);

/// The losses after one epoch, in nats per character.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochPoint {
    /// How many epochs were done.
    pub epoch: f64,
    /// On the training tunes. Left out of the picture if not finite.
    pub training: f64,
    /// On the tunes held out, where they were evaluated. Left out if not finite.
    pub held_out: Option<f64>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The drawing library gave up.
    #[error("cannot draw the losses: {0}")]
    Draw(String),
    /// The file could not be written.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Draws the curves and writes them to `path`, whole or not at all.
///
/// # Errors
/// [`PlotError`].
pub fn loss_svg(path: &Path, title: &str, points: &[EpochPoint]) -> Result<(), PlotError> {
    let svg = draw(title, points).map_err(|e| PlotError::Draw(e.to_string()))?;
    write_atomically(path, svg.as_bytes()).map_err(|cause| PlotError::Write { path: path.to_owned(), cause })
}

/// The picture as the text of an SVG.
fn draw(title: &str, points: &[EpochPoint]) -> Result<String, Box<dyn std::error::Error>> {
    let training = drawable(points, |p| Some(p.training));
    let held_out = drawable(points, |p| p.held_out);
    let both = || training.iter().chain(&held_out);
    let epochs = range(both().map(|p| p.0), 0.02);
    let losses = range(both().map(|p| p.1), 0.05);
    let epoch_ticks = ticks(&epochs, 10, 1.0);
    let loss_ticks = ticks(&losses, 8, 0.0);
    let step = loss_ticks.get(1).map_or(1.0, |second| second - loss_ticks[0]);

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let left = Pos::new(HPos::Left, VPos::Center);
        let heading = (FONT, 19).into_font().color(&TEXT).pos(left);
        root.draw(&Text::new(shown(title), (LEFT, 22), heading))?;

        let mut chart = ChartBuilder::on(&root)
            .margin_top(TOP)
            .margin_left(MARGIN)
            .margin_right(28)
            .margin_bottom(8)
            .x_label_area_size(46)
            .y_label_area_size(LEFT as u32 - MARGIN)
            .build_cartesian_2d(Axis(epochs, epoch_ticks), Axis(losses, loss_ticks))?;
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(TEXT.mix(0.6))
            .label_style((FONT, 14).into_font().color(&TEXT))
            .axis_desc_style((FONT, 15).into_font().color(&TEXT))
            .x_desc("epoch")
            .y_desc("nats per character")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| loss_label(*y, step))
            .draw()?;

        let solid = TRAINING.stroke_width(2);
        let dashed = HELD_OUT.stroke_width(2);
        chart.draw_series(LineSeries::new(training.iter().copied(), solid))?;
        chart.draw_series(DashedLineSeries::new(held_out.iter().copied(), 7, 4, dashed))?;
        if training.len() <= MARKED_POINTS {
            chart.draw_series(training.iter().map(|&p| Circle::new(p, 3, TRAINING.filled())))?;
        }
        if held_out.len() <= MARKED_POINTS {
            chart.draw_series(held_out.iter().map(|&p| TriangleMarker::new(p, 5, HELD_OUT.filled())))?;
        }

        let entry = (FONT, 15).into_font().color(&TEXT).pos(left);
        let y = 50;
        let mut x = LEFT;
        if !training.is_empty() {
            root.draw(&PathElement::new([(x, y), (x + 36, y)], solid))?;
            root.draw(&Circle::new((x + 18, y), 3, TRAINING.filled()))?;
            root.draw(&Text::new("training", (x + 44, y), entry.clone()))?;
            x += 130;
        }
        if !held_out.is_empty() {
            for dash in [0, 24] {
                root.draw(&PathElement::new([(x + dash, y), (x + dash + 12, y)], dashed))?;
            }
            root.draw(&TriangleMarker::new((x + 18, y), 5, HELD_OUT.filled()))?;
            root.draw(&Text::new("held out", (x + 44, y), entry.clone()))?;
        }
        if training.is_empty() && held_out.is_empty() {
            root.draw(&Text::new("no finite losses", (x, y), entry))?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// A linear axis: its range, and its ticks where plotters' own would fall between epochs.
struct Axis(Range<f64>, Vec<f64>);

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (value - self.0.start) / (self.0.end - self.0.start);
        from + (part * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.1.clone()
    }

    fn range(&self) -> Range<f64> {
        self.0.clone()
    }
}

/// The points of one curve that can be drawn; the line runs on over those that cannot.
fn drawable(points: &[EpochPoint], loss: impl Fn(&EpochPoint) -> Option<f64>) -> Vec<(f64, f64)> {
    let pairs = points.iter().filter_map(|p| Some((p.epoch, loss(p)?)));
    pairs.filter(|(x, y)| x.abs() < HIGHEST && y.abs() < HIGHEST).collect()
}

/// From the least to the greatest value, and a margin of that part of the span; never empty.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let span = high - low;
    if span < 1e-3 * high.abs().max(1.0) {
        let middle = 0.5 * (low + high);
        let half = 0.5 * middle.abs().max(1.0);
        return middle - half..middle + half;
    }
    low - margin * span..high + margin * span
}

/// Multiples of 1, 2 or 5 times a power of ten, not closer than `least`, about `wanted` of them.
pub(super) fn ticks(range: &Range<f64>, wanted: usize, least: f64) -> Vec<f64> {
    let rough = (range.end - range.start) / wanted as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|&step| step >= 0.7 * rough)
        .unwrap_or(10.0 * power)
        .max(least);
    // A hair of slack, so that a bound which is itself a multiple has its tick.
    let first = (range.start / step - 1e-9).ceil() as i64;
    let last = (range.end / step + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

/// A loss with as many decimals as the step between ticks needs.
fn loss_label(loss: f64, step: f64) -> String {
    if loss.abs() >= 1e6 {
        return format!("{loss:.1e}");
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 4.0) as usize;
    format!("{loss:.decimals$}")
}

/// The title without characters that XML forbids, cut to the picture's width.
fn shown(title: &str) -> String {
    let clean = title.chars().map(|c| match c {
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => ' ',
        c => c,
    });
    let mut text: String = clean.clone().take(TITLE_CHARS).collect();
    if clean.count() > TITLE_CHARS {
        text.pop();
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(epochs: usize) -> Vec<EpochPoint> {
        let point = |n: usize| {
            let e = n as f64;
            EpochPoint {
                epoch: e,
                training: 0.6 + 2.4 / (1.0 + 0.3 * e),
                held_out: Some(0.9 + 2.2 / (1.0 + 0.3 * e) + 0.0015 * e),
            }
        };
        (1..=epochs).map(point).collect()
    }

    /// Tags are closed in order, and every number is finite. (No XML parser for one test.)
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("a tag ends");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().expect("a tag has a name"));
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
            for entity in text.split('&').skip(1) {
                assert!(entity.contains(';'), "{text}");
            }
        }
        assert!(open.is_empty() && svg.starts_with("<svg"));
    }

    #[test]
    fn every_kind_of_run_makes_a_picture() {
        let odd = |training, held_out| EpochPoint { epoch: 3.0, training, held_out };
        let runs = [
            vec![],
            run(1),
            run(2),
            run(40),
            run(700),
            vec![odd(f64::NAN, None)],
            vec![odd(1.0, Some(f64::INFINITY)), odd(f64::MAX, Some(1e29)), odd(-1e29, None)],
            vec![odd(2.0, None), odd(2.0 + 1e-15, None)],
            vec![odd(0.0, Some(0.0)), odd(1e-300, None)],
        ];
        for points in runs {
            let svg = draw("a & b <c> \"d\" \u{1} ünï", &points).expect("drawn");
            assert_well_formed(&svg);
            assert!(svg.contains("epoch") && svg.contains("nats per character"));
            let missing = points.iter().all(|p| !p.held_out.is_some_and(f64::is_finite));
            assert_eq!(svg.contains("held out"), !missing);
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(&(1.0..3.0), 10, 1.0), [1.0, 2.0, 3.0]);
        assert_eq!(ticks(&(1.0..40.0), 10, 1.0).first(), Some(&5.0));
        assert_eq!(ticks(&(0.93..2.6), 5, 0.0), [1.0, 1.5, 2.0, 2.5]);
        assert_eq!(loss_label(1.5, 0.5), "1.5");
        assert_eq!(loss_label(1.0, 0.05), "1.00");
        for (low, span) in [(0.0, 1e-3), (3.0, 700.0), (-1e30, 2e30), (1e9, 1e6)] {
            let n = ticks(&(low..low + span), 6, 0.0).len();
            assert!((2..=10).contains(&n), "{low} {span}: {n}");
        }
    }

    #[test]
    fn the_file_is_the_picture_or_an_error_names_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("loss.svg");
        loss_svg(&path, "a run", &run(3)).expect("written");
        let svg = std::fs::read_to_string(&path).expect("read");
        assert_eq!(svg, draw("a run", &run(3)).expect("drawn"));
        let error = loss_svg(&path.join("x.svg"), "a run", &run(3)).expect_err("no directory");
        assert!(error.to_string().contains("x.svg"));
    }
}
