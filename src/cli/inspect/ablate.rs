//! `hornpipe inspect ablate`

use super::corpus::{CorpusArgs, ROWS};
use crate::checkpoint::write_atomically;
use crate::cli::chart::{Axis, Mark, Panel, Series, draw, lines};
use crate::cli::output::{self, duration, tell, thousands};
use crate::cli::progress::Bar;
use crate::cli::{interrupt, load};
use crate::inspect::ablation::{Change, Means, Part, ablate, all};
use crate::inspect::{Recorder, Sequence, gates};
use crate::train::Evaluation;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Measure what each layer, gate and unit is worth: the change of the loss without it.
///
/// On the tunes that the model's own rule holds out, each part in turn is set to zero, frozen at its mean and, of gates, set to one; the
/// change of the loss tells what it was worth (below zero, the model does better without it). Units and layers are changed where their output
/// is read, gates for all units of a layer. Small differences are chance: of many units some seem to be worth something on a few tunes; --length and
/// --all measure on more. There is one evaluation for each change, and what that takes is told beforehand; --length and --only make it less. Ctrl-C ends it with what was
/// measured by then.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Measure on all tunes, not only on the held-out ones.
    #[arg(long)]
    all: bool,
    /// Only these parts [default: all].
    #[arg(long, value_enum, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Units that are listed.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    top: u32,
    /// Also draw the worth of the units of each layer, the greatest first.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Threads to work on; 0 for all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::cli::train::threads)]
    threads: usize,
    /// One line of JSON with every change instead of the tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Each whole layer.
    Layers,
    /// Each gate of each layer.
    Gates,
    /// Each unit.
    Units,
}

impl Kind {
    fn of(part: Part) -> Self {
        match part {
            Part::Layer { .. } => Kind::Layers,
            Part::Gate { .. } => Kind::Gates,
            Part::Unit { .. } => Kind::Units,
        }
    }
}

/// One change and what came of it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Worth {
    #[serde(flatten)]
    part: Part,
    change: Change,
    /// The loss with the change less the loss without, in nats per character.
    nats: f64,
}

#[derive(Serialize)]
struct Report {
    characters: usize,
    nats_per_char: f64,
    gates: Vec<&'static str>,
    /// Changes that were to be measured: more than were, after an interruption.
    planned: usize,
    changes: Vec<Worth>,
}

/// Read at most about so many characters where nobody says otherwise.
const LENGTH: u64 = 10_000;

pub fn run(args: Args) -> Result<()> {
    if args.corpus.window.is_some() {
        bail!("--window: the loss is measured in the way that the model was trained, and in no other");
    }
    let snapshot = load::snapshot(&args.corpus.checkpoint)?;
    let tunes = args.corpus.held_out(&snapshot, args.all, LENGTH)?;
    let encoded = args.corpus.encode(&snapshot, &tunes)?;
    let evaluation = Evaluation::new(&encoded, &snapshot.vocabulary, &snapshot.settings)?;
    let (mut engine, gemm) = load::engine(&snapshot, args.threads)?;
    interrupt::catch("stopping")?;
    let model = snapshot.model();
    let mut recorder = Recorder::new(gemm.isa(), &model, &snapshot.parameters);
    let gates: Vec<&str> = gates(model.cell).iter().map(|signal| signal.name).collect();
    let reading = args.corpus.reading(&snapshot);
    let sequences = Sequence::tunes(&encoded, snapshot.vocabulary.newline(), reading);
    let go_on = || if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let interrupted = "interrupted; nothing was measured";
    let means =
        Means::new(&mut recorder, &sequences, reading, ROWS, &mut |_| go_on()).context(interrupted)?;

    let changes: Vec<(Part, Change)> = (all(&model).into_iter())
        .filter(|(part, _)| args.only.is_empty() || args.only.contains(&Kind::of(*part)))
        .collect();
    if changes.is_empty() {
        bail!("this model is an RNN, which has no gates; ask for --only layers or units");
    }
    let mut measure = |change: Option<(Part, Change)>| {
        engine.edit_parameters(&mut |parameters| {
            parameters.values_mut().copy_from_slice(snapshot.parameters.values());
            if let Some((part, change)) = change {
                ablate(parameters, &model, &means, part, change);
            }
        });
        evaluation.run(engine.as_mut(), &mut |_| go_on()).map(|quality| quality.nats_per_char)
    };
    // Twice, as the first makes room.
    measure(None).context(interrupted)?;
    let began = Instant::now();
    let whole = measure(None).context(interrupted)?;
    let seconds = began.elapsed().as_secs_f64();
    tell!(
        "{} characters of {} tunes, {whole:.4} nats each; {} changes, about {}",
        thousands(evaluation.characters()),
        tunes.len(),
        thousands(changes.len()),
        duration(seconds * changes.len() as f64)
    );
    let bar = Bar::percent("measuring");
    let mut worths = Vec::with_capacity(changes.len());
    for (k, &(part, change)) in changes.iter().enumerate() {
        let Some(nats) = measure(Some((part, change))) else { break };
        worths.push(Worth { part, change, nats: nats - whole });
        bar.set((k + 1) as f64 / changes.len() as f64);
    }
    bar.clear();
    if worths.is_empty() {
        bail!(interrupted);
    }
    if worths.len() < changes.len() {
        tell!(
            "interrupted: only {} of {} changes were measured",
            thousands(worths.len()),
            thousands(changes.len())
        );
    }
    worths.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    if let Some(path) = &args.svg {
        let svg = picture(&worths, model.layers, &gates, &args.corpus.checkpoint.display().to_string())?;
        write_atomically(path, svg.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        tell!("wrote {}", path.display());
    }
    if args.json {
        let (characters, planned) = (evaluation.characters(), changes.len());
        return output::print_json(&Report {
            characters,
            nats_per_char: whole,
            gates,
            planned,
            changes: worths,
        });
    }
    output::print(&tables(&worths, &gates, args.top as usize))
}

fn name(part: Part, gates: &[&str]) -> String {
    match part {
        Part::Layer { layer } => format!("layer {layer}"),
        Part::Gate { layer, gate } => format!("layer {layer}, gate {}", gates[gate]),
        Part::Unit { layer, unit } => format!("layer {layer}, unit {unit}"),
    }
}

/// The parts of each kind by their greatest loss, with what each change does to it.
fn tables(worths: &[Worth], gates: &[&str], top: usize) -> String {
    let mut text = String::new();
    for kind in [Kind::Layers, Kind::Gates, Kind::Units] {
        // In the order of their greatest loss, as the changes are.
        let mut parts: Vec<Part> = Vec::new();
        for worth in worths.iter().filter(|worth| Kind::of(worth.part) == kind) {
            if parts.len() < if kind == Kind::Units { top } else { usize::MAX }
                && !parts.contains(&worth.part)
            {
                parts.push(worth.part);
            }
        }
        if parts.is_empty() {
            continue;
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        text += &format!("{gap}{:<24}{:>12}{:>12}", "change of loss, in nats", "zero", "mean");
        text += if kind == Kind::Gates { "         one\n" } else { "\n" };
        text += &format!("{}\n", "─".repeat(if kind == Kind::Gates { 60 } else { 48 }));
        for part in parts {
            text += &format!("{:<24}", name(part, gates));
            for change in [Change::Zero, Change::Mean, Change::One] {
                let found = worths.iter().find(|worth| worth.part == part && worth.change == change);
                text += &found.map_or(String::new(), |worth| format!("{:>+12.4}", worth.nats));
            }
            text += "\n";
        }
    }
    text
}

/// A panel for each layer with its units' worth, the greatest first; one of the gates and the whole layers.
fn picture(worths: &[Worth], layers: usize, gates: &[&str], model: &str) -> Result<String> {
    let of = |wanted: Change, place: &dyn Fn(Part) -> bool| -> Vec<f64> {
        let found = worths.iter().filter(|worth| worth.change == wanted && place(worth.part));
        found.map(|worth| worth.nats).collect()
    };
    let changes = [Change::Zero, Change::Mean, Change::One];
    // Units of little worth are many, and some are worth less than nothing: powers of ten, and these left out.
    let is_unit = |part: Part| matches!(part, Part::Unit { .. });
    let y = Axis::log("nats more without it", changes.iter().flat_map(|&change| of(change, &is_unit)));
    let mut panels = Vec::new();
    for l in 0..layers {
        let here = |part: Part| matches!(part, Part::Unit { layer, .. } if layer == l);
        let series: Vec<Series> = (changes[..2].iter().enumerate())
            .map(|(colour, &change)| {
                let points =
                    of(change, &here).into_iter().enumerate().map(|(k, nats)| ((k + 1) as f64, nats));
                Series { colour, mark: Mark::Line, points: points.filter(|point| point.1 > 0.0).collect() }
            })
            .collect();
        let count = of(Change::Zero, &here).len();
        if count > 0 {
            let x = Axis::linear("units, the most important first", 1.0, count as f64);
            panels.push(Panel { title: format!("units of layer {l}"), x, y: y.clone(), series });
        }
    }
    // Each gate and, after a layer's gates, its whole output h.
    let place = |part: Part| match part {
        Part::Gate { layer, gate } => Some(layer * (gates.len() + 1) + gate),
        Part::Layer { layer } => Some(layer * (gates.len() + 1) + gates.len()),
        Part::Unit { .. } => None,
    };
    let mut series = Vec::new();
    let (mut low, mut high) = (0.0f64, 0.0f64);
    for worth in worths {
        let Some(x) = place(worth.part) else { continue };
        (low, high) = (low.min(worth.nats), high.max(worth.nats));
        let colour = changes.iter().position(|&change| change == worth.change).unwrap_or(0);
        // Alone, so that no line joins it.
        series.push(Series { colour, mark: Mark::Marked, points: vec![(x as f64, worth.nats)] });
    }
    if !series.is_empty() {
        let with_output = || gates.iter().copied().chain(["h"]);
        let names = (0..layers).flat_map(|l| with_output().map(move |name| format!("{name}{l}"))).collect();
        panels.push(Panel {
            title: "gates, and outputs h, with their layers".to_string(),
            x: Axis::names("", names),
            y: Axis::linear("nats more without it", 1.05 * low, 1.05 * high),
            series,
        });
    }
    let mut legend = lines(["zero", "its mean", "one (gates)"]);
    legend.iter_mut().for_each(|entry| entry.mark = Mark::Marked);
    draw(&format!("What the parts of {model} are worth"), 4, &panels, &legend)
}
