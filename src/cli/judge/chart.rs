//! Bars and lines as SVG that grows with the page.

use crate::html::escaped;
use std::fmt::Write;

/// Values of one colour, one for each label.
pub struct Series<'a> {
    pub name: &'a str,
    pub class: &'a str,
    pub values: Vec<f64>,
}

const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// A round step between at most five lines.
fn step(greatest: f64) -> f64 {
    let rough = (greatest / 4.0).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|k| k * power).find(|s| *s >= rough).unwrap_or(10.0 * power)
}

/// Groups of bars side by side, one group for each label; `share`: values are shares, shown in percent.
pub fn bars(about: &str, labels: &[String], series: &[Series<'_>], share: bool) -> String {
    let greatest = series.iter().flat_map(|s| &s.values).copied().fold(0.0, f64::max);
    let step = step(if greatest > 0.0 { greatest } else { 1.0 });
    let top = (greatest / step).ceil().max(1.0) * step;
    let group = (900.0 - LEFT) / labels.len().max(1) as f64;
    let width = 0.8 * group / series.len().max(1) as f64;
    let plot = HEIGHT - TOP - BOTTOM;
    let y = |value: f64| TOP + plot * (1.0 - value / top);
    let shown = |value: f64| match share {
        true => format!("{:.*} %", usize::from(step < 0.01), 100.0 * value),
        false => format!("{value}"),
    };
    let mut svg =
        format!("<svg viewBox=\"0 0 900 {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n", escaped(about));
    for k in 0..=(top / step).round() as i32 {
        let value = f64::from(k) * step;
        let at = y(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"900\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            shown(value)
        );
    }
    // Labels that would touch are left out.
    let widest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(1) as f64;
    let every = ((8.0 * widest + 6.0) / group).ceil().max(1.0) as usize;
    for (at, label) in labels.iter().enumerate() {
        let left = LEFT + group * (at as f64 + 0.1);
        for (k, Series { name, class, values }) in series.iter().enumerate() {
            let value = values.get(at).copied().unwrap_or(0.0);
            let (x, y) = (left + width * k as f64, y(value));
            let height = (TOP + plot - y).max(0.0);
            let exact = if share { format!("{:.2} %", 100.0 * value) } else { format!("{value}") };
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}, {}: {exact}</title></rect>",
                escaped(label),
                escaped(name)
            );
        }
        if at % every == 0 {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                left + 0.4 * group,
                HEIGHT - 7.0,
                escaped(label)
            );
        }
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_numbers_a_picture_comes_of_it() {
        let series = |values: Vec<f64>| [Series { name: "<a>", class: "a", values }];
        for values in [vec![], vec![0.0, 0.0], vec![0.25, 1.0], vec![3000.0], vec![1e-7]] {
            let svg = bars("a & b", &["x".into(), "y".into()], &series(values), true);
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<a>"), "{svg}");
            assert_eq!(svg.matches("<rect").count(), 2);
        }
        assert!(bars("", &[], &[], false).contains("viewBox"));
    }

    #[test]
    fn lines_stand_at_round_numbers() {
        assert_eq!([step(1.0), step(0.37), step(30.0)], [0.25, 0.1, 10.0]);
    }
}
