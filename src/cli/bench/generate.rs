//! `hornpipe bench generate`: what a character takes.

use super::{FLOPS_FORMULA, MOST, SIZES, Shape, Spread, formula, place, rest, share_text};
use crate::cli::host::{Host, peak_rss_mb};
use crate::cli::output;
use crate::cli::progress::Bar;
use crate::nn::{Batch, Cell, Engine};
use crate::optim::Optimizer;
use anyhow::{Result, bail};
use ndarray::ArrayView1;
use serde::Serialize;
use std::time::Instant;

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    shape: Shape,
    /// Characters of each tune that count, after a warm-up.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    characters: usize,
    /// Compute each character anew from the last T ones, as the article does, instead of carrying the state.
    #[arg(long, value_name = "T")]
    window: Option<usize>,
}

/// Characters of each tune that `loss` and `first_characters` are about.
const CHECKED: usize = 32;

#[derive(Debug, Serialize)]
struct Report {
    characters_per_s: f64,
    step_us: f64,
    step_us_min: f64,
    step_us_max: f64,
    gflops: f64,
    peak_gflops: Option<f64>,
    share_of_peak: Option<f64>,
    /// Nats per character that the formula's weights gave to the characters they chose, over the first ones of all tunes.
    loss: f64,
    /// What the first tune began with.
    first_characters: Vec<u32>,
    peak_rss_mb: Option<f64>,
    device: String,
    cell: Cell,
    /// `fused`, `batched` or `gpu`.
    path: &'static str,
    threads: usize,
    isa: &'static str,
    gemm: &'static str,
    cpu: String,
    cores: usize,
    tunes: usize,
    window: Option<usize>,
    hidden: usize,
    layers: usize,
    embedding: usize,
    vocab: usize,
    shard_rows: usize,
    characters: usize,
    flops_formula: &'static str,
}

pub fn run(args: &Args) -> Result<()> {
    let rows = args.shape.network.batch_size.unwrap_or(1);
    if !(1..=MOST).contains(&args.characters) {
        bail!("--characters must be from 1 to {MOST}");
    }
    if args.window.is_some_and(|window| !SIZES.contains(&window)) {
        bail!("--window must be from 1 to 65536");
    }
    let mut subject = args.shape.subject(args.window.unwrap_or(1), rows, 0.0, Optimizer::Adam)?;
    let mut writer = Writer::new(rows, args.shape.network.vocab, args.window);
    let (mut nats, mut first_characters) = (0.0, Vec::new());
    for _ in 0..CHECKED {
        nats += writer.write(subject.engine.as_mut(), true);
        first_characters.push(writer.chosen[0]);
    }

    rest(subject.engine.as_mut(), rows);
    subject.check()?;
    let mut writer = Writer::new(rows, args.shape.network.vocab, args.window);
    subject.start()?;
    let bar = Bar::percent("measuring");
    let warm_up = args.characters / 10 + 5;
    let mut times = Vec::new();
    for step in 0..warm_up + args.characters {
        let began = Instant::now();
        writer.write(subject.engine.as_mut(), false);
        if step >= warm_up {
            times.push(1e6 * began.elapsed().as_secs_f64());
        }
        if step % 100 == 0 {
            bar.set(step as f64 / (warm_up + args.characters) as f64);
        }
    }
    let peak_gflops = subject.peak_gflops();
    bar.clear();
    subject.check()?;

    let step = Spread::of(times);
    let tokens = (rows * args.window.unwrap_or(1)) as f64;
    let gflops = subject.engine.config().forward_flops_per_token() * tokens / step.median / 1e3;
    let host = Host::of(subject.gemm);
    let report = Report {
        characters_per_s: 1e6 * rows as f64 / step.median,
        step_us: step.median,
        step_us_min: step.min,
        step_us_max: step.max,
        gflops,
        peak_gflops,
        share_of_peak: peak_gflops.map(|peak| gflops / peak),
        loss: nats / (CHECKED * rows) as f64,
        first_characters,
        peak_rss_mb: peak_rss_mb(),
        cell: args.shape.cell,
        path: subject.path,
        device: subject.device,
        threads: subject.threads,
        isa: host.isa,
        gemm: host.gemm,
        cpu: host.cpu,
        cores: host.cores,
        tunes: rows,
        window: args.window,
        hidden: args.shape.network.hidden,
        layers: args.shape.network.layers,
        embedding: args.shape.network.embedding,
        vocab: args.shape.network.vocab,
        shard_rows: subject.shard_rows,
        characters: args.characters,
        flops_formula: FLOPS_FORMULA,
    };
    if args.shape.json { output::print_json(&report) } else { output::print(&text(&report)) }
}

/// Writes tunes side by side, always the likeliest character.
struct Writer {
    /// The character that each tune wrote last.
    chosen: Vec<u32>,
    /// The last characters of all tunes; none where the state is carried.
    window: Option<Batch>,
}

impl Writer {
    /// Character `t·B + b` of the formula is step `t` of tune `b`'s window; a carried state begins with step 0.
    fn new(rows: usize, vocabulary: usize, window: Option<usize>) -> Self {
        let character = |t: usize, b: usize| formula::character(t * rows + b, vocabulary);
        let window = window.map(|steps| {
            let mut batch = Batch::zeros(steps, rows);
            batch.tokens.indexed_iter_mut().for_each(|((t, b), token)| *token = character(t, b));
            batch
        });
        Writer { chosen: (0..rows).map(|b| character(0, b)).collect(), window }
    }

    /// One more character of each tune. Returns their nats together if they are asked for.
    fn write(&mut self, engine: &mut dyn Engine, with_nats: bool) -> f64 {
        let logits = match &self.window {
            None => engine.advance(&self.chosen),
            Some(batch) => {
                rest(engine, self.chosen.len());
                engine.last_logits(batch)
            }
        };
        let mut nats = 0.0;
        for (chosen, row) in self.chosen.iter_mut().zip(logits.rows()) {
            *chosen = likeliest(row);
            if with_nats {
                nats += surprise(row, *chosen as usize);
            }
        }
        if let Some(batch) = &mut self.window {
            let last = batch.steps() - 1;
            for t in 0..last {
                let next = batch.tokens.row(t + 1).to_owned();
                batch.tokens.row_mut(t).assign(&next);
            }
            batch.tokens.row_mut(last).assign(&ArrayView1::from(&self.chosen));
        }
        nats
    }
}

/// The first of the greatest, as in other frameworks.
fn likeliest(logits: ArrayView1<f32>) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (index as u32, logit);
        }
    }
    best.0
}

/// `-ln softmax(logits)[index]`
fn surprise(logits: ArrayView1<f32>, index: usize) -> f64 {
    let of = |logit: f32| f64::from(logit) - f64::from(logits[index]);
    logits.iter().map(|&logit| of(logit).exp()).sum::<f64>().ln()
}

fn text(report: &Report) -> String {
    let window = report.window.map_or(String::new(), |window| format!(", window of {window} recomputed"));
    format!(
        "{}\n{}, {}: {} tunes, H {}, L {}{window}: {:.1} µs a step, {} characters/s\n\
         {:.1} GFLOP/s{}\n",
        place(&report.cpu, report.isa, report.threads, &report.device),
        report.cell.title(),
        report.path,
        report.tunes,
        report.hidden,
        report.layers,
        report.step_us,
        output::thousands(report.characters_per_s as usize),
        report.gflops,
        share_text(report.gflops, report.peak_gflops),
    )
}
