//! `hornpipe inspect units`

use super::corpus::{CorpusArgs, ROWS};
use super::page;
use crate::checkpoint::write_atomically;
use crate::cli::output::{self, tell, thousands};
use crate::cli::progress::Bar;
use crate::cli::{interrupt, load};
use crate::inspect::units::{
    FEATURES, Kind, Labelled, Settings, UnitScore, is_followed, labels, probes, scores,
};
use crate::inspect::{Recorder, Signal};
use anyhow::{Context, Result, bail};
use hornpipe_kernels::gemm::Gemm;
use serde::Serialize;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Find the units that follow something in a tune: chords, header lines, the place in the bar, repeats, keys.
///
/// For each feature: the units whose state goes most with it, by correlation (of the key: by the correlation ratio). Beside it what luck
/// reaches: the best unit when the labels are turned around within their tunes (keys: taken from other tunes), and the best unit of networks of the same shape that
/// were never trained. A feature whose best unit is clear of both, by 0.1, is marked. Then what a linear probe reads from each whole layer, fitted
/// to every other tune and measured on the rest, beside always guessing the most frequent.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// The state or gate that is looked at, as the equations name it [default: c, of cells without it h].
    #[arg(long, value_name = "NAME")]
    signal: Option<String>,
    /// Best units that are listed for each feature.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    top: u32,
    /// How often the labels are turned around.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    permutations: u32,
    /// Untrained networks to compare with.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    untrained: u32,
    /// How the labels are turned and the untrained networks begin.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Also write a page of the tables; its units are links into a trace page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The trace page that the links lead to, as `inspect trace` writes it.
    #[arg(long, value_name = "PAGE", default_value = "trace.html")]
    trace: String,
    /// One line of JSON instead of the tables.
    #[arg(long)]
    json: bool,
}

/// What was found of one feature.
#[derive(Debug, Serialize)]
pub struct Found {
    pub feature: &'static str,
    pub about: &'static str,
    pub kind: Kind,
    /// Characters that have a label.
    pub samples: u64,
    pub best: Vec<UnitScore>,
    /// The best unit's magnitude with the labels turned around, the greatest of all ways.
    pub chance: f64,
    /// The best unit's magnitude of networks that were not trained, the greatest of all.
    pub untrained: f64,
    /// Whether the best unit is clear of both.
    pub followed: bool,
    pub probe: Probe,
}

/// What linear probes read.
#[derive(Debug, Serialize)]
pub struct Probe {
    /// Characters that they were measured on.
    pub samples: u64,
    /// By layer: accuracy, or for numbers the share of the variance that is explained.
    pub layers: Vec<f64>,
    /// The same of a network that was not trained.
    pub untrained: Vec<f64>,
    /// The accuracy of always guessing the most frequent; 0 for numbers.
    pub majority: f64,
}

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.corpus.checkpoint)?;
    let tunes = args.corpus.tunes()?;
    let encoded = args.corpus.encode(&snapshot, &tunes)?;
    let gemm = Gemm::detect()?;
    let model = snapshot.model();
    let mut recorder = Recorder::new(gemm.isa(), &model, &snapshot.parameters);
    let name = args.signal.as_deref().unwrap_or(if model.cell.has_memory() { "c" } else { "h" });
    let signal = signal(recorder.signals(), name)?;
    if tunes.len() < 2 {
        bail!("probes are fitted to some tunes and measured on others: give at least two tunes");
    }
    interrupt::catch("stopping")?;
    let label = |tune: &crate::corpus::Tune| labels(&tune.text);
    let labelled = Labelled::new(
        &encoded,
        tunes.iter().map(label).collect(),
        snapshot.vocabulary.newline(),
        args.corpus.reading(&snapshot),
    );
    let settings = Settings { signal, permutations: args.permutations as usize, seed: args.seed, rows: ROWS };

    let bar = Bar::percent("reading");
    // The model once for its scores and twice for its probes; the first untrained network likewise, the others for their scores.
    let (passes, steps) = (5 + args.untrained as usize, labelled.steps());
    let before = Cell::new(0);
    let mut heard = |done: usize| {
        bar.set((before.get() * steps + done) as f64 / (passes * steps) as f64);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let interrupted = "interrupted; nothing was measured";
    let own = scores(&mut recorder, &labelled, settings, &mut heard).context(interrupted)?;
    before.set(1);
    let probe = probes(&mut recorder, &labelled, settings, &mut heard).context(interrupted)?;
    before.set(3);
    let mut untrained = vec![0.0f64; FEATURES.len()];
    let mut untrained_probe = None;
    for n in 0..u64::from(args.untrained) {
        let parameters = snapshot.settings.init.parameters(&model, args.seed.wrapping_add(1000 + n));
        let mut fresh = Recorder::new(gemm.isa(), &model, &parameters);
        let alone = Settings { permutations: 0, ..settings };
        let found = scores(&mut fresh, &labelled, alone, &mut heard).context(interrupted)?;
        for (best, found) in untrained.iter_mut().zip(found) {
            *best = best.max(found.units.first().map_or(0.0, |unit| unit.score.abs()));
        }
        before.set(before.get() + 1);
        if n == 0 {
            untrained_probe = Some(probes(&mut fresh, &labelled, alone, &mut heard).context(interrupted)?);
            before.set(before.get() + 2);
        }
    }
    bar.clear();
    let untrained_probe = untrained_probe.context("at least one untrained network is read")?;

    let mut all = Vec::new();
    for (f, (scores, probe)) in own.into_iter().zip(probe).enumerate() {
        let chance = scores.chance.iter().copied().fold(0.0, f64::max);
        let best = scores.units.first().map_or(0.0, |unit| unit.score.abs());
        all.push(Found {
            feature: FEATURES[f].name,
            about: FEATURES[f].about,
            kind: FEATURES[f].kind,
            samples: scores.samples,
            best: scores.units.into_iter().take(args.top as usize).collect(),
            chance,
            untrained: untrained[f],
            followed: is_followed(best, chance, untrained[f]),
            probe: Probe {
                samples: probe.samples,
                layers: probe.layers,
                untrained: untrained_probe[f].layers.clone(),
                majority: probe.majority,
            },
        });
    }
    if let Some(path) = &args.html {
        let title = format!("Units of {}", args.corpus.checkpoint.display());
        let note = format!("{name} of {}", thousands(labelled.steps()));
        let html = page::units(&title, &note, name, &args.trace, &all);
        write_atomically(path, html.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        tell!("wrote {}", path.display());
    }
    if args.json { output::print_json(&all) } else { output::print(&tables(&all, name, model.layers)) }
}

/// The place of a signal of this name.
fn signal(signals: &[Signal], name: &str) -> Result<usize> {
    let names: Vec<&str> = signals.iter().map(|signal| signal.name).collect();
    let place = names.iter().position(|other| *other == name);
    place.with_context(|| format!("there is no state or gate {name:?}; there are {}", names.join(", ")))
}

fn tables(all: &[Found], signal: &str, layers: usize) -> String {
    let mut text = format!(
        "units by their {signal}: correlation, of keys the correlation ratio; * is clear of chance and of untrained networks\n\
         {:<16}{:>9}   {:<60}{:>8}{:>11}\n{}\n",
        "feature",
        "samples",
        "best units (layer:unit)",
        "chance",
        "untrained",
        "─".repeat(107),
    );
    for found in all {
        let best = |unit: &UnitScore| format!("{}:{} {:+.2}", unit.layer, unit.unit, unit.score);
        let best: Vec<String> = found.best.iter().map(best).collect();
        text += &format!(
            "{:<16}{:>9}{}{:<60}{:>8.2}{:>11.2}\n",
            found.feature,
            thousands(found.samples as usize),
            if found.followed { " * " } else { "   " },
            best.join("  "),
            found.chance,
            found.untrained,
        );
    }
    text += "\nlinear probes: accuracy on the other tunes; of numbers (#) the share of the variance that is explained\n";
    text += &format!("{:<16}{:>9}{:>10}", "feature", "samples", "majority");
    (0..layers).for_each(|l| text += &format!("{:>10}", format!("layer {l}")));
    text += &format!("   untrained\n{}\n", "─".repeat(38 + 17 * layers));
    for Found { feature, kind, probe, .. } in all {
        let number = *kind == Kind::Number;
        let name = if number { format!("{feature} #") } else { feature.to_string() };
        let majority = if number { "–".to_string() } else { percent(probe.majority) };
        text += &format!("{name:<16}{:>9}{majority:>10}", thousands(probe.samples as usize));
        probe.layers.iter().for_each(|&score| text += &format!("{:>10}", percent(score)));
        let untrained: Vec<String> = probe.untrained.iter().map(|&score| percent(score)).collect();
        text += &format!("   {}\n", untrained.join(", "));
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
