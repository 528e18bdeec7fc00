//! In the steady state nothing is allocated but `matrixmultiply`'s packing buffer and Rayon's queues.

mod common;

use common::{Random, Weighing, config, cpu, name};
use hornpipe::corpus::{Corpus, Epoch, EvaluationWindows, Streams, Windows, composer::compose, parse};
use hornpipe::inspect::{Reading, Recorder, Sequence, read};
use hornpipe::nn::{Batch, Cell, Engine, Input, Masking, ModelConfig};
use hornpipe::optim::{Hyper, Optimizer};
use hornpipe::train::{
    Control, Data, EpochMetrics, Objective, Observer, Preset, Settings, StepInfo, Trainer, build_engine,
};
use hornpipe_kernels::gemm::{Gemm, Into, Matrix, Scratch};
use hornpipe_kernels::{Isa, Team};
use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counting.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

fn count(size: usize) {
    CALLS.fetch_add(1, Relaxed);
    LARGEST.fetch_max(size, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; counting touches two atomics and no memory of others. `alloc_zeroed`
// and `realloc` are the trait's own, which call these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `alloc` above, so from the system's allocator with this layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Allocations {
    calls: usize,
    largest: usize,
}

const NONE: Allocations = Allocations { calls: 0, largest: 0 };

/// What all threads of this program allocate while `work` runs.
fn allocations(work: impl FnOnce()) -> Allocations {
    let before = CALLS.load(Relaxed);
    LARGEST.store(0, Relaxed);
    work();
    Allocations { calls: CALLS.load(Relaxed) - before, largest: LARGEST.load(Relaxed) }
}

const STEPS: usize = 130;
const ROWS: usize = 10;
/// Three shards, the last one smaller.
const SHARD_ROWS: usize = 4;
const SHARDS: usize = 3;

fn network() -> ModelConfig {
    config(20, Input::Embedding(8), 24, 3, 0.2)
}

struct Setup {
    engine: Box<dyn Engine>,
    batch: Batch,
    tokens: Vec<u32>,
    step: u64,
}

impl Setup {
    fn new(gemm: Gemm, threads: usize, optimizer: Optimizer) -> Self {
        Setup::of(&network(), ROWS, gemm, threads, optimizer)
    }

    fn of(network: &ModelConfig, rows: usize, gemm: Gemm, threads: usize, optimizer: Optimizer) -> Self {
        let mut random = Random::new(11);
        let parameters = random.parameters(network, 0.3);
        let mut engine = Box::new(cpu(network, &parameters, optimizer, gemm, SHARD_ROWS, threads));
        engine.set_state(&random.state(network, rows));
        let batch = random.batch(network.vocabulary, STEPS, rows, Weighing::Mixed, 0.1);
        Setup { engine, batch, tokens: vec![0; rows], step: 0 }
    }

    fn train(&mut self, steps: usize) {
        for _ in 0..steps {
            let optimizer =
                if self.engine.moments().arrays.len() == 2 { Optimizer::Adam } else { Optimizer::Rmsprop };
            let hyper = Hyper { optimizer, lr: 1e-3, clip_norm: Some(1.0), step: self.step };
            let masking = Some(Masking { seed: 3, step: self.step });
            self.engine.train_step(&self.batch, masking, &hyper).expect("finite numbers");
            self.step += 1;
        }
    }

    fn generate(&mut self, steps: usize) {
        for step in 0..steps as u32 {
            (0..).zip(&mut self.tokens).for_each(|(r, token)| *token = (step + r) % 20);
            let logits = self.engine.advance(&self.tokens);
            assert!(logits.iter().all(|x| x.is_finite()));
        }
    }

    /// All that an engine does in its steady state, `steps` times.
    fn everything(&mut self, steps: usize) {
        self.train(steps);
        for _ in 0..steps {
            assert!(self.engine.evaluate(&self.batch).nats.is_finite());
            assert!(self.engine.last_logits(&self.batch).iter().all(|x| x.is_finite()));
        }
        self.generate(steps);
    }
}

/// One test, since everything that the program allocates is counted.
#[test]
fn the_steady_state_allocates_nothing_of_its_own() {
    assert_eq!(allocations(|| drop(vec![1u8; 77])), Allocations { calls: 1, largest: 77 });
    own_products_on_one_thread();
    for (network, rows) in [
        (network(), ROWS),
        // One shard, and units enough that a team of both threads splits each kernel.
        (config(20, Input::Embedding(8), 128, 2, 0.2), SHARD_ROWS),
        // Steps that are not fused.
        (ModelConfig { cell: Cell::Gru, ..network() }, ROWS),
        (ModelConfig { cell: Cell::Peepholes, ..network() }, ROWS),
        (ModelConfig { weight_drop: 0.2, ..network() }, ROWS),
    ] {
        own_products_on_two_threads(&network, rows);
    }
    matrixmultiply_on_one_thread();
    sources_of_batches();
    reading();
    the_training_loop();
}

fn own_products_on_one_thread() {
    for gemm in Isa::available().into_iter().map(Gemm::own) {
        for (optimizer, weight_drop) in [(Optimizer::Adam, 0.2), (Optimizer::Rmsprop, 0.0)] {
            let network = ModelConfig { weight_drop, ..network() };
            let mut setup = Setup::of(&network, ROWS, gemm, 1, optimizer);
            setup.everything(2);
            assert_eq!(allocations(|| setup.train(3)), NONE, "{} {optimizer:?}", name(gemm));
            assert_eq!(allocations(|| setup.everything(3)), NONE, "{} {optimizer:?}", name(gemm));
        }
    }
}

/// Work enters a pool of Rayon's through a queue made of blocks of 63 jobs, one and a half kilobytes each: a block is allocated every
/// 63 calls. (The queues within the pool keep their size.) A gradient buffer or a workspace would be larger.
fn own_products_on_two_threads(network: &ModelConfig, rows: usize) {
    let mut setup = Setup::of(network, rows, Gemm::own(Isa::best()), 2, Optimizer::Adam);
    setup.everything(2);
    let steps = 100;
    let found = allocations(|| setup.everything(steps));
    // A training step enters twice, and twice more where it drops weights; each of the others once.
    let entered = if network.weight_drop > 0.0 { 7 * steps } else { 5 * steps };
    println!("two threads: {found:?} in {entered} entries");
    if cfg!(feature = "parallel") {
        assert!(found.calls <= entered / 63 + 2 && found.largest <= 2048, "{found:?}");
    } else {
        assert_eq!(found, NONE);
    }
}

/// `matrixmultiply` allocates a buffer for packed operands in each product and frees it at its end.
fn matrixmultiply_on_one_thread() {
    let (gemm, mut team) = (Gemm::matrixmultiply(), Team::alone());
    let mut setup = Setup::new(gemm, 1, Optimizer::Adam);
    setup.everything(2);
    let steps = 3;
    let found = allocations(|| setup.train(steps));
    // The linear layer has one such product, and each layer of the LSTM two for each run of time steps, of which there are at most
    // as many as there are steps.
    let products = steps * SHARDS * (1 + 3 * 2 * STEPS);
    assert!((1..=products).contains(&found.calls), "{found:?}, at most {products} products");
    // The largest product that can be: a layer's weights over all tokens of a shard.
    let (gates, tokens) = (4 * 24, STEPS * SHARD_ROWS);
    let (a, b) = (vec![1.0; tokens * gates], vec![1.0; tokens * 24]);
    let (mut c, scratch) = (vec![0.0; gates * 24], Scratch::default());
    let one = allocations(|| {
        let (a, b) = (Matrix::new(&a, tokens, gates).t(), Matrix::new(&b, tokens, 24));
        gemm.multiply(a, b, Into::Overwrite, &mut c, &scratch, &mut team);
    });
    println!("matrixmultiply: {found:?} in {steps} steps; {one:?} in the largest product");
    assert!(one.calls == 1 && found.largest <= one.largest, "{found:?}, but one product {one:?}");
    // Nothing else has large products.
    let found = allocations(|| {
        setup.generate(3);
        setup.engine.evaluate(&setup.batch);
        setup.engine.last_logits(&setup.batch);
    });
    assert_eq!(found, NONE);
}

fn sources_of_batches() {
    let tunes: Vec<Vec<u32>> = (1..40).map(|n| (0..n).map(|i| i % 20).collect()).collect();
    let text: Vec<u32> = tunes.iter().flatten().copied().collect();
    let windows = Windows::new(text, 9, 2, 4).unwrap();
    let evaluation = EvaluationWindows::new(&tunes, 0, 9, 4).unwrap();
    let streams = Streams::new(tunes, 0, 9, 4).unwrap();
    let (windows, streams) = (windows.epoch(1, 0), streams.epoch(1, 0));
    for epoch in [&windows as &dyn Epoch, &evaluation, &streams] {
        let (steps, rows) = epoch.shape();
        let mut batch = Batch::zeros(steps, rows);
        let found = allocations(|| (0..epoch.len() + 1).for_each(|index| epoch.fill(index, &mut batch)));
        assert_eq!(found, NONE);
    }
}

/// A text is read in the same memory however long it is.
fn reading() {
    let network = network();
    let mut recorder = Recorder::new(Isa::best(), &network, &Random::new(1).parameters(&network, 0.3));
    let found = [100, 1000, 10_000].map(|length| {
        let text: Vec<u32> = (0..length).map(|i| i % 20).collect();
        let sequences = [Sequence::text(&text, 0)];
        allocations(|| {
            let flow = read(&mut recorder, &sequences, Reading::Carried, 1, &mut |step| {
                assert!(step.signal(2, 5)[0].is_finite());
                ControlFlow::Continue(())
            });
            assert!(flow.is_continue());
        })
    });
    println!("reading 100, 1,000 and 10,000 characters: {found:?}");
    // The first time it makes its room.
    assert!(found[2].calls <= found[1].calls && found[2].largest <= found[0].largest, "{found:?}");
}

/// Counts what is allocated from one step to the next.
struct Watcher {
    calls: usize,
    steps: usize,
}

impl Observer for Watcher {
    type Error = Infallible;

    fn step(&mut self, trainer: &Trainer, info: StepInfo) -> Result<Control, Infallible> {
        let calls = CALLS.load(Relaxed);
        // An epoch begins with its order of tunes, and the first of all with every buffer.
        if info.batch.0 > 1 && trainer.progress().step > 2 {
            assert_eq!(calls, self.calls, "allocated in batch {:?}", info.batch);
            self.steps += 1;
        }
        self.calls = CALLS.load(Relaxed);
        Ok(Control::Continue)
    }

    fn epoch(&mut self, _: &Trainer, _: EpochMetrics, _: bool) -> Result<Control, Infallible> {
        Ok(Control::Continue)
    }
}

fn the_training_loop() {
    let corpus = Corpus { tunes: parse("composed tunes", compose(12, 3).as_bytes()).unwrap() };
    for objective in [Objective::ManyToMany, Objective::ManyToOne] {
        let settings = Settings {
            objective,
            epochs: 2,
            batch_size: 7,
            shard_rows: 2,
            seq_len: 8,
            hidden: 9,
            layers: 2,
            stride: 9,
            validation_fraction: 0.3,
            ..Preset::Folk.settings()
        };
        let data = Data::new(&corpus, &settings, None).unwrap();
        let network = settings.model(data.vocabulary.len());
        let parameters = Random::new(2).parameters(&network, 0.2);
        let gemm = Gemm::own(Isa::best());
        let engine = build_engine(&settings, parameters, network.vocabulary, gemm, 1).unwrap();
        let mut watcher = Watcher { calls: 0, steps: 0 };
        Trainer::new(settings, data, engine).run(&mut watcher).unwrap();
        assert!(watcher.steps > 20, "{} steps watched", watcher.steps);
    }
}
