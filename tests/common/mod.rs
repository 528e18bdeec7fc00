//! What the proofs of the engine share: comparing, and networks, batches and states from a seed.
#![allow(dead_code)] // Each test program uses a part of it.

pub mod exchange;

use hornpipe::nn::reference::States;
use hornpipe::nn::{Batch, Cell, CpuEngine, Engine, Input, ModelConfig, Parameters, State};
use hornpipe::optim::Optimizer;
use hornpipe::random::{Purpose, below, generator, uniform};
use hornpipe_kernels::Isa;
use hornpipe_kernels::gemm::Gemm;
use ndarray::Array2;

/// A bound on errors, `|a - b| <= atol + rtol·|b|`, and how much of it was used.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub rtol: f64,
    pub atol: f64,
    /// The greatest `|a - b|` seen.
    pub error: f64,
    /// The greatest `|a - b| / (atol + rtol·|b|)` seen.
    pub used: f64,
}

impl Bound {
    pub fn new(rtol: f64, atol: f64) -> Self {
        Bound { rtol, atol, error: 0.0, used: 0.0 }
    }

    /// Fails unless every pair is within the bound, which NaN is not.
    #[track_caller]
    pub fn check<A, B>(&mut self, what: &str, got: A, want: B)
    where
        A: IntoIterator<Item: Copy + Into<f64>>,
        B: IntoIterator<Item: Copy + Into<f64>>,
    {
        let (mut got, mut want) = (got.into_iter(), want.into_iter());
        for k in 0.. {
            let (a, b): (f64, f64) = match (got.next(), want.next()) {
                (Some(a), Some(b)) => (a.into(), b.into()),
                (None, None) => return,
                _ => panic!("{what}: different lengths, equal up to {k}"),
            };
            let (error, allowed) = ((a - b).abs(), self.atol + self.rtol * b.abs());
            assert!(error <= allowed, "{what}[{k}]: {a} instead of {b}, {error:e} off, {allowed:e} allowed");
            self.error = self.error.max(error);
            self.used = self.used.max(error / allowed);
        }
    }
}

/// What is printed of a bound with `--nocapture`.
impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Bound { rtol, atol, error, used } = self;
        write!(f, "greatest error {error:.1e}, {:.1} % of {atol:.0e} + {rtol:.0e}·|b|", 100.0 * used)
    }
}

/// Our own products on every instruction set of this machine, and `matrixmultiply`.
pub fn gemms() -> Vec<Gemm> {
    let mut all: Vec<Gemm> = Isa::available().into_iter().map(Gemm::own).collect();
    all.push(Gemm::matrixmultiply());
    all
}

pub fn name(gemm: Gemm) -> String {
    format!("{} on {}", gemm.name(), gemm.isa())
}

pub fn cpu(
    config: &ModelConfig,
    parameters: &Parameters,
    optimizer: Optimizer,
    gemm: Gemm,
    shard_rows: usize,
    threads: usize,
) -> CpuEngine {
    CpuEngine::new(config, parameters.clone(), optimizer, gemm, shard_rows, threads).expect("threads")
}

pub fn config(vocabulary: usize, input: Input, hidden: usize, layers: usize, dropout: f32) -> ModelConfig {
    let config =
        ModelConfig { cell: Cell::Lstm, vocabulary, input, hidden, layers, dropout, weight_drop: 0.0 };
    config.validate().expect("a network that can be");
    config
}

/// A state as the plain loops in f64 take it.
pub fn in_f64(state: &State) -> States<f64> {
    let none = Array2::zeros((state.rows(), 0));
    let c = |l: &[Array2<f32>]| l.get(1).unwrap_or(&none).mapv(f64::from);
    state.layers.iter().map(|l| (l[0].mapv(f64::from), c(l))).collect()
}

/// To the bit, NaN included.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// All that a training step may change, to the bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Everything {
    pub parameters: Vec<u32>,
    pub gradients: Vec<u32>,
    pub moments: Vec<Vec<u32>>,
    pub states: Vec<Vec<u32>>,
}

pub fn everything(engine: &dyn Engine) -> Everything {
    let state = engine.state();
    let arrays = state.layers.iter().flatten();
    Everything {
        parameters: bits(engine.parameters().values()),
        gradients: bits(engine.last_gradients().values()),
        moments: engine.moments().arrays.iter().map(|m| bits(m.values())).collect(),
        states: arrays.map(|a| a.iter().map(|x| x.to_bits()).collect()).collect(),
    }
}

/// Numbers from a seed.
pub struct Random(rand_chacha::ChaCha8Rng);

/// How the weights of a batch's predictions are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighing {
    /// All 1.
    Ones,
    /// 0 to 2, about one in three 0; never all of them.
    Mixed,
    /// 1 at the last step, 0 elsewhere.
    ManyToOne,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(generator(seed, Purpose::Init))
    }

    /// Uniform in `±scale`.
    pub fn number(&mut self, scale: f32) -> f32 {
        (2.0 * uniform(&mut self.0) - 1.0) * scale
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        uniform(&mut self.0) < probability
    }

    pub fn below(&mut self, bound: usize) -> u32 {
        below(&mut self.0, u32::try_from(bound).expect("a small bound"))
    }

    pub fn parameters(&mut self, config: &ModelConfig, scale: f32) -> Parameters {
        let mut parameters = Parameters::zeros(config);
        parameters.values_mut().iter_mut().for_each(|x| *x = self.number(scale));
        parameters
    }

    pub fn state(&mut self, config: &ModelConfig, rows: usize) -> State {
        let mut state = State::zeros(config, rows);
        state.layers.iter_mut().flatten().flatten().for_each(|x| *x = self.number(0.9));
        state
    }

    /// A batch for `vocabulary` characters; each step resets with this probability.
    pub fn batch(
        &mut self,
        vocabulary: usize,
        steps: usize,
        rows: usize,
        weighing: Weighing,
        resets: f32,
    ) -> Batch {
        let shape = (steps, rows);
        let mut batch = Batch {
            tokens: Array2::from_shape_simple_fn(shape, || self.below(vocabulary)),
            targets: Array2::from_shape_simple_fn(shape, || self.below(vocabulary)),
            weights: Array2::zeros(shape),
            resets: Array2::from_elem(shape, false),
        };
        batch.resets.iter_mut().for_each(|r| *r = self.chance(resets));
        match weighing {
            Weighing::Ones => batch.weights.fill(1.0),
            Weighing::ManyToOne => batch.weights.row_mut(steps - 1).fill(1.0),
            Weighing::Mixed => {
                batch.weights.iter_mut().for_each(|w| *w = (2.0 * self.number(1.0) + 0.6).clamp(0.0, 2.0));
                batch.weights[[self.below(steps) as usize, self.below(rows) as usize]] = 0.75;
            }
        }
        batch
    }
}
