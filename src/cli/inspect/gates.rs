//! `hornpipe inspect gates`

use super::corpus::{CorpusArgs, ROWS};
use crate::checkpoint::write_atomically;
use crate::cli::chart::{Axis, Mark, Panel, Series, draw};
use crate::cli::output::{self, tell, thousands};
use crate::cli::progress::Bar;
use crate::cli::{interrupt, load};
use crate::inspect::saturation::{GateUse, OPEN, SHUT, Saturation};
use crate::inspect::{Recorder, Sequence, quantile};
use crate::nn::Cell;
use anyhow::{Context, Result, bail};
use hornpipe_kernels::gemm::Gemm;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Tell how often each gate is nearly shut or open, and how long the memories last.
///
/// A gate is nearly shut below 0.1 and nearly open above 0.9. A memory whose forget gate is always open never forgets; one whose forget
/// gate is always shut keeps nothing of the step before. The half-life of a memory is ln ½ / ln f, with the mean f of its
/// forget gate (of a GRU, of its update gate; where the gates are coupled, of 1 - i).
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Also draw each unit by how often its gates are shut and open, for each layer.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// One line of JSON with every unit instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    steps: u64,
    layers: Vec<Layer<'a>>,
}

#[derive(Serialize)]
struct Layer<'a> {
    gates: std::collections::BTreeMap<&'a str, &'a [GateUse]>,
    /// Infinite ones are null.
    half_life: Option<Vec<Option<f64>>>,
}

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.corpus.checkpoint)?;
    let cell = snapshot.settings.cell;
    if cell == Cell::Rnn {
        bail!("this model is an RNN, which has no gates; `inspect trace` shows its hidden state");
    }
    let sequences = args.corpus.sequences(&snapshot)?;
    let gemm = Gemm::detect()?;
    let mut recorder = Recorder::new(gemm.isa(), &snapshot.model(), &snapshot.parameters);
    interrupt::catch("stopping")?;
    let steps: usize = sequences.iter().map(Sequence::len).sum();
    let bar = Bar::percent("reading");
    let reading = args.corpus.reading(&snapshot);
    let saturation = Saturation::new(&mut recorder, &sequences, reading, ROWS, &mut |done| {
        bar.set(done as f64 / steps as f64);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.clear();
    let Some(saturation) = saturation else { bail!("interrupted; nothing was measured") };
    if let Some(path) = &args.svg {
        let svg = picture(&saturation, &args.corpus.checkpoint.display().to_string())?;
        write_atomically(path, svg.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        tell!("wrote {}", path.display());
    }
    if args.json {
        let layers = (0..saturation.layers.len()).map(|l| Layer {
            gates: saturation
                .gates
                .iter()
                .copied()
                .zip(saturation.layers[l].iter().map(Vec::as_slice))
                .collect(),
            half_life: saturation.half_lives(l).map(|lives| {
                lives.into_iter().map(|life| Some(life).filter(|life| life.is_finite())).collect()
            }),
        });
        return output::print_json(&Report { steps: saturation.steps, layers: layers.collect() });
    }
    output::print(&table(&saturation))
}

fn steps(life: f64) -> String {
    if life >= 9999.5 { "> 9999".to_string() } else { format!("{life:.1}") }
}

fn table(saturation: &Saturation) -> String {
    let mut text = format!(
        "{} steps; shut is below {SHUT}, open above {OPEN}; shares of time, means over the units\n\
         {:<7}{:<6}{:>7}{:>9}{:>9}{:>24}{:>24}\n{}\n",
        thousands(saturation.steps as usize),
        "layer",
        "gate",
        "mean",
        "shut",
        "open",
        "units shut > 90 %",
        "units open > 90 %",
        "─".repeat(86),
    );
    for (l, gates) in saturation.layers.iter().enumerate() {
        for (name, units) in saturation.gates.iter().zip(gates) {
            let mean = |of: fn(&GateUse) -> f64| units.iter().map(of).sum::<f64>() / units.len() as f64;
            let count = |of: fn(&GateUse) -> f64| units.iter().filter(|gate| of(gate) > 0.9).count();
            text += &format!(
                "{l:<7}{name:<6}{:>7.3}{:>7.1} %{:>7.1} %{:>24}{:>24}\n",
                mean(|gate| gate.mean),
                100.0 * mean(|gate| gate.shut),
                100.0 * mean(|gate| gate.open),
                format!("{} of {}", count(|gate| gate.shut), units.len()),
                format!("{} of {}", count(|gate| gate.open), units.len()),
            );
        }
    }
    if saturation.keeps.is_some() {
        text += "\nhalf-life of the memories, in steps\n";
        text +=
            &format!("{:<7}{:>9}{:>9}   longest, by unit\n{}\n", "layer", "median", "tenth", "─".repeat(86));
    }
    for l in 0..saturation.layers.len() {
        let Some(lives) = saturation.half_lives(l) else { continue };
        let mut order: Vec<usize> = (0..lives.len()).collect();
        order.sort_by(|&a, &b| lives[b].total_cmp(&lives[a]));
        // The life that a tenth of the units reach.
        let tenth = lives[order[(lives.len() / 10).min(lives.len() - 1)]];
        let longest: Vec<String> =
            order.iter().take(6).map(|&u| format!("{u}: {}", steps(lives[u]))).collect();
        let median = quantile(&lives, 0.5).unwrap_or(f64::NAN);
        text += &format!("{l:<7}{:>9}{:>9}   {}\n", steps(median), steps(tenth), longest.join(", "));
    }
    text
}

/// A row of panels for each layer: each gate's units by the shares of time that they are open and shut; then the memories by half-life.
fn picture(saturation: &Saturation, model: &str) -> Result<String> {
    let mut panels = Vec::new();
    for (l, gates) in saturation.layers.iter().enumerate() {
        for (name, units) in saturation.gates.iter().zip(gates) {
            panels.push(Panel {
                title: format!("layer {l}, gate {name}"),
                x: Axis::linear("share of time open", 0.0, 1.0),
                y: Axis::linear("share of time shut", 0.0, 1.0),
                series: vec![
                    // Nothing can be beyond: shut and open at once.
                    Series { colour: 6, mark: Mark::Dashes, points: vec![(0.0, 1.0), (1.0, 0.0)] },
                    Series {
                        colour: l,
                        mark: Mark::Dots,
                        points: units.iter().map(|gate| (gate.open, gate.shut)).collect(),
                    },
                ],
            });
        }
        if let Some(mut lives) = saturation.half_lives(l) {
            lives.sort_by(|a, b| b.total_cmp(a));
            let points = lives.iter().enumerate().map(|(k, &life)| ((k + 1) as f64, life.min(1e6))).collect();
            panels.push(Panel {
                title: format!("layer {l}, memories"),
                x: Axis::linear("units, longest memory first", 0.0, lives.len() as f64),
                y: Axis::log("half-life in steps", lives.iter().map(|life| life.min(1e6))),
                series: vec![Series { colour: l, mark: Mark::Line, points }],
            });
        }
    }
    let columns = saturation.gates.len() + usize::from(saturation.keeps.is_some());
    draw(
        &format!("Gates of {model} over {} characters", thousands(saturation.steps as usize)),
        columns,
        &panels,
        &[],
    )
}
