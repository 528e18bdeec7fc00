//! The sweep's picture: small panels with GFLOP/s against batch size, a line for each number of hidden units.

use super::{Point, Size};
use crate::cli::chart::{self, Axis, Entry, Mark, Panel, Series};
use anyhow::Result;

/// The colour of the peak: black.
const PEAK: usize = 6;

/// A row of panels for the fewest and the most threads, a column for up to three `T`; of one `T`, all in one row.
pub fn draw(title: &str, points: &[Point]) -> Result<String> {
    let mut hidden: Vec<usize> = points.iter().map(|p| p.size.hidden).collect();
    hidden.sort_unstable();
    hidden.dedup();
    let (threads, columns) = (at_most::<2>(points, |s| s.threads), at_most::<3>(points, |s| s.seq_len));
    let rows: Vec<Vec<(usize, usize)>> = match columns.as_slice() {
        [seq_len] => vec![threads.into_iter().map(|n| (n, *seq_len)).collect()],
        _ => threads.into_iter().map(|n| columns.iter().map(|&seq_len| (n, seq_len)).collect()).collect(),
    };
    let width = rows.iter().map(Vec::len).max().unwrap_or(1);
    let panels: Vec<Panel> = rows.iter().flat_map(|row| self::row(points, &hidden, row)).collect();
    let mut legend: Vec<Entry> = (hidden.iter().enumerate())
        .map(|(colour, hidden)| Entry { name: format!("H {hidden}"), colour, mark: Mark::Marked })
        .collect();
    legend.push(Entry { name: "peak of the multiply-adds".into(), colour: PEAK, mark: Mark::Dashes });
    chart::draw(title, width, &panels, &legend)
}

/// A panel for each of these threads and `T`, with one scale, so that they can be compared.
fn row(points: &[Point], hidden: &[usize], row: &[(usize, usize)]) -> Vec<Panel> {
    let here = |&(threads, seq_len): &(usize, usize)| {
        points.iter().filter(move |p| p.size.threads == threads && p.size.seq_len == seq_len)
    };
    let speeds = row.iter().flat_map(here).filter_map(|p| p.speed);
    let top = 1.05 * speeds.map(|speed| speed.gflops.max(speed.peak_gflops)).fold(1.0, f64::max);
    let panel = |place: &(usize, usize)| {
        let x = Axis::sizes("batch size B", here(place).map(|p| p.size.batch_size));
        let peak = here(place).filter_map(|p| p.speed).map(|speed| speed.peak_gflops).fold(0.0, f64::max);
        let edges = if peak > 0.0 { vec![(x.low, peak), (x.high, peak)] } else { Vec::new() };
        let mut series = vec![Series { colour: PEAK, mark: Mark::Dashes, points: edges }];
        for (colour, &hidden) in hidden.iter().enumerate() {
            let own = here(place).filter(|p| p.size.hidden == hidden);
            let mut line: Vec<(f64, f64)> =
                own.filter_map(|p| Some((p.size.batch_size as f64, p.speed?.gflops))).collect();
            line.sort_by(|a, b| a.0.total_cmp(&b.0));
            series.push(Series { colour, mark: Mark::Marked, points: line });
        }
        let (threads, seq_len) = place;
        let title = format!("T {seq_len}, {threads} thread{}", if *threads == 1 { "" } else { "s" });
        Panel { title, x, y: Axis::linear("GFLOP/s", 0.0, top), series }
    };
    row.iter().map(panel).collect()
}

/// The least, a middle and the greatest of what `of` says: more would not be legible.
fn at_most<const N: usize>(points: &[Point], of: impl Fn(&Size) -> usize) -> Vec<usize> {
    let mut all: Vec<usize> = points.iter().map(|p| of(&p.size)).collect();
    all.sort_unstable();
    all.dedup();
    let last = all.len().saturating_sub(1);
    let mut chosen: Vec<usize> =
        if all.len() <= N { all } else { (0..N).map(|k| all[k * last / (N - 1)]).collect() };
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::Speed;
    use super::*;

    #[test]
    fn a_few_of_many_keep_the_ends() {
        let point = |threads| Point {
            size: Size { hidden: 1, batch_size: 1, seq_len: 1, threads },
            speed: None,
            skipped: None,
        };
        let points: Vec<Point> = [1, 2, 4, 8, 16, 1].map(point).into();
        assert_eq!(at_most::<2>(&points, |s| s.threads), [1, 16]);
        assert_eq!(at_most::<3>(&points, |s| s.threads), [1, 4, 16]);
        assert_eq!(at_most::<9>(&points, |s| s.threads), [1, 2, 4, 8, 16]);
        assert!(at_most::<2>(&[], |s| s.threads).is_empty());
    }

    #[test]
    fn full_empty_and_single_sweeps_make_a_picture() {
        let point = |hidden, batch_size, seq_len, threads, gflops: f64| Point {
            size: Size { hidden, batch_size, seq_len, threads },
            speed: (gflops > 0.0).then_some(Speed {
                step_ms: 1.0,
                steps: 1,
                gflops,
                peak_gflops: 300.0,
                share_of_peak: gflops / 300.0,
                tokens_per_s: 1.0,
            }),
            skipped: None,
        };
        let mut full = Vec::new();
        for (k, threads) in [1, 2].into_iter().enumerate() {
            for seq_len in [25, 100] {
                full.extend([1, 64, 256].map(|b| point(64 << k, b, seq_len, threads, b as f64)));
            }
        }
        let single = vec![point(64, 7, 25, 1, 3.0)];
        let none = vec![point(64, 7, 25, 1, 0.0)];
        for (points, panels) in [(full, 4), (single, 1), (none, 1), (Vec::new(), 0)] {
            let svg = draw("a processor", &points).unwrap();
            assert!(svg.starts_with("<svg") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert_eq!(svg.matches("batch size B").count(), panels);
            assert_eq!(svg.contains("H 64"), panels > 0);
        }
    }
}
