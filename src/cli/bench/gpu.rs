//! `hornpipe bench gpu`: what each shader of a training step takes.

mod clock;

use super::train::{Measured, SPLIT_STEPS, Work};
use super::{FLOPS_FORMULA, Network, Spread, formula, rest};
use crate::cli::device::{self, Device};
use crate::cli::progress::Bar;
use crate::cli::{memory, output};
use crate::nn::{Cell, GpuEngine};
use crate::train::Objective;
use anyhow::{Result, bail};
use clock::Clock;
use hornpipe_kernels::gpu::{Part, Work as Done, parts};
use serde::Serialize;

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    work: Work,
    /// Which GPU: gpu, gpu:NUMBER or gpu:NAME (see `hornpipe bench devices`).
    #[arg(long, value_name = "DEVICE", default_value = "gpu", value_parser = choice)]
    device: String,
    /// Time each shader alone by the host's clock, as on a device that has no timestamps.
    #[arg(long)]
    host_clock: bool,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

fn choice(text: &str) -> Result<String, String> {
    match device::parse(text)? {
        Device::Gpu(choice) => Ok(choice),
        Device::Cpu => Err("the processor has no shaders; see `hornpipe bench train`".to_string()),
    }
}

/// One shader to one purpose.
#[derive(Debug, Serialize)]
struct Row {
    shader: &'static str,
    /// Of products.
    purpose: &'static str,
    dispatches: usize,
    /// Of all dispatches in a step.
    ms: f64,
    us_each: f64,
    share_of_step: f64,
    /// Of products.
    gflops: Option<f64>,
    /// Of all others; each number that is read or written counts once.
    gb_s: Option<f64>,
}

/// Where a step's milliseconds go; together they are the step.
#[derive(Debug, Serialize)]
struct Split {
    /// The host records and submits; the device waits.
    recording_ms: f64,
    /// As many empty dispatches.
    dispatches_ms: f64,
    /// What is above an empty dispatch, of products, of the gates, of the other shaders.
    products_ms: f64,
    gates_ms: f64,
    others_ms: f64,
    /// Upload, copies, the way back.
    rest_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    device: String,
    backend: String,
    driver: String,
    /// `device`: timestamps within the step. `host`: each part alone, repeated.
    clock: &'static str,
    step_ms: f64,
    step_ms_min: f64,
    step_ms_max: f64,
    gflops: f64,
    /// What multiply-adds in registers reach.
    peak_gflops: f64,
    dispatches: usize,
    empty_dispatch_us: f64,
    launch_us: f64,
    split: Split,
    shaders: Vec<Row>,
    batch_size: usize,
    seq_len: usize,
    hidden: usize,
    layers: usize,
    embedding: usize,
    vocab: usize,
    objective: Objective,
    dropout: f32,
    flops_formula: &'static str,
}

pub fn run(args: &Args) -> Result<()> {
    let Args { network, work, .. } = args;
    let (rows, steps) = (network.batch_size.unwrap_or(64), work.seq_len);
    work.check()?;
    let config = network.model(Cell::Lstm, work.dropout);
    config.validate()?;
    if !super::SIZES.contains(&rows) {
        bail!("--batch-size must be from 1 to 65536");
    }
    memory::check(
        &Device::Gpu(args.device.clone()),
        &config,
        work.optimizer,
        (steps, rows),
        rows,
        memory::SMALLER,
    )?;
    let gpu = device::gpu::open(&args.device)?;
    let parameters = formula::parameters(&config);
    let mut engine = GpuEngine::new(&config, parameters, work.optimizer, gpu.clone(), (steps, rows))?;
    rest(&mut engine, rows);
    let batch = formula::batch(steps, rows, network.vocab, work.objective);

    let bar = Bar::percent("measuring");
    let mut measured = Measured { engine: &mut engine, batch: &batch, work, step: 0 };
    let mut whole = Vec::new();
    for k in 0..work.warm_up + work.steps {
        let ms = measured.whole()?;
        if k >= work.warm_up {
            whole.push(ms);
        }
        bar.set(0.5 * (k + 1) as f64 / (work.warm_up + work.steps) as f64);
    }
    let clock =
        Clock::new(gpu.clone(), gpu.has_timestamps() && !args.host_clock, SPLIT_STEPS.min(work.steps))?;
    bar.set(0.6);
    let peak_gflops = clock.peak_gflops()?;
    bar.set(0.7);
    let (masking, hyper) = work.step((work.warm_up + work.steps) as u64);
    // None only after a failure, which is told below.
    let programs = engine.training_programs(&batch, masking, &hyper).unwrap_or_default();
    let parts = parts(&programs);
    let seconds = clock.parts(&programs, &parts)?;
    let recording = clock.recording(&programs)?;
    bar.clear();
    if let Some(failure) = gpu.failure() {
        bail!("{failure}; nothing was measured");
    }

    let whole = Spread::of(whole);
    let rows_of_table = parts.iter().zip(&seconds).map(|(part, &seconds)| row(part, seconds, whole.median));
    let info = gpu.info().clone();
    let report = Report {
        device: info.name,
        backend: info.backend,
        driver: info.driver,
        clock: if clock.timestamps { "device" } else { "host" },
        step_ms: whole.median,
        step_ms_min: whole.min,
        step_ms_max: whole.max,
        gflops: config.training_flops_per_token() * (rows * steps) as f64 / whole.median / 1e6,
        peak_gflops,
        dispatches: parts.iter().map(|part| part.dispatches).sum(),
        empty_dispatch_us: 1e6 * clock.dispatch,
        launch_us: 1e6 * clock.launch,
        split: split(&parts, &seconds, clock.dispatch, recording, whole.median),
        shaders: rows_of_table.collect(),
        batch_size: rows,
        seq_len: steps,
        hidden: network.hidden,
        layers: network.layers,
        embedding: network.embedding,
        vocab: network.vocab,
        objective: work.objective,
        dropout: work.dropout,
        flops_formula: FLOPS_FORMULA,
    };
    if args.json { output::print_json(&report) } else { output::print(&text(&report)) }
}

fn row(part: &Part, seconds: f64, step_ms: f64) -> Row {
    // What is lost in the clock's ticks has no rate.
    let rate = |work: f64| (seconds > 0.0).then_some(work / seconds / 1e9);
    let (gflops, gb_s) = match part.work {
        Done::Operations(operations) => (rate(operations), None),
        Done::Bytes(bytes) => (None, rate(bytes)),
    };
    Row {
        shader: part.shader(),
        purpose: part.purpose(),
        dispatches: part.dispatches,
        ms: 1e3 * seconds,
        us_each: 1e6 * seconds / part.dispatches as f64,
        share_of_step: 1e3 * seconds / step_ms,
        gflops,
        gb_s,
    }
}

/// Everything in seconds but the step.
fn split(parts: &[Part], seconds: &[f64], dispatch: f64, recording: f64, step_ms: f64) -> Split {
    let net = |counts: &dyn Fn(&Part) -> bool| {
        let counted = parts.iter().zip(seconds).filter(|(part, _)| counts(part));
        1e3 * counted.map(|(part, seconds)| seconds - part.dispatches as f64 * dispatch).sum::<f64>()
    };
    let product = |part: &Part| matches!(part.work, Done::Operations(_));
    let gates = |part: &Part| part.shader().starts_with("lstm_");
    let count: usize = parts.iter().map(|part| part.dispatches).sum();
    let mut split = Split {
        recording_ms: 1e3 * recording,
        dispatches_ms: 1e3 * count as f64 * dispatch,
        products_ms: net(&product),
        gates_ms: net(&gates),
        others_ms: net(&|part| !product(part) && !gates(part)),
        rest_ms: 0.0,
    };
    split.rest_ms = step_ms - split.named().iter().map(|(_, ms)| ms).sum::<f64>();
    split
}

impl Split {
    fn named(&self) -> [(&'static str, f64); 6] {
        [
            ("the host records and submits", self.recording_ms),
            ("empty dispatches, as many", self.dispatches_ms),
            ("products", self.products_ms),
            ("gates", self.gates_ms),
            ("other shaders", self.others_ms),
            ("upload, copies, the way back", self.rest_ms),
        ]
    }
}

fn text(report: &Report) -> String {
    let Report { device, backend, driver, step_ms, gflops, peak_gflops, dispatches, .. } = report;
    let Report { batch_size, seq_len, hidden, layers, empty_dispatch_us, launch_us, .. } = report;
    let share = 100.0 * gflops / peak_gflops;
    let mut text = format!(
        "{device} ({backend}; {driver})\n\
         B {batch_size}, T {seq_len}, H {hidden}, L {layers}: a step takes {step_ms:.2} ms and {dispatches} dispatches\n\
         {gflops:.1} GFLOP/s, {share:.1} % of the {peak_gflops:.0} that multiply-adds in registers reach\n\
         an empty dispatch {empty_dispatch_us:.1} us; to submit one and hear of its end {launch_us:.1} us\n"
    );
    text += match report.clock {
        "device" => {
            "timed by the device's timestamps within the step, what they take themselves taken off\n\n"
        }
        _ => "timed by the host's clock: each line alone, repeated, what a submission takes taken off\n\n",
    };
    text += &format!(
        "{:<14}{:<31}{:>10}{:>9}{:>10}{:>8}  {}\n",
        "shader", "to what end", "dispatches", "us each", "ms", "step", "GFLOP/s or GB/s"
    );
    for row in &report.shaders {
        let rate = match (row.gflops, row.gb_s) {
            (Some(gflops), _) => format!("{gflops:.1} GFLOP/s"),
            (_, Some(gb_s)) => format!("{gb_s:.1} GB/s"),
            _ => String::new(),
        };
        text += &format!(
            "{:<14}{:<31}{:>10}{:>9.1}{:>10.3}{:>6.1} %  {rate}\n",
            row.shader,
            row.purpose,
            row.dispatches,
            row.us_each,
            row.ms,
            100.0 * row.share_of_step
        );
    }
    text += "\nwhere the step goes\n";
    for (name, ms) in report.split.named() {
        text += &format!("{name:<45}{ms:>29.3}{:>6.1} %\n", 100.0 * ms / step_ms);
    }
    text
}
