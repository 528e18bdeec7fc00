//! `hornpipe bench sweep`: training steps over hidden units, batch sizes, time steps and threads.

mod picture;

use super::peak::Gauge;
use super::{FLOPS_FORMULA, SIZES, Spread, engine, formula};
use crate::checkpoint::write_atomically;
use crate::cli::host::Host;
use crate::cli::output::{self, duration, tell};
use crate::cli::progress::Bar;
use crate::cli::{interrupt, memory};
use crate::nn::{Cell, Engine, Input, Masking, ModelConfig, default_shard_rows};
use crate::optim::{Hyper, Optimizer};
use crate::train::Objective;
use anyhow::{Context, Result, bail};
use hornpipe_kernels::gemm::Gemm;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// Hidden units of a layer (H), with commas between [default: 64 to 2048].
    #[arg(long, value_name = "H,…", value_delimiter = ',')]
    hidden: Vec<usize>,
    /// Sequences side by side (B) [default: 1 to 256].
    #[arg(long, value_name = "B,…", value_delimiter = ',')]
    batch_size: Vec<usize>,
    /// Time steps (T) [default: 25 to 400].
    #[arg(long, value_name = "T,…", value_delimiter = ',')]
    seq_len: Vec<usize>,
    /// Threads; 0 is all cores [default: 1, 2, 4 and so on to all cores].
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = crate::cli::train::threads)]
    threads: Vec<usize>,
    /// LSTM layers (L).
    #[arg(long, value_name = "L", default_value_t = 3)]
    layers: usize,
    /// A few small sizes, shortly.
    #[arg(long)]
    quick: bool,
    /// Leave out sizes of which a single step would take longer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    max_seconds: f64,
    /// The folder for sweep.csv and sweep.svg [default: a dated one in runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

const CSV: &str = "sweep.csv";
const SVG: &str = "sweep.svg";
/// The vocabulary and the embedding are the article's.
const VOCABULARY: usize = 93;
const EMBEDDING: usize = 32;
/// The share of the peak that a size is believed to reach before any like it is measured.
const SHARE: f64 = 0.4;

/// One size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Size {
    hidden: usize,
    batch_size: usize,
    seq_len: usize,
    threads: usize,
}

/// What was measured of it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Speed {
    step_ms: f64,
    steps: usize,
    gflops: f64,
    peak_gflops: f64,
    share_of_peak: f64,
    tokens_per_s: f64,
}

#[derive(Debug, Serialize)]
struct Point {
    #[serde(flatten)]
    size: Size,
    #[serde(flatten)]
    speed: Option<Speed>,
    /// Why there is no speed.
    skipped: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    host: Host,
    layers: usize,
    interrupted: bool,
    csv: PathBuf,
    svg: PathBuf,
    flops_formula: &'static str,
    points: &'a [Point],
}

pub fn run(args: &Args) -> Result<()> {
    let sizes = sizes(args)?;
    let gemm = Gemm::detect()?;
    let host = Host::of(gemm);
    let folder = args.out.clone().unwrap_or_else(|| {
        Path::new("runs").join(chrono::Local::now().format("sweep_%Y-%m-%d_%H-%M-%S").to_string())
    });
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    interrupt::catch("stopping after this size")?;

    let mut sweep = Sweep { args, gemm, points: Vec::new() };
    let weights: Vec<f64> = sizes.iter().map(|&size| sweep.expected_cost(size)).collect();
    let all: f64 = weights.iter().sum();
    let mut done = 0.0;
    let bar = Bar::percent("sweep");
    if !args.json {
        output::print(&heading(&host, args.layers))?;
    }
    for (&size, weight) in sizes.iter().zip(&weights) {
        if interrupt::requested() {
            break;
        }
        let point = sweep.measure(size)?;
        if !args.json {
            bar.hidden(|| output::print(&line(&point)))?;
        }
        sweep.points.push(point);
        // After each size, so that whatever ends the sweep leaves what there is.
        write(&folder.join(CSV), &csv(&sweep.points))?;
        done += weight;
        bar.set(done / all);
    }
    bar.clear();
    let title = format!("{}, {}, {} layers", host.cpu, host.isa, args.layers);
    write(&folder.join(SVG), &picture::draw(&title, &sweep.points)?)?;
    let report = Report {
        host,
        layers: args.layers,
        interrupted: interrupt::requested(),
        csv: folder.join(CSV),
        svg: folder.join(SVG),
        flops_formula: FLOPS_FORMULA,
        points: &sweep.points,
    };
    tell!("wrote {} and {}", report.csv.display(), report.svg.display());
    if args.json { output::print_json(&report) } else { Ok(()) }
}

/// All sizes, from the smallest to the largest network.
fn sizes(args: &Args) -> Result<Vec<Size>> {
    let or = |given: &[usize], quick: &[usize], full: &[usize]| match (given, args.quick) {
        ([], true) => quick.to_vec(),
        ([], false) => full.to_vec(),
        _ => given.to_vec(),
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut doubled: Vec<usize> =
        std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < cores).collect();
    doubled.push(cores);
    let ends = if cores == 1 { vec![1] } else { vec![1, cores] };
    let hidden = or(&args.hidden, &[64, 256], &[64, 128, 256, 512, 1024, 2048]);
    let batch_size = or(&args.batch_size, &[1, 16, 64], &[1, 4, 16, 64, 256]);
    let seq_len = or(&args.seq_len, &[25], &[25, 100, 400]);
    let mut threads = or(&args.threads, &ends, &doubled);
    threads.iter_mut().filter(|n| **n == 0).for_each(|n| *n = cores);
    if !batch_size.iter().all(|n| SIZES.contains(n)) || !seq_len.iter().all(|n| SIZES.contains(n)) {
        bail!("--batch-size and --seq-len must be from 1 to 65536");
    }
    if !(args.max_seconds > 0.0 && args.max_seconds.is_finite()) {
        bail!("--max-seconds must be a number above 0, and not {}", args.max_seconds);
    }
    let mut sizes = Vec::new();
    for &hidden in &hidden {
        config(hidden, args.layers).validate()?;
        for &threads in &threads {
            for &batch_size in &batch_size {
                for &seq_len in &seq_len {
                    let size = Size { hidden, batch_size, seq_len, threads };
                    if !sizes.contains(&size) {
                        sizes.push(size);
                    }
                }
            }
        }
    }
    Ok(sizes)
}

fn config(hidden: usize, layers: usize) -> ModelConfig {
    ModelConfig {
        cell: Cell::Lstm,
        vocabulary: VOCABULARY,
        input: Input::Embedding(EMBEDDING),
        hidden,
        layers,
        dropout: 0.2,
        weight_drop: 0.0,
    }
}

/// What is measured so far.
struct Sweep<'a> {
    args: &'a Args,
    gemm: Gemm,
    points: Vec<Point>,
}

impl Sweep<'_> {
    fn flops(&self, size: Size) -> f64 {
        let tokens = (size.batch_size * size.seq_len) as f64;
        config(size.hidden, self.args.layers).training_flops_per_token() * tokens
    }

    /// Seconds that the size may take in all, in terms of any processor: for the progress bar alone.
    fn expected_cost(&self, size: Size) -> f64 {
        let step = self.flops(size) / (80e9 * size.threads as f64);
        if step > self.args.max_seconds { 0.01 } else { 0.2 + (2.0 * step).max(self.least_seconds()) }
    }

    /// Steps are repeated for so long.
    fn least_seconds(&self) -> f64 {
        if self.args.quick { 0.1 } else { 0.5 }
    }

    /// GFLOP/s that may be expected: the best of a network of the same width, else a share of the peak.
    fn expected_gflops(&self, size: Size, peak: f64) -> f64 {
        let alike =
            self.points.iter().filter(|p| p.size.hidden == size.hidden && p.size.threads == size.threads);
        alike.filter_map(|p| p.speed).map(|s| s.gflops).fold(SHARE * peak, f64::max)
    }

    fn measure(&self, size: Size) -> Result<Point> {
        let skip = |why| Ok(Point { size, speed: None, skipped: Some(why) });
        let config = config(size.hidden, self.args.layers);
        let shard_rows = default_shard_rows(size.batch_size, size.hidden, VOCABULARY);
        let shape = (size.seq_len, size.batch_size);
        let (needed, free) = memory::estimate(&config, Optimizer::Adam, shape, shard_rows, size.threads);
        if free.is_some_and(|free| needed > free) {
            return skip(format!(
                "needs about {:.1} GB, {:.1} are free",
                needed / 1e9,
                free.unwrap_or(0.0) / 1e9
            ));
        }
        let gauge = Gauge::before(self.gemm.isa(), size.threads)?;
        let seconds = self.flops(size) / self.expected_gflops(size, gauge.so_far()) / 1e9;
        if seconds > self.args.max_seconds {
            return skip(format!("a step would take about {}", duration(seconds)));
        }
        let mut engine = engine(&config, Optimizer::Adam, size.batch_size, shard_rows, size.threads)?;
        let batch = formula::batch(size.seq_len, size.batch_size, VOCABULARY, Objective::ManyToMany);
        let mut step = 0;
        let mut timed = || -> Result<f64> {
            let hyper = Hyper { optimizer: Optimizer::Adam, lr: 1e-4, clip_norm: Some(1.0), step };
            let masking = Some(Masking { seed: 1, step });
            step += 1;
            let began = Instant::now();
            engine.train_step(&batch, masking, &hyper)?;
            Ok(began.elapsed().as_secs_f64())
        };
        let warm_up = timed()?;
        let mut times = Vec::new();
        if warm_up > self.args.max_seconds {
            // Longer than expected, and long enough not to be worth another.
            times.push(warm_up);
        }
        let began = Instant::now();
        while times.is_empty()
            || (times.len() < 3 && began.elapsed().as_secs_f64() + warm_up < self.args.max_seconds)
            || began.elapsed().as_secs_f64() < self.least_seconds()
        {
            times.push(timed()?);
            if interrupt::requested() {
                break;
            }
        }
        let steps = times.len();
        let peak_gflops = gauge.after();
        let seconds = Spread::of(times).median;
        let gflops = self.flops(size) / seconds / 1e9;
        let speed = Speed {
            step_ms: 1e3 * seconds,
            steps,
            gflops,
            peak_gflops,
            share_of_peak: gflops / peak_gflops,
            tokens_per_s: (size.batch_size * size.seq_len) as f64 / seconds,
        };
        Ok(Point { size, speed: Some(speed), skipped: None })
    }
}

fn heading(host: &Host, layers: usize) -> String {
    format!(
        "{} ({}): training steps of {layers} layers, many-to-many, Adam, dropout 0.2\n\n\
         {:>6}{:>5}{:>5}{:>9}{:>12}{:>10}{:>9}{:>14}\n",
        host.cpu, host.isa, "H", "B", "T", "threads", "step, ms", "GFLOP/s", "of peak", "characters/s"
    )
}

fn line(point: &Point) -> String {
    let Size { hidden, batch_size, seq_len, threads } = point.size;
    let size = format!("{hidden:>6}{batch_size:>5}{seq_len:>5}{threads:>9}");
    match &point.speed {
        Some(speed) => format!(
            "{size}{:>12.2}{:>10.1}{:>7.0} %{:>14}\n",
            speed.step_ms,
            speed.gflops,
            100.0 * speed.share_of_peak,
            output::thousands(speed.tokens_per_s as usize),
        ),
        None => format!("{size}    left out: {}\n", point.skipped.as_deref().unwrap_or_default()),
    }
}

fn csv(points: &[Point]) -> String {
    let mut text = "hidden,batch_size,seq_len,threads,step_ms,steps,gflops,peak_gflops,share_of_peak,tokens_per_s,skipped\n"
        .to_string();
    for Point { size, speed, skipped } in points {
        text += &format!("{},{},{},{},", size.hidden, size.batch_size, size.seq_len, size.threads);
        text += &match speed {
            Some(s) => format!(
                "{},{},{},{},{},{},\n",
                s.step_ms, s.steps, s.gflops, s.peak_gflops, s.share_of_peak, s.tokens_per_s
            ),
            None => format!(",,,,,,\"{}\"\n", skipped.as_deref().unwrap_or_default()),
        };
    }
    text
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_atomically(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
