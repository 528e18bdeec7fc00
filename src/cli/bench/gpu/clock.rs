//! How long a GPU takes: by its own timestamps, or by the host's clock around what is run.

use crate::cli::bench::Spread;
use anyhow::Result;
use hornpipe_kernels::gpu::{Array, CHAINS, Gpu, Part, Program, Recorder};
use std::time::Instant;

/// Empty dispatches that are timed together.
const EMPTY: usize = 500;
/// Seconds of one loop of multiply-adds, and loops of which the best counts.
const LOOP_SECONDS: f64 = 0.02;
const LOOPS: usize = 5;

/// A GPU with what it costs to run nothing, in seconds.
pub struct Clock {
    gpu: Gpu,
    /// Whether the device tells the time.
    pub timestamps: bool,
    /// From submitting one empty dispatch to knowing that it is done, by the host's clock.
    pub launch: f64,
    /// An empty dispatch behind another one that it waits for.
    pub dispatch: f64,
    /// A pair of timestamps.
    stamps: f64,
    repeats: usize,
}

impl Clock {
    /// Measures what nothing costs. Everything is timed `repeats` times; the median counts.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(gpu: Gpu, timestamps: bool, repeats: usize) -> Result<Self> {
        let out = Array::zeros(&gpu, "an empty dispatch", 256)?;
        let empty = |count: usize| {
            let mut recorder = Recorder::new(&gpu);
            for _ in 0..count {
                recorder.multiply_adds(0, &out);
            }
            recorder.finish()
        };
        let (one, many) = (empty(1), empty(EMPTY));
        let mut clock = Clock { gpu, timestamps, launch: 0.0, dispatch: 0.0, stamps: 0.0, repeats };
        clock.launch = median(10 * repeats, || Ok(clock.wall(&[&one])))?;
        let each = |seconds: f64| seconds / EMPTY as f64;
        if timestamps {
            let timed = |programs: &[&Program]| {
                median(repeats, || Ok(clock.gpu.run_timed(programs)?.iter().map(|time| time.seconds).sum()))
            };
            clock.dispatch = each(timed(&[&many])?);
            // Of one stretch each.
            clock.stamps = (each(timed(&[&one; EMPTY])?) - clock.dispatch).max(0.0);
        } else {
            clock.dispatch = each(median(repeats, || Ok(clock.wall(&[&many])))? - clock.launch).max(0.0);
        }
        Ok(clock)
    }

    /// The seconds of each part of these programs. By the host's clock each part is run alone, and a launch taken off.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn parts(&self, programs: &[&Program], parts: &[Part]) -> Result<Vec<f64>> {
        if !self.timestamps {
            let alone = |part: &Part| {
                let only: Vec<Program> = programs.iter().map(|program| program.only(part)).collect();
                let only: Vec<&Program> = only.iter().collect();
                median(self.repeats, || Ok(self.wall(&only) - self.launch))
            };
            return parts.iter().map(alone).collect();
        }
        let mut seconds = vec![Vec::new(); parts.len()];
        for _ in 0..self.repeats {
            for (all, time) in seconds.iter_mut().zip(self.gpu.run_timed(programs)?) {
                all.push(time.seconds - time.stretches as f64 * self.stamps);
            }
        }
        Ok(seconds.into_iter().map(|all| Spread::of(all).median).collect())
    }

    /// The seconds that the host takes to record and submit these programs. (Only then does the device begin.)
    pub fn recording(&self, programs: &[&Program]) -> Result<f64> {
        median(self.repeats, || {
            let began = Instant::now();
            self.gpu.run(programs);
            let seconds = began.elapsed().as_secs_f64();
            self.gpu.wait();
            Ok(seconds)
        })
    }

    /// The most multiply-adds that the device does, in GFLOP/s.
    ///
    /// # Errors
    /// Where the device has no memory.
    pub fn peak_gflops(&self) -> Result<f64> {
        let out = Array::zeros(&self.gpu, "the multiply-adds", CHAINS)?;
        let timed = |rounds: usize| {
            let mut recorder = Recorder::new(&self.gpu);
            let operations = recorder.multiply_adds(rounds, &out);
            (operations, self.wall(&[&recorder.finish()]) - self.launch)
        };
        let mut rounds = 1;
        let rounds = loop {
            let (_, seconds) = timed(rounds);
            if seconds > 0.25 * LOOP_SECONDS || self.gpu.failure().is_some() {
                break (rounds as f64 * LOOP_SECONDS / seconds).ceil() as usize;
            }
            rounds *= 2;
        };
        let speed = |_| {
            let (operations, seconds) = timed(rounds);
            operations / seconds / 1e9
        };
        Ok((0..LOOPS).map(speed).fold(0.0, f64::max))
    }

    /// From here to the end of what is run.
    fn wall(&self, programs: &[&Program]) -> f64 {
        let began = Instant::now();
        self.gpu.run(programs);
        self.gpu.wait();
        began.elapsed().as_secs_f64()
    }
}

/// The median of what is measured so many times, after once that does not count.
fn median(times: usize, mut measure: impl FnMut() -> Result<f64>) -> Result<f64> {
    measure()?;
    Ok(Spread::of((0..times).map(|_| measure()).collect::<Result<_>>()?).median)
}
