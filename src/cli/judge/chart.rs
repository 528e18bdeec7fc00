//! Bars and lines as SVG that grows with the page.

use crate::html::escaped;
use std::fmt::Write;

/// Values of one colour, one for each label.
pub struct Series<'a> {
    pub name: &'a str,
    pub class: &'a str,
    pub values: Vec<f64>,
}

/// A chart of shares over labels.
pub struct Chart<'a> {
    /// What it shows, for those who do not see it.
    pub about: &'a str,
    /// What the labels are.
    pub axis: &'a str,
    /// What the shares are shares of.
    pub of: &'a str,
    pub labels: &'a [String],
    pub series: &'a [Series<'a>],
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;

/// A round step between at most five lines.
fn step(greatest: f64) -> f64 {
    let rough = (greatest / 4.0).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|k| k * power).find(|s| *s >= rough).unwrap_or(10.0 * power)
}

/// The decimals that tell multiples of this step, a share, apart in percent.
fn decimals(step: f64) -> usize {
    let whole = |decimals: &usize| {
        let shown = 100.0 * step * 10f64.powi(*decimals as i32);
        (shown - shown.round()).abs() < 1e-6 * shown
    };
    (0..9).find(whole).unwrap_or(9)
}

/// Groups of bars side by side, one group for each label.
pub fn bars(chart: &Chart<'_>) -> String {
    let Chart { about, axis, of, labels, series } = chart;
    let greatest = series.iter().flat_map(|s| &s.values).copied().fold(0.0, f64::max);
    let step = step(if greatest > 0.0 { greatest } else { 1.0 });
    // A greatest value that is a whole number of steps needs no line more, whatever rounding says.
    let lines = (greatest / step - 1e-9).ceil().max(1.0);
    let top = lines * step;
    let group = (WIDTH - LEFT) / labels.len().max(1) as f64;
    let width = 0.8 * group / series.len().max(1) as f64;
    let plot = HEIGHT - TOP - BOTTOM;
    let y = |value: f64| TOP + plot * (1.0 - value / top);
    let percent = decimals(step);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n", escaped(about));
    for k in 0..=lines as i32 {
        let value = f64::from(k) * step;
        let at = y(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.percent$} %</text>",
            LEFT - 6.0,
            at + 4.0,
            100.0 * value
        );
    }
    let (middle, centre) = (TOP + plot / 2.0, LEFT + (WIDTH - LEFT) / 2.0);
    let _ = writeln!(
        svg,
        "<text class=\"axis\" transform=\"translate(12 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n\
         <text class=\"axis\" x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        escaped(of),
        HEIGHT - 5.0,
        escaped(axis)
    );
    // Labels that would touch are left out.
    let widest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(1) as f64;
    let every = ((8.0 * widest + 6.0) / group).ceil().max(1.0) as usize;
    for (at, label) in labels.iter().enumerate() {
        let left = LEFT + group * (at as f64 + 0.1);
        for (k, Series { name, class, values }) in series.iter().enumerate() {
            let value = values.get(at).copied().unwrap_or(0.0);
            let (x, y) = (left + width * k as f64, y(value));
            let height = (TOP + plot - y).max(0.0);
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}, {}: {:.2} %</title></rect>",
                escaped(label),
                escaped(name),
                100.0 * value
            );
        }
        if at % every == 0 {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                left + 0.4 * group,
                HEIGHT - BOTTOM + 17.0,
                escaped(label)
            );
        }
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(labels: &[&str], series: &[Series<'_>]) -> String {
        let labels: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
        bars(&Chart { about: "a & b", axis: "<x>", of: "share of y", labels: &labels, series })
    }

    #[test]
    fn whatever_the_numbers_a_picture_comes_of_it() {
        let series = |values: Vec<f64>| [Series { name: "<a>", class: "a", values }];
        for values in [vec![], vec![0.0, 0.0], vec![0.25, 1.0], vec![3000.0], vec![1e-7]] {
            let svg = chart(&["x", "y"], &series(values));
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<a>"), "{svg}");
            assert_eq!(svg.matches("<rect").count(), 2);
        }
        assert!(chart(&[], &[]).contains("viewBox"));
    }

    /// What stands at the lines, lowest first.
    fn lines(greatest: f64) -> Vec<String> {
        let svg = chart(&["x"], &[Series { name: "a", class: "a", values: vec![greatest] }]);
        let ends = svg.split("text-anchor=\"end\">").skip(1);
        ends.map(|text| text.split('<').next().unwrap().to_string()).collect()
    }

    #[test]
    fn lines_stand_at_round_numbers() {
        assert_eq!([step(1.0), step(0.37), step(30.0)], [0.25, 0.1, 10.0]);
        assert_eq!(lines(0.1), ["0.0 %", "2.5 %", "5.0 %", "7.5 %", "10.0 %"]);
        assert_eq!(lines(0.29), ["0 %", "10 %", "20 %", "30 %"]);
        assert_eq!(lines(0.3), ["0 %", "10 %", "20 %", "30 %"]);
        assert_eq!(lines(0.001), ["0.000 %", "0.025 %", "0.050 %", "0.075 %", "0.100 %"]);
    }

    #[test]
    fn axes_say_what_they_are() {
        let svg = chart(&["x"], &[]);
        assert!(svg.contains(">share of y</text>") && svg.contains(">&lt;x&gt;</text>"), "{svg}");
    }
}
