//! `hornpipe bench peak`, and the peak that the other measurements are compared with.

use crate::cli::host::cpu_name;
use crate::cli::{memory, output};
use anyhow::{Context, Result};
use hornpipe_kernels::{Isa, peak};
use serde::Serialize;
use std::hint::black_box;
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads of the measurement on all cores; 0 for as many as there are.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::cli::train::threads)]
    threads: usize,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

/// Seconds of one FMA loop.
const LOOP_SECONDS: f64 = 0.008;
/// Rounds of which the best counts: another program can only make one slower.
const ROUNDS: usize = 5;

/// The peak of an engine's threads, measured just before and just after what is compared with it.
pub struct Gauge {
    isa: Isa,
    team: Team,
    before: f64,
}

impl Gauge {
    /// Measures for the first time.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn before(isa: Isa, threads: usize) -> Result<Self> {
        let team = Team::new(threads)?;
        let before = team.fma_gflops(isa);
        Ok(Gauge { isa, team, before })
    }

    /// What the first measurement said, in GFLOP/s.
    pub fn so_far(&self) -> f64 {
        self.before
    }

    /// Measures again: the greater of both, in GFLOP/s.
    pub fn after(self) -> f64 {
        self.team.fma_gflops(self.isa).max(self.before)
    }
}

/// Threads that all begin at once.
struct Team {
    pool: rayon::ThreadPool,
    barrier: Barrier,
}

impl Team {
    /// `threads`, or as many as the machine has for 0.
    fn new(threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.context("cannot start the threads to measure on; try fewer with --threads")?;
        let barrier = Barrier::new(pool.current_num_threads());
        Ok(Team { pool, barrier })
    }

    fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// The seconds that `work(thread)` takes, from the first to begin to the last to end, in the best of some rounds.
    fn best_seconds(&self, work: impl Fn(usize) + Sync) -> f64 {
        let rounds = self.pool.broadcast(|context| {
            let round = |_| {
                self.barrier.wait();
                let began = Instant::now();
                work(context.index());
                (began, Instant::now())
            };
            (0..ROUNDS).map(round).collect::<Vec<_>>()
        });
        let seconds = (0..ROUNDS).filter_map(|k| {
            let began = rounds.iter().map(|r| r[k].0).min()?;
            let ended = rounds.iter().map(|r| r[k].1).max()?;
            Some((ended - began).as_secs_f64())
        });
        seconds.fold(f64::INFINITY, f64::min)
    }

    /// The most multiply-adds that all threads together do, in GFLOP/s.
    fn fma_gflops(&self, isa: Isa) -> f64 {
        let mut rounds = 1 << 10;
        // Also warms up: processors raise their clock, and widen their units, only after a while.
        let rounds = loop {
            let began = Instant::now();
            black_box(peak::fma(isa, rounds));
            let seconds = began.elapsed().as_secs_f64();
            if seconds > 0.25 * LOOP_SECONDS {
                break (rounds as f64 * LOOP_SECONDS / seconds) as u64;
            }
            rounds *= 2;
        };
        let flops = peak::fma(isa, rounds) * self.threads() as f64;
        let seconds = self.best_seconds(|_| {
            black_box(peak::fma(isa, rounds));
        });
        flops / seconds / 1e9
    }
}

/// Three arrays for each thread, much larger together than all caches.
struct Memory<'a> {
    team: &'a Team,
    arrays: Vec<Mutex<[Vec<f32>; 3]>>,
    /// Numbers in one array, of all threads.
    len: usize,
}

impl<'a> Memory<'a> {
    /// Arrays of about `bytes`, first touched by the threads that use them, so that they lie near them.
    fn new(team: &'a Team, bytes: usize) -> Self {
        let each = (bytes / size_of::<f32>() / team.threads()).max(1);
        let fill = |k: usize| vec![1.0 + k as f32; each];
        let arrays = team.pool.broadcast(|_| Mutex::new([fill(0), fill(1), fill(2)]));
        Memory { team, len: each * arrays.len(), arrays }
    }

    fn gb_s(&self, bytes_a_number: usize, work: impl Fn(&mut [Vec<f32>; 3]) + Sync) -> f64 {
        let seconds = self.team.best_seconds(|thread| {
            work(&mut self.arrays[thread].lock().unwrap_or_else(PoisonError::into_inner));
        });
        (bytes_a_number * self.len) as f64 / seconds / 1e9
    }

    fn bandwidth(&self, isa: Isa) -> Bandwidth {
        Bandwidth {
            read_gb_s: self.gb_s(4, |[a, _, _]| {
                black_box(peak::read(isa, a));
            }),
            copy_gb_s: self.gb_s(8, |[a, _, to]| peak::copy(isa, a, to)),
            triad_gb_s: self.gb_s(12, |[a, b, to]| peak::triad(isa, a, 0.5, b, to)),
        }
    }
}

/// Bytes of one array: four times the last cache where the system tells its size, within what memory can hold.
fn array_bytes() -> usize {
    let size = |index: usize| -> Option<usize> {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let text = std::fs::read_to_string(path).ok()?;
        text.trim().strip_suffix('K')?.parse().ok()
    };
    let last = (0..8).filter_map(size).max().unwrap_or(32 << 10) << 10;
    let fits = memory::available().map_or(usize::MAX, |free| (free / 6.0) as usize);
    (4 * last).clamp(64 << 20, 256 << 20).min(fits)
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Bandwidth {
    read_gb_s: f64,
    copy_gb_s: f64,
    triad_gb_s: f64,
}

#[derive(Debug, Serialize)]
struct Row {
    isa: &'static str,
    lanes: usize,
    core_gflops: f64,
    all_gflops: f64,
    core: Bandwidth,
    all: Bandwidth,
}

#[derive(Debug, Serialize)]
struct Report {
    cpu: String,
    cores: usize,
    threads: usize,
    array_mb: f64,
    seconds: f64,
    isas: Vec<Row>,
}

pub fn run(args: &Args) -> Result<()> {
    let began = Instant::now();
    let (one, all) = (Team::new(1)?, Team::new(args.threads)?);
    let bytes = array_bytes();
    let fma: Vec<_> =
        Isa::available().into_iter().map(|isa| (isa, one.fma_gflops(isa), all.fma_gflops(isa))).collect();
    let bandwidth = |team| {
        let memory = Memory::new(team, bytes);
        fma.iter().map(|&(isa, ..)| memory.bandwidth(isa)).collect::<Vec<_>>()
    };
    // One after the other, so that the arrays of one are given back before those of the other are taken.
    let on_one = bandwidth(&one);
    let on_all = bandwidth(&all);
    let isas: Vec<Row> = fma
        .iter()
        .zip(on_one.into_iter().zip(on_all))
        .map(|(&(isa, core_gflops, all_gflops), (core, all))| Row {
            isa: isa.name(),
            lanes: isa.lanes(),
            core_gflops,
            all_gflops,
            core,
            all,
        })
        .collect();
    let report = Report {
        cpu: cpu_name(),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
        threads: all.threads(),
        array_mb: bytes as f64 / 1e6,
        seconds: began.elapsed().as_secs_f64(),
        isas,
    };
    if args.json { output::print_json(&report) } else { output::print(&table(&report)) }
}

fn table(report: &Report) -> String {
    let Report { cpu, threads, array_mb, .. } = report;
    let all = format!("{threads} thread{}", if *threads == 1 { "" } else { "s" });
    let mut text = format!("{cpu}: one thread and {all}, best of {ROUNDS} rounds\n\n");
    text +=
        &format!("{:<9}{:>28}{:>42}\n", "", "multiply-add, GFLOP/s", "memory, GB/s (read / copy / triad)");
    text += &format!("{:<9}{:>16}{:>14}{:>22}{:>22}\n", "ISA", "one thread", &all, "one thread", &all);
    for row in &report.isas {
        let memory = |b: &Bandwidth| format!("{:.1} / {:.1} / {:.1}", b.read_gb_s, b.copy_gb_s, b.triad_gb_s);
        text += &format!(
            "{:<9}{:>16.1}{:>14.1}{:>22}{:>22}\n",
            row.isa,
            row.core_gflops,
            row.all_gflops,
            memory(&row.core),
            memory(&row.all)
        );
    }
    text + &format!("\narrays of {array_mb:.0} MB; what a write reads first is not counted\n")
}
