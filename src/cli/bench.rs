//! `hornpipe bench`: how fast this machine trains and generates.

use super::host::{Host, peak_rss_mb};
use super::progress::Bar;
use super::{memory, output};
use crate::nn::init::Initializer;
use crate::nn::{Batch, CpuEngine, Engine, Input, Masking, ModelConfig, State, default_shard_rows};
use crate::optim::{Hyper, Optimizer};
use crate::random::{Purpose, below, generator};
use crate::train::Objective;
use anyhow::{Result, bail};
use hornpipe_kernels::gemm::Gemm;
use serde::Serialize;
use std::time::Instant;

/// Measure this machine: median over steps after warm-up, on random characters.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Time training steps, and forward, backward and optimiser apart.
    Train(TrainArgs),
    /// Time the generation of characters with carried state.
    Generate(GenerateArgs),
}

#[derive(Debug, clap::Args)]
struct Shape {
    /// Sequences side by side (B); when generating, tunes.
    #[arg(long, value_name = "B")]
    batch_size: Option<usize>,
    /// Hidden units of a layer (H).
    #[arg(long, value_name = "H", default_value_t = 256)]
    hidden: usize,
    /// LSTM layers (L).
    #[arg(long, value_name = "L", default_value_t = 3)]
    layers: usize,
    /// Size of a character's vector (E).
    #[arg(long, value_name = "E", default_value_t = 32)]
    embedding: usize,
    /// Distinct characters (V).
    #[arg(long, value_name = "V", default_value_t = 93)]
    vocab: usize,
    /// Threads to work on; 0 for all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::train::threads)]
    threads: usize,
    /// Rows of a shard [default: what training would choose for B].
    #[arg(long, value_name = "R")]
    shard_rows: Option<usize>,
    /// One line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct TrainArgs {
    #[command(flatten)]
    shape: Shape,
    /// Time steps (T).
    #[arg(long, value_name = "T", default_value_t = 100)]
    seq_len: usize,
    /// Whether every step is predicted or only the last.
    #[arg(long, value_enum, default_value = "many-to-many")]
    objective: Objective,
    /// Share of each layer's outputs that is dropped.
    #[arg(long, value_name = "RATE", default_value_t = 0.2)]
    dropout: f32,
    /// The update rule.
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: Optimizer,
    /// Steps that count, after three of warm-up.
    #[arg(long, value_name = "N", default_value_t = 15)]
    steps: usize,
}

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct GenerateArgs {
    #[command(flatten)]
    shape: Shape,
    /// Characters of each tune that count, after a warm-up.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    characters: usize,
}

/// The most steps or characters that can be measured: all their times are kept.
const MOST: usize = 10_000_000;

/// How the floating-point operations are counted.
const FLOPS_FORMULA: &str = "2*4H*(I+H) per layer, token and pass; 3 passes in training (forward, d_input, d_weights); embedding and linear not counted";

#[derive(Debug, Serialize)]
struct TrainReport {
    step_ms: f64,
    forward_ms: f64,
    backward_ms: f64,
    optimizer_ms: f64,
    gflops: f64,
    tokens_per_s: f64,
    peak_rss_mb: Option<f64>,
    threads: usize,
    isa: &'static str,
    gemm: &'static str,
    cpu: String,
    cores: usize,
    batch_size: usize,
    seq_len: usize,
    hidden: usize,
    layers: usize,
    shard_rows: usize,
    objective: Objective,
    steps: usize,
    flops_formula: &'static str,
}

#[derive(Debug, Serialize)]
struct GenerateReport {
    characters_per_s: f64,
    step_us: f64,
    gflops: f64,
    peak_rss_mb: Option<f64>,
    threads: usize,
    isa: &'static str,
    cpu: String,
    cores: usize,
    tunes: usize,
    hidden: usize,
    layers: usize,
    shard_rows: usize,
    characters: usize,
    flops_formula: &'static str,
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Train(args) => train(args),
        Command::Generate(args) => generate(args),
    }
}

fn engine(shape: &Shape, steps: usize, rows: usize, dropout: f32, optimizer: Optimizer) -> Result<CpuEngine> {
    let config = ModelConfig {
        vocabulary: shape.vocab,
        input: Input::Embedding(shape.embedding),
        hidden: shape.hidden,
        layers: shape.layers,
        dropout,
    };
    config.validate()?;
    let shard_rows = shape.shard_rows.unwrap_or_else(|| default_shard_rows(rows));
    if rows == 0 || rows > 1 << 16 || !(1..=rows).contains(&shard_rows) {
        bail!("--batch-size must be from 1 to 65536, and --shard-rows from 1 to it");
    }
    memory::check(&config, optimizer, (steps, rows), shard_rows)?;
    // Weights drawn one by one: an orthogonal matrix of 2048 units would take longer than the measurement.
    let parameters = Initializer::Pytorch.parameters(&config, 1);
    let mut engine =
        CpuEngine::new(&config, parameters, optimizer, Gemm::detect()?, shard_rows, shape.threads)?;
    engine.set_state(&State::zeros(config.layers, rows, config.hidden));
    Ok(engine)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn train(args: TrainArgs) -> Result<()> {
    let rows = args.shape.batch_size.unwrap_or(64);
    if !(1..=1 << 16).contains(&args.seq_len) || !(1..=MOST).contains(&args.steps) {
        bail!("--seq-len must be from 1 to 65536, and --steps from 1 to {MOST}");
    }
    let mut engine = engine(&args.shape, args.seq_len, rows, args.dropout, args.optimizer)?;
    let batch = random_batch(args.seq_len, rows, args.shape.vocab, args.objective);
    let (mut steps, mut forward, mut optimizer) = (Vec::new(), Vec::new(), Vec::new());
    let bar = Bar::percent("measuring");
    const WARM_UP: usize = 3;
    for step in 0..WARM_UP + args.steps {
        let masking = Some(Masking { seed: 1, step: step as u64 });
        let hyper = Hyper { optimizer: args.optimizer, lr: 1e-4, clip_norm: Some(1.0), step: step as u64 };
        let began = Instant::now();
        engine.gradients(&batch, masking);
        let gradients = began.elapsed();
        engine.update(&hyper)?;
        let whole = began.elapsed();
        // The forward pass is the first half of `gradients`; alone it is timed on the same batch, weights packed anew.
        let began = Instant::now();
        engine.evaluate(&batch);
        let alone = began.elapsed();
        if step >= WARM_UP {
            steps.push(1e3 * whole.as_secs_f64());
            forward.push(1e3 * alone.as_secs_f64());
            optimizer.push(1e3 * (whole - gradients).as_secs_f64());
        }
        bar.set((step + 1) as f64 / (WARM_UP + args.steps) as f64);
    }
    bar.clear();
    let (step_ms, forward_ms, optimizer_ms) = (median(steps), median(forward), median(optimizer));
    let tokens = (rows * args.seq_len) as f64;
    let host = Host::of(engine.gemm());
    let report = TrainReport {
        step_ms,
        forward_ms,
        backward_ms: step_ms - forward_ms - optimizer_ms,
        optimizer_ms,
        gflops: engine.config().training_flops_per_token() * tokens / step_ms / 1e6,
        tokens_per_s: 1e3 * tokens / step_ms,
        peak_rss_mb: peak_rss_mb(),
        threads: engine.threads(),
        isa: host.isa,
        gemm: host.gemm,
        cpu: host.cpu,
        cores: host.cores,
        batch_size: rows,
        seq_len: args.seq_len,
        hidden: args.shape.hidden,
        layers: args.shape.layers,
        shard_rows: engine.shard_rows(),
        objective: args.objective,
        steps: args.steps,
        flops_formula: FLOPS_FORMULA,
    };
    if args.shape.json {
        return output::print_json(&report);
    }
    output::print(&format!(
        "{} ({}, {} threads)\nB {rows}, T {}, H {}, L {}: a step takes {step_ms:.2} ms \
         (forward {forward_ms:.2}, backward {:.2}, optimiser {optimizer_ms:.2})\n\
         {:.1} GFLOP/s, {} characters/s{}\n",
        report.cpu,
        report.isa,
        report.threads,
        report.seq_len,
        report.hidden,
        report.layers,
        report.backward_ms,
        report.gflops,
        output::thousands(report.tokens_per_s as usize),
        report.peak_rss_mb.map_or(String::new(), |mb| format!(", {mb:.0} MB resident at most")),
    ))
}

fn generate(args: GenerateArgs) -> Result<()> {
    let rows = args.shape.batch_size.unwrap_or(1);
    if !(1..=MOST).contains(&args.characters) {
        bail!("--characters must be from 1 to {MOST}");
    }
    let mut engine = engine(&args.shape, 1, rows, 0.0, Optimizer::Adam)?;
    let mut tokens = vec![0u32; rows];
    let mut times = Vec::new();
    let bar = Bar::percent("measuring");
    let warm_up = args.characters / 10 + 5;
    for step in 0..warm_up + args.characters {
        let began = Instant::now();
        let logits = engine.advance(&tokens);
        for (token, row) in tokens.iter_mut().zip(logits.rows()) {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            *token = best.map_or(0, |(index, _)| index as u32);
        }
        if step >= warm_up {
            times.push(began.elapsed().as_secs_f64());
        }
        if step % 100 == 0 {
            bar.set(step as f64 / (warm_up + args.characters) as f64);
        }
    }
    bar.clear();
    let step = median(times);
    let host = Host::of(engine.gemm());
    let report = GenerateReport {
        characters_per_s: rows as f64 / step,
        step_us: 1e6 * step,
        gflops: engine.config().forward_flops_per_token() * rows as f64 / step / 1e9,
        peak_rss_mb: peak_rss_mb(),
        threads: engine.threads(),
        isa: host.isa,
        cpu: host.cpu,
        cores: host.cores,
        tunes: rows,
        hidden: args.shape.hidden,
        layers: args.shape.layers,
        shard_rows: engine.shard_rows(),
        characters: args.characters,
        flops_formula: FLOPS_FORMULA,
    };
    if args.shape.json {
        return output::print_json(&report);
    }
    output::print(&format!(
        "{} ({}, {} threads)\n{rows} tunes, H {}, L {}: {:.1} µs a step, {} characters/s, {:.1} GFLOP/s\n",
        report.cpu,
        report.isa,
        report.threads,
        report.hidden,
        report.layers,
        report.step_us,
        output::thousands(report.characters_per_s as usize),
        report.gflops,
    ))
}

/// A batch of random characters that never changes.
fn random_batch(steps: usize, rows: usize, vocabulary: usize, objective: Objective) -> Batch {
    let mut rng = generator(1, Purpose::SeedWindow);
    let mut batch = Batch::zeros(steps, rows);
    let bound = vocabulary as u32;
    batch.tokens.iter_mut().chain(&mut batch.targets).for_each(|token| *token = below(&mut rng, bound));
    match objective {
        Objective::ManyToMany => batch.weights.fill(1.0),
        Objective::ManyToOne => batch.weights.row_mut(steps - 1).fill(1.0),
    }
    batch
}
