//! `hornpipe bench`: how fast this machine trains and generates, and how fast it could.

#[cfg(feature = "gpu")]
mod devices;
mod formula;
mod generate;
#[cfg(feature = "gpu")]
mod gpu;
mod peak;
mod sweep;
mod train;

use super::device::{self, Device};
use super::memory;
use crate::nn::{Cell, CpuEngine, Engine, Input, ModelConfig, State, default_shard_rows};
use crate::optim::Optimizer;
use anyhow::{Result, bail};
use hornpipe_kernels::gemm::Gemm;
use peak::Gauge;
use std::ops::RangeInclusive;

/// Where a build knows no GPU, these commands say so, whatever their flags.
#[cfg(not(feature = "gpu"))]
mod missing {
    use crate::cli::device::gpu::MISSING;
    use anyhow::{Result, bail};

    #[derive(Debug, clap::Args)]
    pub struct Args {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        _flags: Vec<String>,
    }

    pub fn run(_: &Args) -> Result<()> {
        bail!(MISSING)
    }
}
#[cfg(not(feature = "gpu"))]
use missing::{self as devices, self as gpu};

/// Measure this machine: median over steps after warm-up, on weights and characters that a formula gives.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Time training steps, and forward, backward and optimiser apart.
    Train(train::Args),
    /// Time the generation of characters, state carried or window recomputed.
    Generate(generate::Args),
    /// List the GPUs that --device can name, with their limits.
    Devices(devices::Args),
    /// Time each shader of a training step on a GPU.
    Gpu(gpu::Args),
    /// Measure what the processor and the memory can do at most, on each instruction set.
    Peak(peak::Args),
    /// Time training steps over many sizes: a table, a CSV and a plot.
    Sweep(sweep::Args),
}

/// The size of the network and of its batches.
#[derive(Debug, clap::Args)]
struct Network {
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
}

/// The network and where it runs.
#[derive(Debug, clap::Args)]
struct Shape {
    #[command(flatten)]
    network: Network,
    /// What the layers are made of; the fused kernels serve the LSTM, the others run batched through matrix products.
    #[arg(long, value_enum, default_value = "lstm")]
    cell: Cell,
    /// Threads to work on; 0 for all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::train::threads)]
    threads: usize,
    /// Rows of a shard [default: what training would choose for B].
    #[arg(long, value_name = "R")]
    shard_rows: Option<usize>,
    /// Where the network runs: cpu, gpu, gpu:NUMBER or gpu:NAME (see `hornpipe bench devices`).
    #[arg(long, value_name = "DEVICE", default_value = "cpu", value_parser = device::parse)]
    device: Device,
    /// One line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// An engine that is measured, and what is told of it.
struct Subject {
    engine: Box<dyn Engine>,
    gemm: Gemm,
    threads: usize,
    shard_rows: usize,
    /// `fused` or `batched`, as the CPU has it; `gpu`.
    path: &'static str,
    /// `cpu`, or the GPU's name.
    device: String,
    gauge: Option<Gauge>,
}

/// The most steps or characters that can be measured: all their times are kept.
const MOST: usize = 10_000_000;

/// What `--batch-size` and `--seq-len` may be.
const SIZES: RangeInclusive<usize> = 1..=1 << 16;

/// How the floating-point operations are counted.
const FLOPS_FORMULA: &str = "2*G*H*(I+H) per layer of G gates (LSTM 4), token and pass; 3 passes in training (forward, d_input, d_weights); embedding and linear not counted";

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Train(args) => train::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Gpu(args) => gpu::run(&args),
        Command::Peak(args) => peak::run(&args),
        Command::Sweep(args) => sweep::run(&args),
    }
}

impl Network {
    fn model(&self, cell: Cell, dropout: f32) -> ModelConfig {
        ModelConfig {
            cell,
            vocabulary: self.vocab,
            input: Input::Embedding(self.embedding),
            hidden: self.hidden,
            layers: self.layers,
            dropout,
            weight_drop: 0.0,
        }
    }
}

impl Shape {
    /// An engine for `rows` sequences, with the formula's weights and a state of zeros. `steps` is what memory must hold.
    fn subject(&self, steps: usize, rows: usize, dropout: f32, optimizer: Optimizer) -> Result<Subject> {
        let config = self.network.model(self.cell, dropout);
        config.validate()?;
        let shard_rows = self
            .shard_rows
            .unwrap_or_else(|| default_shard_rows(rows, self.network.hidden, self.network.vocab));
        if !SIZES.contains(&rows) || !(1..=rows).contains(&shard_rows) {
            bail!("--batch-size must be from 1 to 65536, and --shard-rows from 1 to it");
        }
        memory::check(&self.device, &config, optimizer, (steps, rows), shard_rows, memory::SMALLER)?;
        let gemm = Gemm::detect()?;
        if let Device::Gpu(choice) = &self.device {
            let parameters = formula::parameters(&config);
            let (mut engine, device) =
                device::gpu::named(choice, &config, parameters, optimizer, (steps, rows))?;
            rest(engine.as_mut(), rows);
            return Ok(Subject {
                engine,
                gemm,
                threads: 1,
                shard_rows: rows,
                path: "gpu",
                device,
                gauge: None,
            });
        }
        let engine = engine(&config, optimizer, rows, shard_rows, self.threads)?;
        let (threads, path, device) = (engine.threads(), engine.path(), "cpu".to_string());
        Ok(Subject { engine: Box::new(engine), gemm, threads, shard_rows, path, device, gauge: None })
    }
}

impl Subject {
    /// Measures the processor's peak for the first time. What a GPU could do at most is not known.
    fn start(&mut self) -> Result<()> {
        if self.device == "cpu" {
            self.gauge = Some(Gauge::before(self.gemm.isa(), self.threads)?);
        }
        Ok(())
    }

    /// Measures the peak again: the greater of both, in GFLOP/s.
    fn peak_gflops(&mut self) -> Option<f64> {
        self.gauge.take().map(Gauge::after)
    }

    /// # Errors
    /// Where the engine has failed; then nothing was measured.
    fn check(&self) -> Result<()> {
        match self.engine.failure() {
            Some(cause) => bail!("{cause}; nothing was measured"),
            None => Ok(()),
        }
    }
}

/// `, 82 % of the 117 that multiply-adds reach`, where that is known.
fn share_text(gflops: f64, peak_gflops: Option<f64>) -> String {
    let share =
        |peak: f64| format!(", {:.0} % of the {peak:.0} that multiply-adds reach", 100.0 * gflops / peak);
    peak_gflops.map_or(String::new(), share)
}

/// The processor with its threads, or the GPU.
fn place(cpu: &str, isa: &str, threads: usize, device: &str) -> String {
    if device == "cpu" { format!("{cpu} ({isa}, {threads} threads)") } else { device.to_string() }
}

/// An engine with the formula's weights and a state of zeros.
fn engine(
    config: &ModelConfig,
    optimizer: Optimizer,
    rows: usize,
    shard_rows: usize,
    threads: usize,
) -> Result<CpuEngine> {
    let parameters = formula::parameters(config);
    let mut engine = CpuEngine::new(config, parameters, optimizer, Gemm::detect()?, shard_rows, threads)?;
    rest(&mut engine, rows);
    Ok(engine)
}

/// Lets the engine begin from zeros, with so many rows.
fn rest(engine: &mut dyn Engine, rows: usize) {
    let state = State::zeros(engine.config(), rows);
    engine.set_state(&state);
}

/// The least, the middle and the greatest of some times.
#[derive(Clone, Copy, Debug)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// NaN where there are none.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |k: usize| values.get(k).copied().unwrap_or(f64::NAN);
        Spread { min: at(0), median: at(values.len() / 2), max: at(values.len().wrapping_sub(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_sorted() {
        let Spread { min, median, max } = Spread::of(vec![3.0, 1.0, 2.0, 9.0, 4.0]);
        assert_eq!([min, median, max], [1.0, 3.0, 9.0]);
        assert!(Spread::of(Vec::new()).median.is_nan());
    }
}
