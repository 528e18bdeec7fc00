//! `hornpipe bench train`: what a training step takes.

use super::{FLOPS_FORMULA, MOST, SIZES, Shape, Spread, formula, place, rest, share_text};
use crate::cli::host::{Host, peak_rss_mb};
use crate::cli::output;
use crate::cli::progress::Bar;
use crate::nn::{Batch, Cell, Engine, Masking};
use crate::optim::{Hyper, Optimizer};
use crate::train::Objective;
use anyhow::{Result, bail};
use serde::Serialize;
use std::time::Instant;

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    work: Work,
}

/// The training steps that are measured.
#[derive(Debug, clap::Args)]
pub(super) struct Work {
    /// Time steps (T).
    #[arg(long, value_name = "T", default_value_t = 100)]
    pub seq_len: usize,
    /// Whether every step is predicted or only the last.
    #[arg(long, value_enum, default_value = "many-to-many")]
    pub objective: Objective,
    /// Share of each layer's outputs that is dropped.
    #[arg(long, value_name = "RATE", default_value_t = 0.2)]
    pub dropout: f32,
    /// The update rule.
    #[arg(long, value_enum, default_value = "adam")]
    pub optimizer: Optimizer,
    /// The greatest norm of all gradients together; 0 does not clip.
    #[arg(long, value_name = "NORM", default_value_t = 1.0)]
    clip_norm: f64,
    /// Steps that count.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub steps: usize,
    /// Steps before them that do not.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub warm_up: usize,
}

impl Work {
    /// # Errors
    /// Where a number cannot be.
    pub fn check(&self) -> Result<()> {
        if !SIZES.contains(&self.seq_len) || !(1..=MOST).contains(&self.steps) || self.warm_up > MOST {
            bail!("--seq-len must be from 1 to 65536, --steps from 1 to {MOST}, and --warm-up at most that");
        }
        if !(0.0..f64::INFINITY).contains(&self.clip_norm) {
            bail!("--clip-norm must be a number from 0, and not {}", self.clip_norm);
        }
        Ok(())
    }

    /// Step `step`, counted from 0.
    pub fn step(&self, step: u64) -> (Option<Masking>, Hyper) {
        let clip_norm = Some(self.clip_norm).filter(|&norm| norm > 0.0);
        let hyper = Hyper { optimizer: self.optimizer, lr: LEARNING_RATE, clip_norm, step };
        (Some(Masking { seed: 1, step }), hyper)
    }
}

/// Steps whose parts are timed, after those that are timed as a whole.
pub(super) const SPLIT_STEPS: usize = 7;
/// Too small to change what is computed, and as much work as any other.
const LEARNING_RATE: f64 = 1e-4;

#[derive(Debug, Serialize)]
struct Report {
    step_ms: f64,
    step_ms_min: f64,
    step_ms_max: f64,
    forward_ms: f64,
    backward_ms: f64,
    optimizer_ms: f64,
    gflops: f64,
    peak_gflops: Option<f64>,
    share_of_peak: Option<f64>,
    tokens_per_s: f64,
    /// Nats per character of the batch with the formula's weights, from a state of zeros, without dropout.
    loss: f64,
    /// The norm of that batch's gradients.
    gradient_norm: f64,
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
    batch_size: usize,
    seq_len: usize,
    hidden: usize,
    layers: usize,
    embedding: usize,
    vocab: usize,
    shard_rows: usize,
    objective: Objective,
    dropout: f32,
    clip_norm: f64,
    steps: usize,
    flops_formula: &'static str,
}

pub fn run(args: &Args) -> Result<()> {
    let (rows, work) = (args.shape.network.batch_size.unwrap_or(64), &args.work);
    work.check()?;
    let mut subject = args.shape.subject(work.seq_len, rows, work.dropout, work.optimizer)?;
    let engine = subject.engine.as_mut();
    let batch = formula::batch(work.seq_len, rows, args.shape.network.vocab, work.objective);
    let sums = engine.gradients(&batch, None);
    let gradient_norm = norm(engine.last_gradients().values());
    rest(engine, rows);
    subject.check()?;

    let bar = Bar::percent("measuring");
    subject.start()?;
    let all = work.warm_up + work.steps + SPLIT_STEPS.min(work.steps);
    let mut measured = Measured { engine: subject.engine.as_mut(), batch: &batch, work, step: 0 };
    let mut whole = Vec::new();
    for k in 0..work.warm_up + work.steps {
        let ms = measured.whole()?;
        if k >= work.warm_up {
            whole.push(ms);
        }
        bar.set((k + 1) as f64 / all as f64);
    }
    let step = measured.step;
    let peak_gflops = subject.peak_gflops();
    let mut measured = Measured { engine: subject.engine.as_mut(), batch: &batch, work, step };
    let (mut forward, mut optimizer) = (Vec::new(), Vec::new());
    for k in work.warm_up + work.steps..all {
        let (f, o) = measured.parts()?;
        forward.push(f);
        optimizer.push(o);
        bar.set((k + 1) as f64 / all as f64);
    }
    bar.clear();
    subject.check()?;

    let step = Spread::of(whole);
    let (forward_ms, optimizer_ms) = (Spread::of(forward).median, Spread::of(optimizer).median);
    let tokens = (rows * work.seq_len) as f64;
    let gflops = subject.engine.config().training_flops_per_token() * tokens / step.median / 1e6;
    let host = Host::of(subject.gemm);
    let report = Report {
        step_ms: step.median,
        step_ms_min: step.min,
        step_ms_max: step.max,
        forward_ms,
        backward_ms: step.median - forward_ms - optimizer_ms,
        optimizer_ms,
        gflops,
        peak_gflops,
        share_of_peak: peak_gflops.map(|peak| gflops / peak),
        tokens_per_s: 1e3 * tokens / step.median,
        loss: sums.nats / sums.weight,
        gradient_norm,
        peak_rss_mb: peak_rss_mb(),
        cell: args.shape.cell,
        path: subject.path,
        device: subject.device,
        threads: subject.threads,
        isa: host.isa,
        gemm: host.gemm,
        cpu: host.cpu,
        cores: host.cores,
        batch_size: rows,
        seq_len: work.seq_len,
        hidden: args.shape.network.hidden,
        layers: args.shape.network.layers,
        embedding: args.shape.network.embedding,
        vocab: args.shape.network.vocab,
        shard_rows: subject.shard_rows,
        objective: work.objective,
        dropout: work.dropout,
        clip_norm: work.clip_norm,
        steps: work.steps,
        flops_formula: FLOPS_FORMULA,
    };
    if args.shape.json { output::print_json(&report) } else { output::print(&text(&report)) }
}

/// Steps on one batch, each timed.
pub(super) struct Measured<'a> {
    pub engine: &'a mut dyn Engine,
    pub batch: &'a Batch,
    pub work: &'a Work,
    pub step: u64,
}

impl Measured<'_> {
    fn next(&mut self) -> (Option<Masking>, Hyper) {
        let step = self.step;
        self.step += 1;
        self.work.step(step)
    }

    /// The milliseconds of a whole step: the weights packed anew, forward, backward, clipping, update.
    pub fn whole(&mut self) -> Result<f64> {
        let (masking, hyper) = self.next();
        let began = Instant::now();
        self.engine.train_step(self.batch, masking, &hyper)?;
        Ok(1e3 * began.elapsed().as_secs_f64())
    }

    /// The milliseconds of the forward pass with the weights packed anew, without dropout; and of clipping and update.
    fn parts(&mut self) -> Result<(f64, f64)> {
        let (masking, hyper) = self.next();
        self.engine.gradients(self.batch, masking);
        let began = Instant::now();
        self.engine.update(&hyper)?;
        let updated = began.elapsed();
        let began = Instant::now();
        self.engine.evaluate(self.batch);
        Ok((1e3 * began.elapsed().as_secs_f64(), 1e3 * updated.as_secs_f64()))
    }
}

/// The norm of all gradients together, in f64.
fn norm(gradients: &[f32]) -> f64 {
    gradients.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt()
}

fn text(report: &Report) -> String {
    format!(
        "{}\n{}, {}: B {}, T {}, H {}, L {}: a step takes {:.2} ms \
         (forward {:.2}, backward {:.2}, optimiser {:.2})\n\
         {:.1} GFLOP/s{}; {} characters/s{}\n",
        place(&report.cpu, report.isa, report.threads, &report.device),
        report.cell.title(),
        report.path,
        report.batch_size,
        report.seq_len,
        report.hidden,
        report.layers,
        report.step_ms,
        report.forward_ms,
        report.backward_ms,
        report.optimizer_ms,
        report.gflops,
        share_text(report.gflops, report.peak_gflops),
        output::thousands(report.tokens_per_s as usize),
        report.peak_rss_mb.map_or(String::new(), |mb| format!(", {mb:.0} MB resident at most")),
    )
}
