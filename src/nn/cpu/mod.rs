//! The fast engine: the network on the kernels, its minibatches parallel across Rayon's threads.
//!
//! The minibatch is cut into **shards** of a fixed number of rows. Each runs forward and backward through all layers on one
//! worker, with a [`Team`] of the threads that would be left over; their gradients are added in a fixed tree ([`reduce`]).
//! So the bits of a result depend on the number of rows in a shard and on the instruction set, and on nothing else: any number of
//! threads computes the same.

mod dropped;
mod reduce;
mod shard;
mod weights;

use super::engine::{Engine, LossSums, Masking, NotFinite};
use super::weight_drop::WeightDrop;
use super::{Batch, Cell, ModelConfig, Parameters, State};
use crate::optim::{Hyper, Moments, Optimizer};
use crate::threads::{ThreadError, Threads, for_each_piece};
use dropped::Dropped;
use hornpipe_kernels::Team;
use hornpipe_kernels::elementwise::{add_assign, sum_of_squares};
use hornpipe_kernels::gemm::Gemm;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1};
use reduce::{live, reduce};
use shard::{Job, Purpose, Shard, Workspace, looks_up};
use std::sync::{Mutex, PoisonError};
pub(crate) use weights::Weights;

/// Why [`CpuEngine`] always has gradients to show: only a panic on the way to new ones takes the old away.
const WHOLE: &str = "the last batch did not panic";

/// The network on the CPU.
pub struct CpuEngine {
    config: ModelConfig,
    gemm: Gemm,
    shard_rows: usize,
    threads: Threads,
    /// Cores of this machine that the program may use.
    cores: usize,
    parameters: Parameters,
    moments: Moments,
    /// Those of the last batch; the next one takes their room.
    gradients: Option<Parameters>,
    weights: Weights,
    /// Made at the first step that drops weights.
    dropped: Option<Dropped>,
    shards: Vec<Shard>,
    /// Workspaces that wait for a thread: as many as can be at work at once.
    workspaces: Mutex<Vec<Workspace>>,
    /// Threads of each workspace's team.
    members: usize,
    /// Gradient buffers that wait for a shard: as many as can be in use at once.
    spare: Mutex<Vec<Parameters>>,
    /// `[B, V]`
    logits: Vec<f32>,
}

/// The rows of a shard where nobody says otherwise: a function of `B`, `H` and `V` alone, so that it never depends on the machine.
///
/// An even number of shards of the same size, so that two cores have the same to do, as few as may be: every time step reads all of
/// `w_hh` for each shard, and their gradients are added. Up to 16 rows; 32 where `w_hh` (4 MB and more) comes from the cache that
/// cores share or most of a gradient is that of embedding and linear layer; 64 where `w_hh` takes 16 MB and more. Up to 8 rows are one
/// shard: there reading the weights is most of the work. With more cores than shards, each shard has a team.
pub fn default_shard_rows(batch: usize, hidden: usize, vocabulary: usize) -> usize {
    if batch <= 8 {
        return batch.max(1);
    }
    let most = match (hidden, vocabulary) {
        (1024.., _) => 64,
        (512.., _) | (_, 1024..) => 32,
        _ => 16,
    };
    let pairs = batch.div_ceil(2 * most).max(1);
    batch.div_ceil(2 * pairs).max(1)
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
        let mut engine = CpuEngine {
            config: config.clone(),
            gemm,
            shard_rows: shard_rows.max(1),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads,
            moments: Moments::zeros(optimizer, &parameters),
            gradients: Some(parameters.zeros_like()),
            weights: Weights::new(gemm.isa(), config),
            dropped: None,
            parameters,
            shards: Vec::new(),
            workspaces: Mutex::new(Vec::new()),
            members: 0,
            spare: Mutex::new(Vec::new()),
            logits: Vec::new(),
        };
        engine.set_state(&State::zeros(config, 1));
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

    /// How time steps run: `fused`, the whole step in one kernel, which the LSTM has; or `batched`, the cell's equations after a matrix
    /// product.
    pub fn path(&self) -> &'static str {
        if self.config.cell == Cell::Lstm { "fused" } else { "batched" }
    }

    /// Rows of a shard.
    pub fn shard_rows(&self) -> usize {
        self.shard_rows
    }

    /// `B`, the rows of the carried state.
    fn rows(&self) -> usize {
        self.shards.iter().map(|s| s.rows).sum()
    }

    /// All that a batch needs before its shards are worked on, with these weights dropped.
    fn prepare(&mut self, batch: &Batch, purpose: Purpose, drop: Option<WeightDrop>) {
        batch.check(self.rows(), self.config.vocabulary);
        self.make_room(batch.steps(), purpose);
        // The first shard is the largest.
        let tokens = self.shards.first().map_or(0, |shard| batch.steps() * shard.rows);
        let look_up = looks_up(&self.config, tokens);
        let CpuEngine { config, threads, gemm, parameters, weights, dropped, .. } = self;
        let Some(drop) = drop else { return weights.refresh(threads, parameters, look_up) };
        let dropped = dropped.get_or_insert_with(|| Dropped::new(config));
        dropped.refresh(threads, gemm.isa(), drop, parameters);
        weights.invalidate();
        weights.refresh(threads, dropped.parameters(), look_up);
        // They are for this batch alone.
        weights.invalidate();
    }

    /// Makes all the room that batches of `steps` time steps take, whichever thread does what; allocates only at the first such batch.
    fn make_room(&mut self, steps: usize, purpose: Purpose) {
        self.make_teams();
        // The first shard is the largest.
        let Some(rows) = self.shards.first().map(|s| s.rows) else { return };
        let (threads, shards) = (self.threads.count(), self.shards.len());
        let workspaces = self.workspaces.get_mut().unwrap_or_else(PoisonError::into_inner);
        workspaces.iter_mut().for_each(|w| w.make_room(&self.config, steps, rows, purpose));
        let spare = self.spare.get_mut().unwrap_or_else(PoisonError::into_inner);
        if purpose == Purpose::Training {
            spare.extend(self.gradients.take());
            while spare.len() < live(threads, shards) {
                spare.push(self.parameters.zeros_like());
            }
        }
    }

    /// A workspace for each shard that can be at work at once. Where there are fewer shards than threads, each has a team, so that
    /// no thread is left over.
    fn make_teams(&mut self) {
        let places = self.threads.count().min(self.shards.len()).max(1);
        // More threads than cores would make members wait for others that do not run.
        let members = (self.threads.count().min(self.cores) / places).max(1);
        let workspaces = self.workspaces.get_mut().unwrap_or_else(PoisonError::into_inner);
        workspaces.truncate(places);
        if members != self.members {
            workspaces.iter_mut().for_each(|w| w.set_team(Team::new(members)));
            self.members = members;
        }
        while workspaces.len() < places {
            workspaces.push(Workspace::new(&self.config, self.gemm, Team::new(members)));
        }
    }

    /// The logits of all shards, `[B, V]`.
    fn gather_logits(&mut self) -> ArrayView2<'_, f32> {
        self.logits.clear();
        self.shards.iter().for_each(|shard| self.logits.extend_from_slice(&shard.logits));
        let shape = (self.rows(), self.config.vocabulary);
        ArrayView2::from_shape(shape, &self.logits).expect("logits [B, V]")
    }
}

/// One of those that wait, until it is [`put`] back; none where all are in use. A panic can have left nothing half-changed in a way
/// that matters: all that is taken is overwritten before it is read.
fn take<T>(waiting: &Mutex<Vec<T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn put<T>(waiting: &Mutex<Vec<T>>, one: T) {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}

/// `work` with a workspace of its own.
fn with<R>(workspaces: &Mutex<Vec<Workspace>>, work: impl FnOnce(&mut Workspace) -> R) -> R {
    let mut workspace = take(workspaces).expect("a thread is at one shard at a time");
    let result = work(&mut workspace);
    put(workspaces, workspace);
    result
}

/// [`reduce`] over the shards. A single one stays on this thread, whose team splits it: Rayon's threads need not wake.
fn over<R: Send>(
    threads: &Threads,
    shards: &mut [Shard],
    leaf: &(impl Fn(&mut Shard) -> R + Sync),
    merge: &(impl Fn(R, R) -> R + Sync),
) -> Option<R> {
    match shards {
        [shard] => Some(leaf(shard)),
        shards => threads.install(|| reduce(threads, shards, leaf, merge)),
    }
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
        let mut state = State::zeros(&self.config, self.rows());
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
        assert!(state.fits(&self.config), "the states [B, H] of each layer");
        if self.rows() != rows {
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
        let drop = WeightDrop::new(&self.config, masking);
        self.prepare(batch, Purpose::Training, drop);
        let total_weight = batch.total_weight();
        let isa = self.gemm.isa();
        let CpuEngine {
            config,
            threads,
            parameters,
            weights,
            dropped,
            shards,
            workspaces,
            spare,
            gradients,
            ..
        } = self;
        let dropped = drop.zip(dropped.as_ref());
        let job = Job { config, parameters, weights, batch, masking, total_weight };
        let leaf = |shard: &mut Shard| {
            let mut own = take(spare).unwrap_or_else(|| parameters.zeros_like());
            let sums = with(workspaces, |workspace| workspace.gradients(&job, shard, &mut own));
            (own, sums)
        };
        let merge = |left: (Parameters, LossSums), right: (Parameters, LossSums)| {
            let (mut sum, other) = (left.0, right.0);
            for_each_piece(threads, [sum.values_mut()], other.values(), &|[a], b| add_assign(isa, a, b));
            put(spare, other);
            (sum, left.1.plus(right.1))
        };
        let Some((mut sum, sums)) = over(threads, shards, &leaf, &merge) else { return LossSums::default() };
        if let Some((drop, dropped)) = dropped {
            dropped.backward(threads, isa, drop, &mut sum);
        }
        *gradients = Some(sum);
        sums
    }

    fn last_gradients(&self) -> &Parameters {
        self.gradients.as_ref().expect(WHOLE)
    }

    fn update(&mut self, hyper: &Hyper) -> Result<f64, NotFinite> {
        let gradient_norm = sum_of_squares(self.gemm.isa(), self.last_gradients().values()).sqrt();
        if !gradient_norm.is_finite() {
            return Err(NotFinite { nats: f64::NAN, gradient_norm });
        }
        let CpuEngine { threads, gemm, parameters, gradients, moments, .. } = self;
        let gradients = gradients.as_ref().expect(WHOLE);
        let clip = hyper.clip_factor(gradient_norm);
        threads.install(|| moments.update_on(threads, gemm.isa(), hyper, clip, parameters, gradients));
        self.weights.invalidate();
        Ok(gradient_norm)
    }

    fn evaluate(&mut self, batch: &Batch) -> LossSums {
        self.prepare(batch, Purpose::Evaluation, None);
        let CpuEngine { config, threads, parameters, weights, shards, workspaces, .. } = self;
        let job = Job { config, parameters, weights, batch, masking: None, total_weight: 1.0 };
        let leaf = |shard: &mut Shard| with(workspaces, |workspace| workspace.evaluate(&job, shard));
        over(threads, shards, &leaf, &LossSums::plus).unwrap_or_default()
    }

    fn last_logits(&mut self, batch: &Batch) -> ArrayView2<'_, f32> {
        self.prepare(batch, Purpose::Evaluation, None);
        let CpuEngine { config, threads, parameters, weights, shards, workspaces, .. } = self;
        let job = Job { config, parameters, weights, batch, masking: None, total_weight: 1.0 };
        let leaf = |shard: &mut Shard| with(workspaces, |workspace| workspace.last_logits(&job, shard));
        over(threads, shards, &leaf, &|(), ()| ());
        self.gather_logits()
    }

    fn advance(&mut self, tokens: &[u32]) -> ArrayView2<'_, f32> {
        let vocabulary = self.config.vocabulary;
        assert_eq!(tokens.len(), self.rows(), "one character for each row of the state");
        assert!(tokens.iter().all(|&t| (t as usize) < vocabulary), "characters below V");
        self.make_teams();
        let CpuEngine { config, threads, parameters, weights, shards, workspaces, .. } = self;
        weights.refresh_generation(threads, parameters);
        let leaf = |shard: &mut Shard| {
            with(workspaces, |workspace| {
                shard.advance(config, parameters, weights, tokens, workspace.team())
            });
        };
        over(threads, shards, &leaf, &|(), ()| ());
        self.gather_logits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_even_in_number_and_size() {
        let rows = |batch, hidden, vocabulary| default_shard_rows(batch, hidden, vocabulary);
        assert_eq!([0, 1, 2, 8, 9].map(|batch| rows(batch, 256, 93)), [1, 1, 2, 8, 5]);
        assert_eq!([16, 32, 33, 64, 128].map(|batch| rows(batch, 256, 93)), [8, 16, 9, 16, 16]);
        assert_eq!([16, 50, 64, 128].map(|batch| rows(batch, 512, 93)), [8, 25, 32, 32]);
        assert_eq!([16, 50, 64, 128].map(|batch| rows(batch, 256, 1024)), [8, 25, 32, 32]);
        assert_eq!([16, 64, 128, 256].map(|batch| rows(batch, 1024, 93)), [8, 32, 64, 64]);
    }
}
