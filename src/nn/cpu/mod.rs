//! The fast engine: the network on the kernels, its minibatches parallel across Rayon's threads.
//!
//! The minibatch is cut into **shards** of a fixed number of rows. Each runs forward and backward through all layers on one
//! worker; their gradients are added in a fixed tree ([`reduce`]). So the bits of a result depend on the number of
//! rows in a shard and on the instruction set, and on nothing else: any number of threads computes the same.

mod reduce;
mod shard;
mod weights;

use super::engine::{Engine, LossSums, Masking, NotFinite};
use super::{Batch, ModelConfig, Parameters, State};
use crate::optim::{Hyper, Moments, Optimizer};
use hornpipe_kernels::Buffer;
use hornpipe_kernels::elementwise::{add_assign, sum_of_squares};
use hornpipe_kernels::gemm::Gemm;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1};
use shard::{Job, Shard, Workspace};
use std::sync::{Mutex, MutexGuard, PoisonError};
use weights::Weights;

/// The network on the CPU.
pub struct CpuEngine {
    config: ModelConfig,
    gemm: Gemm,
    shard_rows: usize,
    threads: Threads,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    weights: Weights,
    shards: Vec<Shard>,
    /// One a thread.
    workspaces: Vec<Mutex<Workspace>>,
    /// Gradient buffers that wait for the next shard.
    spare: Mutex<Vec<Parameters>>,
    generation: Generation,
}

/// The rows of a shard where nobody says otherwise: a function of `B` alone, so that it never depends on the machine.
/// Small batches are cut in two, so that they feed two cores; larger ones into shards of 8, then of 16 rows, which the
/// kernels need to read each weight often enough.
pub fn default_shard_rows(batch: usize) -> usize {
    match batch {
        0..=16 => batch.div_ceil(2).max(1),
        17..=32 => 8,
        _ => 16,
    }
}

impl CpuEngine {
    /// An engine with these weights, on `threads` threads (0: as many as the machine has).
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn new(
        config: &ModelConfig,
        parameters: Parameters,
        optimizer: Optimizer,
        gemm: Gemm,
        shard_rows: usize,
        threads: usize,
    ) -> Result<Self, ThreadError> {
        let threads = Threads::new(threads)?;
        let workspaces = (0..threads.count()).map(|_| Mutex::new(Workspace::new(config, gemm))).collect();
        let mut engine = CpuEngine {
            config: config.clone(),
            gemm,
            shard_rows: shard_rows.max(1),
            threads,
            moments: Moments::zeros(optimizer, &parameters),
            gradients: parameters.zeros_like(),
            weights: Weights::new(gemm.isa(), config),
            parameters,
            shards: Vec::new(),
            workspaces,
            spare: Mutex::new(Vec::new()),
            generation: Generation::default(),
        };
        engine.set_state(&State::zeros(config.layers, 1, config.hidden));
        Ok(engine)
    }

    /// Threads that it works on.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    /// Who does the large products, on which instruction set.
    pub fn gemm(&self) -> Gemm {
        self.gemm
    }

    /// Rows of a shard.
    pub fn shard_rows(&self) -> usize {
        self.shard_rows
    }

    fn check(&self, batch: &Batch) {
        let rows: usize = self.shards.iter().map(|s| s.rows).sum();
        assert_eq!(batch.rows(), rows, "the batch has as many rows as the carried state");
        let within = |a: &Array2<u32>| a.iter().all(|&t| (t as usize) < self.config.vocabulary);
        assert!(within(&batch.tokens) && within(&batch.targets), "characters below V");
    }
}

/// Locks what no panic can have left half-changed in a way that matters: everything in it is overwritten before it is read.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for CpuEngine {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn edit_parameters(&mut self, edit: &mut dyn FnMut(&mut Parameters)) {
        edit(&mut self.parameters);
        self.weights.invalidate();
    }

    fn moments(&self) -> &Moments {
        &self.moments
    }

    fn set_moments(&mut self, moments: Moments) {
        self.moments = moments;
    }

    fn state(&self) -> State {
        let rows = self.shards.iter().map(|s| s.rows).sum();
        let mut state = State::zeros(self.config.layers, rows, self.config.hidden);
        for (l, arrays) in state.layers.iter_mut().enumerate() {
            for shard in &self.shards {
                for (array, from) in arrays.iter_mut().zip([&shard.h[l], &shard.c[l]]) {
                    for (r, from) in from.chunks_exact(self.config.hidden).enumerate() {
                        array.row_mut(shard.first_row + r).assign(&ArrayView1::from(from));
                    }
                }
            }
        }
        state
    }

    fn set_state(&mut self, state: &State) {
        let rows = state.rows();
        if self.shards.iter().map(|s| s.rows).sum::<usize>() != rows {
            self.shards = (0..rows)
                .step_by(self.shard_rows)
                .map(|first| Shard::new(&self.config, first, self.shard_rows.min(rows - first)))
                .collect();
        }
        for shard in &mut self.shards {
            for (l, arrays) in state.layers.iter().enumerate() {
                for (array, to) in arrays.iter().zip([&mut shard.h[l], &mut shard.c[l]]) {
                    for (r, to) in to.chunks_exact_mut(self.config.hidden).enumerate() {
                        ArrayViewMut1::from(to).assign(&array.row(shard.first_row + r));
                    }
                }
            }
        }
    }

    fn gradients(&mut self, batch: &Batch, masking: Option<Masking>) -> LossSums {
        self.check(batch);
        let total_weight = batch.weights.iter().map(|&w| f64::from(w)).sum();
        let isa = self.gemm.isa();
        let CpuEngine { config, threads, parameters, weights, shards, workspaces, spare, gradients, .. } =
            self;
        let sums = threads.install(|| {
            weights.refresh(parameters);
            let job = Job { config, parameters, weights, batch, masking, total_weight };
            let leaf = |shard: &mut Shard| {
                let mut own = lock(spare).pop().unwrap_or_else(|| parameters.zeros_like());
                let sums = lock(&workspaces[worker()]).gradients(&job, shard, &mut own);
                (own, sums)
            };
            let merge = |left: (Parameters, LossSums), right: (Parameters, LossSums)| {
                let (mut sum, other) = (left.0, right.0);
                for_each_chunk(sum.values_mut(), other.values(), &|a, b| add_assign(isa, a, b));
                lock(spare).push(other);
                (sum, left.1.plus(right.1))
            };
            let (sum, sums) = reduce::reduce(shards, &leaf, &merge)?;
            lock(spare).push(std::mem::replace(gradients, sum));
            Some(sums)
        });
        sums.unwrap_or_default()
    }

    fn last_gradients(&self) -> &Parameters {
        &self.gradients
    }

    fn update(&mut self, hyper: &Hyper) -> Result<f64, NotFinite> {
        let gradient_norm = sum_of_squares(self.gemm.isa(), self.gradients.values()).sqrt();
        if !gradient_norm.is_finite() {
            return Err(NotFinite { nats: f64::NAN, gradient_norm });
        }
        let CpuEngine { threads, gemm, parameters, gradients, moments, .. } = self;
        let clip = hyper.clip_factor(gradient_norm);
        threads.install(|| moments.update(gemm.isa(), hyper, clip, parameters, gradients));
        self.weights.invalidate();
        Ok(gradient_norm)
    }

    fn evaluate(&mut self, batch: &Batch) -> LossSums {
        self.check(batch);
        let CpuEngine { config, threads, parameters, weights, shards, workspaces, .. } = self;
        let sums = threads.install(|| {
            weights.refresh(parameters);
            let job = Job { config, parameters, weights, batch, masking: None, total_weight: 1.0 };
            let leaf = |shard: &mut Shard| lock(&workspaces[worker()]).evaluate(&job, shard);
            reduce::reduce(shards, &leaf, &LossSums::plus)
        });
        sums.unwrap_or_default()
    }

    fn last_logits(&mut self, batch: &Batch) -> ArrayView2<'_, f32> {
        self.check(batch);
        let CpuEngine { config, threads, parameters, weights, shards, workspaces, generation, .. } = self;
        generation.prepare(config, shards);
        let mut jobs: Vec<_> = shards.iter_mut().zip(&mut generation.steps).collect();
        threads.install(|| {
            weights.refresh(parameters);
            let job = Job { config, parameters, weights, batch, masking: None, total_weight: 1.0 };
            let leaf = |(shard, step): &mut (&mut Shard, &mut Step)| {
                lock(&workspaces[worker()]).last_logits(&job, shard, &mut step.logits);
            };
            reduce::reduce(&mut jobs, &leaf, &|(), ()| ()).unwrap_or_default();
        });
        generation.gather(shards, config.vocabulary)
    }

    fn advance(&mut self, tokens: &[u32]) -> ArrayView2<'_, f32> {
        let vocabulary = self.config.vocabulary;
        let rows: usize = self.shards.iter().map(|s| s.rows).sum();
        assert_eq!(tokens.len(), rows, "one character for each row of the state");
        assert!(tokens.iter().all(|&t| (t as usize) < vocabulary), "characters below V");
        let CpuEngine { config, threads, parameters, weights, shards, generation, .. } = self;
        weights.refresh_generation(parameters);
        generation.prepare(config, shards);
        let advance = |(shard, step): &mut (&mut Shard, &mut Step)| {
            step.advance(config, parameters, weights, &tokens[shard.first_row..][..shard.rows], shard);
        };
        let mut jobs: Vec<_> = shards.iter_mut().zip(&mut generation.steps).collect();
        // A single shard is not worth waking a thread for.
        match jobs.as_mut_slice() {
            [job] => advance(job),
            jobs => threads.install(|| reduce::reduce(jobs, &advance, &|(), ()| ()).unwrap_or_default()),
        }
        generation.gather(shards, vocabulary)
    }
}

/// Room for generation.
#[derive(Debug, Default)]
struct Generation {
    steps: Vec<Step>,
    logits: Vec<f32>,
}

/// Room for one shard of generation.
#[derive(Debug)]
struct Step {
    /// `[R, I]`
    x: Buffer,
    /// `[R, H]`: the new states, exchanged with the shard's.
    next: [Buffer; 2],
    /// `[R, V]`
    logits: Buffer,
}

impl Generation {
    fn prepare(&mut self, config: &ModelConfig, shards: &[Shard]) {
        let fits = |step: &Step, shard: &Shard| step.logits.len() == shard.rows * config.vocabulary;
        if self.steps.len() == shards.len() && self.steps.iter().zip(shards).all(|(a, b)| fits(a, b)) {
            return;
        }
        self.steps = shards
            .iter()
            .map(|shard| Step {
                x: Buffer::zeros(shard.rows * config.input.size()),
                next: [Buffer::zeros(shard.rows * config.hidden), Buffer::zeros(shard.rows * config.hidden)],
                logits: Buffer::zeros(shard.rows * config.vocabulary),
            })
            .collect();
        self.logits = vec![0.0; self.steps.iter().map(|s| s.logits.len()).sum()];
    }
}

impl Generation {
    /// The logits of all shards, `[B, V]`.
    fn gather(&mut self, shards: &[Shard], vocabulary: usize) -> ArrayView2<'_, f32> {
        for (shard, step) in shards.iter().zip(&self.steps) {
            let at = shard.first_row * vocabulary;
            self.logits[at..at + shard.rows * vocabulary].copy_from_slice(&step.logits);
        }
        let rows = shards.iter().map(|s| s.rows).sum();
        ArrayView2::from_shape((rows, vocabulary), &self.logits).expect("logits [B, V]")
    }
}

impl Step {
    fn advance(
        &mut self,
        config: &ModelConfig,
        parameters: &Parameters,
        weights: &Weights,
        tokens: &[u32],
        shard: &mut Shard,
    ) {
        shard::embed(config, parameters, tokens, &mut self.x);
        let [next_h, next_c] = &mut self.next;
        for (l, layer) in weights.layers.iter().enumerate() {
            let (below, own) = shard.h.split_at_mut(l);
            let x = below.last().unwrap_or(&self.x);
            layer.step(x, &own[0], &shard.c[l], next_h, next_c);
            std::mem::swap(&mut own[0], next_h);
            std::mem::swap(&mut shard.c[l], next_c);
        }
        let (_, bias) = parameters.layout().linear();
        let top = shard.h.last().expect("a network has a layer");
        weights.linear.multiply(top, Some(parameters.slice(bias)), &mut self.logits);
    }
}

/// The system gives no threads.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {threads} threads ({cause}); try fewer with --threads")]
pub struct ThreadError {
    threads: usize,
    cause: String,
}

/// The threads of one engine.
struct Threads {
    #[cfg(feature = "parallel")]
    pool: rayon::ThreadPool,
}

#[cfg(feature = "parallel")]
impl Threads {
    fn new(threads: usize) -> Result<Self, ThreadError> {
        let build = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = build.map_err(|e| ThreadError { threads, cause: e.to_string() })?;
        Ok(Threads { pool })
    }

    fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }
}

#[cfg(not(feature = "parallel"))]
impl Threads {
    fn new(_: usize) -> Result<Self, ThreadError> {
        Ok(Threads {})
    }

    fn count(&self) -> usize {
        1
    }

    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        work()
    }
}

/// The number of the thread that asks, among those of its engine.
fn worker() -> usize {
    #[cfg(feature = "parallel")]
    let index = rayon::current_thread_index().unwrap_or(0);
    #[cfg(not(feature = "parallel"))]
    let index = 0;
    index
}

/// Both, at the same time where there are threads for it.
fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    #[cfg(feature = "parallel")]
    let both = rayon::join(a, b);
    #[cfg(not(feature = "parallel"))]
    let both = (a(), b());
    both
}

/// `body` on matching pieces of both slices, on all threads. For work that goes element by element, so that the cut
/// changes no result.
fn for_each_chunk(a: &mut [f32], b: &[f32], body: &(impl Fn(&mut [f32], &[f32]) + Sync)) {
    const CHUNK: usize = 1 << 16;
    if a.len() <= CHUNK {
        return body(a, b);
    }
    let middle = (a.len() / 2).next_multiple_of(CHUNK).min(a.len());
    let ((a, rest_a), (b, rest_b)) = (a.split_at_mut(middle), b.split_at(middle));
    join(|| for_each_chunk(a, b, body), || for_each_chunk(rest_a, rest_b, body));
}
