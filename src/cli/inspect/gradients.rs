//! `hornpipe inspect gradients`

use super::corpus::{CorpusArgs, ROWS};
use crate::checkpoint::write_atomically;
use crate::cli::chart::{Axis, Mark, Panel, Series, draw, lines};
use crate::cli::output::{self, tell};
use crate::cli::progress::Bar;
use crate::cli::{interrupt, load};
use crate::corpus::{Source, Streams, Windows};
use crate::inspect::reach::{ParameterNorms, Quartiles, Reach, parameter_norms};
use crate::inspect::{Reading, Recorder};
use crate::train::{Objective, Snapshot};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Tell how far the learning signal reaches back, and how large gradients are.
///
/// For windows whose loss is that of their last step alone: the norms of its gradient by each layer's h and c, against the lag, as
/// median and quartiles over the windows. Then the norm of each parameter and of its gradient, over batches of the shape that the model
/// was trained with. Without dropout.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// How many steps back to look; a many-to-one model has no more than its window.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lags: u32,
    /// How many windows, about.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    windows: u32,
    /// How many batches for the norms of parameters.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batches: u32,
    /// Also draw norms against lag, for each layer.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Threads to work on; 0 for all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::cli::train::threads)]
    threads: usize,
    /// One line of JSON with all quartiles instead of the tables.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    layers: Vec<Layer>,
    parameters: Vec<ParameterNorms>,
}

/// Quartiles by lag.
#[derive(Serialize)]
struct Layer {
    h: Vec<Quartiles>,
    /// None where the cell has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<Vec<Quartiles>>,
}

/// The order of the tunes.
const SEED: u64 = 1;

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.corpus.checkpoint)?;
    let tunes = args.corpus.encode(&snapshot, &args.corpus.tunes()?)?;
    let (mut engine, gemm) = load::engine(&snapshot, args.threads)?;
    interrupt::catch("stopping")?;
    let windows = source(&tunes, &snapshot, args.corpus.reading(&snapshot), args.lags as usize + 1, ROWS)?;
    let settings = &snapshot.settings;
    let trained = match settings.objective {
        Objective::ManyToMany => Reading::Carried,
        Objective::ManyToOne => Reading::Window(settings.seq_len),
    };
    let whole = source(&tunes, &snapshot, trained, settings.seq_len, settings.batch_size)?;

    let bar = Bar::percent("measuring");
    let counts = [(args.windows as usize).div_ceil(ROWS), args.batches as usize];
    let heard = |before: usize, done: usize| {
        bar.set((before + done) as f64 / (counts[0] + counts[1]) as f64);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut recorder = Recorder::new(gemm.isa(), &snapshot.model(), &snapshot.parameters);
    let epoch = windows.epoch(SEED, 0);
    let reach = Reach::new(&mut recorder, epoch.as_ref(), counts[0], &mut |done| heard(0, done));
    let epoch = whole.epoch(SEED, 0);
    let norms =
        parameter_norms(engine.as_mut(), epoch.as_ref(), counts[1], &mut |done| heard(counts[0], done));
    bar.clear();
    if interrupt::requested() {
        bail!("interrupted; nothing was measured");
    }
    let reach = reach.context("no window was measured")?;
    let parameters = norms.context("no batch of this corpus predicts anything")?;
    if reach.h[0][0].is_empty() {
        bail!("no tune of this corpus is as long as a window; give more tunes or a smaller --lags");
    }
    if let Some(path) = &args.svg {
        let svg = picture(&reach, &args.corpus.checkpoint.display().to_string())?;
        write_atomically(path, svg.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        tell!("wrote {}", path.display());
    }
    if args.json {
        let quartiles = |curve: &[Vec<f64>]| curve.iter().map_while(|norms| Quartiles::of(norms)).collect();
        let layers = reach
            .h
            .iter()
            .enumerate()
            .map(|(l, h)| Layer { h: quartiles(h), c: reach.c.get(l).map(|c| quartiles(c)) });
        return output::print_json(&Report { layers: layers.collect(), parameters });
    }
    output::print(&(reach_table(&reach) + "\n" + &norms_table(&parameters)))
}

/// Batches of `steps` × `rows` from the tunes; through a window, of that many steps.
fn source(
    tunes: &[Vec<u32>],
    snapshot: &Snapshot,
    reading: Reading,
    steps: usize,
    rows: usize,
) -> Result<Source> {
    let newline = snapshot.vocabulary.newline();
    Ok(match reading {
        Reading::Carried => Source::Streams(Streams::new(tunes.to_vec(), newline, steps, rows)?),
        Reading::Window(window) => Source::Windows(Windows::new(tunes.concat(), window, 1, rows)?),
    })
}

/// About so many lags, from 0 on, ever farther apart.
fn some_lags(lags: usize) -> Vec<usize> {
    let all = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
    all.into_iter().filter(|&lag| lag < lags).collect()
}

/// The curves of layer `l` by the name of the state; of a cell without c, that of h alone.
fn curves(reach: &Reach, l: usize) -> impl Iterator<Item = (&'static str, &Vec<Vec<f64>>)> {
    [("h", reach.h.get(l)), ("c", reach.c.get(l))]
        .into_iter()
        .filter_map(|(name, curve)| Some((name, curve?)))
}

fn reach_table(reach: &Reach) -> String {
    let lags = some_lags(reach.h[0].len());
    let width = 14 + 9 * lags.len();
    let mut text = format!(
        "gradient of the loss at one step by the states before it: norms, medians over {} windows\n{:<14}",
        reach.h[0][0].len(),
        "layer  lag",
    );
    lags.iter().for_each(|lag| text += &format!("{lag:>9}"));
    text += &format!("{:>12}{:>12}\n{}\n", "< 1/10 at", "< 1/100 at", "─".repeat(width + 24));
    for l in 0..reach.h.len() {
        for (name, curve) in curves(reach, l) {
            let medians = Reach::medians(curve);
            text += &format!("{l:<7}{name:<7}");
            for &lag in &lags {
                text += &medians.get(lag).map_or(format!("{:>9}", "–"), |m| format!("{m:>9.1e}"));
            }
            for share in [0.1, 0.01] {
                let at = Reach::falls_below(curve, share);
                let at = if at < medians.len() { at.to_string() } else { format!("≥ {at}") };
                text += &format!("{at:>12}");
            }
            text += "\n";
        }
    }
    text
}

fn norms_table(parameters: &[ParameterNorms]) -> String {
    let batches = parameters.first().map_or(0, |p| p.gradient.windows);
    let mut text = format!(
        "norms of parameters, and of their gradients over {batches} batches\n\
         {:<20}{:>14}{:>12}{:>12}{:>24}{:>12}\n{}\n",
        "parameter",
        "shape",
        "weights",
        "gradient",
        "its quartiles",
        "ratio",
        "─".repeat(94),
    );
    for ParameterNorms { name, shape, weight, gradient } in parameters {
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        let quartiles = format!("{:.1e} to {:.1e}", gradient.lower, gradient.upper);
        text += &format!(
            "{name:<20}{:>14}{weight:>12.3}{:>12.1e}{quartiles:>24}{:>12.1e}\n",
            shape.join(" × "),
            gradient.median,
            gradient.median / weight,
        );
    }
    text
}

/// A panel for each layer: medians, and quartiles as bands.
pub fn picture(reach: &Reach, model: &str) -> Result<String> {
    let all_curves = || reach.h.iter().chain(&reach.c);
    let quartiles = |curve: &Vec<Vec<f64>>| -> Vec<Quartiles> {
        curve.iter().map_while(|norms| Quartiles::of(norms)).collect()
    };
    // One scale for all, so that layers can be compared.
    let all: Vec<f64> = all_curves().flat_map(&quartiles).flat_map(|q| [q.lower, q.upper]).collect();
    let y = Axis::log("norm", all.iter().copied());
    let lags = all_curves().map(|curve| Reach::medians(curve).len()).max().unwrap_or(1);
    let mut panels = Vec::new();
    for l in 0..reach.h.len() {
        let mut series = Vec::new();
        for (colour, (_, curve)) in curves(reach, l).enumerate() {
            let quartiles = quartiles(curve);
            let points = |of: fn(&Quartiles) -> f64| {
                let values = quartiles.iter().map(of).enumerate();
                values.map(|(lag, norm)| (lag as f64, norm)).collect::<Vec<_>>()
            };
            let band = points(|q| q.lower).into_iter().chain(points(|q| q.upper).into_iter().rev()).collect();
            series.push(Series { colour, mark: Mark::Band, points: band });
            series.push(Series { colour, mark: Mark::Line, points: points(|q| q.median) });
        }
        let x = Axis::linear("lag in steps", 0.0, (lags - 1).max(1) as f64);
        panels.push(Panel { title: format!("layer {l}"), x, y: y.clone(), series });
    }
    let title = format!("How far the learning signal reaches in {model}");
    let legend = lines(["by h: median and quartiles", "by c"]);
    draw(&title, 3, &panels, if reach.c.is_empty() { &legend[..1] } else { &legend })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_lie_within_the_window() {
        assert_eq!(some_lags(1), [0]);
        assert_eq!(some_lags(101), [0, 1, 2, 5, 10, 20, 50, 100]);
    }
}
