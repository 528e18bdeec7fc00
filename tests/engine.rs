//! The fast engine is the plain loops: on every instruction set, with both products, in shards of any size, on any
//! number of threads, over any shapes.

mod common;

use common::{Bound, Random, Weighing, bits, cpu, everything, gemms, in_f64, name};
use hornpipe::nn::reference::{self, Network, States};
use hornpipe::nn::{
    Batch, Cell, Engine, Input, LossSums, Masking, ModelConfig, Parameters, ReferenceEngine, State,
    WeightDrop, dropout_masks,
};
use hornpipe::optim::{Hyper, Optimizer};
use hornpipe_kernels::Isa;
use hornpipe_kernels::gemm::Gemm;
use ndarray::{Array2, Array3, Axis};
use proptest::prelude::*;

const HYPER: Hyper = Hyper { optimizer: Optimizer::Adam, lr: 0.003, clip_norm: Some(1.0), step: 0 };

/// What a property is asked of.
#[derive(Clone, Debug)]
struct Shape {
    config: ModelConfig,
    rows: usize,
    steps: usize,
    shard_rows: usize,
    weighing: Weighing,
    resets: f32,
    seed: u64,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let input = prop_oneof![4 => (1usize..=20).prop_map(Input::Embedding), 1 => Just(Input::Scalar)];
    let rate = || prop::sample::select(vec![0.0f32, 0.3]);
    let network = (2usize..=40, input, 1usize..=40, 1usize..=3, rate(), rate());
    let weighing = prop::sample::select(vec![Weighing::Ones, Weighing::Mixed, Weighing::ManyToOne]);
    let resets = prop::sample::select(vec![0.0f32, 0.2, 0.9]);
    let batch = (1usize..=9, 1usize..=12, weighing, resets, any::<u64>());
    // The LSTM, whose kernels are its own, as often as all others together.
    let cell = prop_oneof![Just(Cell::Lstm), prop::sample::select(Cell::ALL[1..].to_vec())];
    (network, cell, batch, any::<prop::sample::Index>()).prop_map(
        |(
            (vocabulary, input, hidden, layers, dropout, weight_drop),
            cell,
            (rows, steps, weighing, resets, seed),
            shard,
        )| {
            Shape {
                config: ModelConfig {
                    cell,
                    weight_drop,
                    ..common::config(vocabulary, input, hidden, layers, dropout)
                },
                rows,
                steps,
                shard_rows: 1 + shard.index(rows),
                weighing,
                resets,
                seed,
            }
        },
    )
}

impl Shape {
    fn batch(&self, random: &mut Random) -> Batch {
        random.batch(self.config.vocabulary, self.steps, self.rows, self.weighing, self.resets)
    }

    fn cpu(&self, parameters: &Parameters, gemm: Gemm, threads: usize) -> impl Engine {
        cpu(&self.config, parameters, Optimizer::Adam, gemm, self.shard_rows, threads)
    }
}

/// Within this the weights lie. An RNN with larger ones is chaotic, and a memory without a forget gate grows: both would make much of the
/// last bits of f32.
fn scale(config: &ModelConfig) -> f32 {
    let pytorch = 1.0 / (config.hidden as f32).sqrt();
    // What is kept of dropped weights is larger.
    let kept = 1.0 - config.weight_drop;
    if config.cell == Cell::Lstm { 0.5 } else { kept * pytorch.min(0.5) }
}

/// What the plain loops in f64 make of a batch.
struct Truth {
    sums: LossSums,
    /// The weight of the predictions whose two best logits are too close to call in f32.
    open: f64,
    logits: Array3<f64>,
    gradients: Vec<f64>,
    states: States<f64>,
}

impl Truth {
    fn new(
        config: &ModelConfig,
        parameters: &Parameters,
        states: &States<f64>,
        batch: &Batch,
        masking: Option<Masking>,
    ) -> Self {
        let mut network = Network::<f64>::from_parameters(config, parameters);
        let drop = WeightDrop::new(config, masking);
        if let Some(drop) = drop {
            drop.apply(&mut network);
        }
        let masks = masking.map(|m| dropout_masks(config, m, batch.steps(), batch.rows()));
        // The rate is an f32 to all engines; so is the factor that makes up for it.
        let masks: Option<Vec<_>> = masks.map(|all| all.iter().map(|m| m.mapv(f64::from)).collect());
        let pass = reference::forward(&network, batch, states, masks.as_deref());
        let (sums, d_logits) = reference::loss(batch, &pass.logits);
        let mut gradients = reference::backward(&network, batch, &pass, masks.as_deref(), &d_logits);
        if let Some(drop) = drop {
            drop.apply(&mut gradients.network);
        }
        let close = |t: usize, b: usize| {
            let mut z: Vec<f64> = pass.logits.slice(ndarray::s![t, b, ..]).to_vec();
            z.sort_by(f64::total_cmp);
            z[z.len() - 1] - z[z.len() - 2] <= 1e-4
        };
        let near = batch.weights.indexed_iter().filter(|((t, b), _)| close(*t, *b));
        Truth {
            sums,
            open: near.map(|(_, &w)| f64::from(w)).sum(),
            states: pass.final_states(),
            gradients: gradients.network.values(),
            logits: pass.logits,
        }
    }

    fn check_sums(&self, bound: &mut Bound, what: &str, got: LossSums) {
        bound.check(&format!("{what}: nats"), [got.nats], [self.sums.nats]);
        assert_eq!(got.weight, self.sums.weight, "{what}: weight");
        let off = (got.correct - self.sums.correct).abs();
        assert!(off <= self.open, "{what}: {} correct instead of {}", got.correct, self.sums.correct);
    }

    fn check_state(&self, bound: &mut Bound, what: &str, got: &State) {
        let arrays = |(h, c): &(Array2<f64>, Array2<f64>)| h.iter().chain(c).copied().collect::<Vec<_>>();
        let got = got.layers.iter().flatten().flatten().copied();
        bound.check(&format!("{what}: state"), got, self.states.iter().flat_map(arrays));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    /// Two batches, the second from the state that the first left; loss, gradients and state.
    #[test]
    fn it_computes_what_the_plain_loops_compute(shape in shapes()) {
        let mut random = Random::new(shape.seed);
        let config = &shape.config;
        let (parameters, start) = (random.parameters(config, scale(config)), random.state(config, shape.rows));
        let batches = [shape.batch(&mut random), shape.batch(&mut random)];
        let masking = |step| (shape.seed % 4 != 0).then_some(Masking { seed: shape.seed, step });

        let mut states = in_f64(&start);
        let truths = [0, 1].map(|k| {
            let truth = Truth::new(config, &parameters, &states, &batches[k], masking(k as u64));
            states = truth.states.clone();
            truth
        });
        let mut engines: Vec<(String, Box<dyn Engine>)> = vec![(
            "plain loops in f32".into(),
            Box::new(ReferenceEngine::new(config, parameters.clone(), Optimizer::Adam)),
        )];
        for gemm in gemms() {
            engines.push((name(gemm), Box::new(shape.cpu(&parameters, gemm, 2))));
        }
        for (what, mut engine) in engines {
            let mut bound = Bound::new(1e-4, 1e-6);
            engine.set_state(&start);
            for (step, (batch, truth)) in (0u64..).zip(batches.iter().zip(&truths)) {
                let what = format!("{what}, batch {step}");
                let sums = engine.gradients(batch, masking(step));
                truth.check_sums(&mut bound, &what, sums);
                truth.check_state(&mut bound, &what, &engine.state());
                let got = engine.last_gradients().values().iter().copied();
                bound.check(&format!("{what}: gradients"), got, truth.gradients.iter().copied());
            }
            worst(&bound);
        }
    }

    /// `evaluate` sees no dropout and leaves the gradients alone; otherwise it is the forward half of `gradients`, to the bit.
    #[test]
    fn evaluation_is_training_without_masks_and_gradients(shape in shapes()) {
        let mut random = Random::new(shape.seed);
        let (parameters, start) = (random.parameters(&shape.config, scale(&shape.config)), random.state(&shape.config, shape.rows));
        let batch = shape.batch(&mut random);
        let truth = Truth::new(&shape.config, &parameters, &in_f64(&start), &batch, None);
        for gemm in gemms() {
            let mut engine = shape.cpu(&parameters, gemm, 2);
            engine.set_state(&start);
            let trained = engine.gradients(&batch, None);
            let before = everything(&engine);
            engine.set_state(&start);
            let evaluated = engine.evaluate(&batch);
            prop_assert_eq!(evaluated, trained, "{}", name(gemm));
            prop_assert_eq!(everything(&engine), before, "{}", name(gemm));
            let mut bound = Bound::new(1e-4, 1e-6);
            truth.check_sums(&mut bound, &name(gemm), evaluated);
        }
    }

    /// Character by character it says what it says of the whole sequence.
    #[test]
    fn generation_is_the_sequence_step_by_step(shape in shapes()) {
        let mut random = Random::new(shape.seed);
        let (parameters, start) = (random.parameters(&shape.config, scale(&shape.config)), random.state(&shape.config, shape.rows));
        let batch = Shape { resets: 0.0, ..shape.clone() }.batch(&mut random);
        let truth = Truth::new(&shape.config, &parameters, &in_f64(&start), &batch, None);
        for gemm in gemms() {
            let mut engine = shape.cpu(&parameters, gemm, 2);
            engine.set_state(&start);
            let mut bound = Bound::new(1e-4, 1e-6);
            for (t, want) in truth.logits.axis_iter(Axis(0)).enumerate() {
                let got = engine.advance(&batch.tokens.row(t).to_vec());
                let what = format!("{}: logits at {t}", name(gemm));
                bound.check(&what, got.iter().copied(), want.iter().copied());
            }
            truth.check_state(&mut bound, &name(gemm), &engine.state());
            worst(&bound);
        }
    }

    /// The number of threads decides nothing, to the bit.
    #[test]
    fn any_number_of_threads_computes_the_same(shape in shapes()) {
        for gemm in [Gemm::own(Isa::best()), Gemm::matrixmultiply()] {
            let [one, two, five] = [1, 2, 5].map(|threads| {
                let mut random = Random::new(shape.seed);
                let parameters = random.parameters(&shape.config, scale(&shape.config));
                let mut engine = shape.cpu(&parameters, gemm, threads);
                engine.set_state(&random.state(&shape.config, shape.rows));
                let reports = [0, 1, 2].map(|step| {
                    let batch = shape.batch(&mut random);
                    let masking = Some(Masking { seed: shape.seed, step });
                    engine.train_step(&batch, masking, &Hyper { step, ..HYPER }).expect("finite")
                });
                let tokens = vec![0; shape.rows];
                let logits = bits(engine.advance(&tokens).as_slice().expect("contiguous"));
                (format!("{reports:?}"), everything(&engine), logits)
            });
            prop_assert_eq!(&one, &two, "{}", name(gemm));
            prop_assert_eq!(&one, &five, "{}", name(gemm));
        }
    }
}

/// Prints a bound that was used more than any before in this program.
fn worst(bound: &Bound) {
    static MOST: std::sync::Mutex<f64> = std::sync::Mutex::new(0.0);
    let mut most = MOST.lock().expect("no panic in here");
    if bound.used > *most {
        *most = bound.used;
        println!("{bound}");
    }
}

/// Nine rows in shards of 4: the last has one. Then fewer rows, then more, in the same engine.
#[test]
fn shards_may_be_uneven_and_rows_may_change() {
    for gemm in gemms() {
        let mut random = Random::new(3);
        let config = common::config(9, Input::Embedding(6), 17, 2, 0.3);
        let parameters = random.parameters(&config, 0.5);
        // One thread, so that one workspace sees all sizes.
        let mut engine = cpu(&config, &parameters, Optimizer::Adam, gemm, 4, 1);
        for (step, (rows, steps)) in (0u64..).zip([(9, 6), (3, 2), (1, 7), (10, 3), (2, 6)]) {
            let start = random.state(&config, rows);
            engine.set_state(&start);
            let batch = random.batch(9, steps, rows, Weighing::Mixed, 0.4);
            let masking = Some(Masking { seed: 5, step });
            let truth = Truth::new(&config, &parameters, &in_f64(&start), &batch, masking);
            let what = format!("{}, {rows} rows", name(gemm));
            let mut bound = Bound::new(1e-4, 1e-6);
            truth.check_sums(&mut bound, &what, engine.gradients(&batch, masking));
            truth.check_state(&mut bound, &what, &engine.state());
            let got = engine.last_gradients().values().iter().copied();
            bound.check(&format!("{what}: gradients"), got, truth.gradients.iter().copied());
            let logits = engine.advance(&vec![1; rows]);
            assert!(logits.dim() == (rows, 9) && logits.iter().all(|z| z.is_finite()), "{what}");
        }
    }
}

/// Over 65,536 parameters the merge of gradients and the update are cut into chunks; five shards make an uneven tree.
#[test]
fn a_network_of_several_chunks_is_the_same_on_any_number_of_threads() {
    for (cell, optimizer) in [
        (Cell::Lstm, Optimizer::Adam),
        (Cell::Lstm, Optimizer::Rmsprop),
        (Cell::Peepholes, Optimizer::Adam),
        (Cell::Gru, Optimizer::Adam),
    ] {
        // Where weights are dropped, each w_hh is more than a chunk.
        let (hidden, weight_drop) = if optimizer == Optimizer::Rmsprop { (130, 0.2) } else { (116, 0.0) };
        let network = common::config(93, Input::Embedding(32), hidden, 2, 0.2);
        let config = ModelConfig { cell, weight_drop, ..network };
        let mut random = Random::new(6);
        let parameters = random.parameters(&config, 0.2);
        assert!(parameters.values().len() > 2 * 65_536);
        let batches = [0; 3].map(|_| random.batch(93, 4, 9, Weighing::Mixed, 0.1));
        let mut plain = ReferenceEngine::new(&config, parameters.clone(), optimizer);
        plain.set_state(&State::zeros(&config, 9));
        plain.gradients(&batches[0], Some(Masking { seed: 2, step: 0 }));
        // Five shards on up to five threads; then two shards and one, which teams of several threads split.
        let gemms = [Gemm::matrixmultiply(), Gemm::own(Isa::best()), Gemm::matrixmultiply()];
        for (shard_rows, gemm) in [2, 5, 9].into_iter().zip(gemms) {
            let results = [1, 2, 3, 5].map(|threads| {
                let mut engine = cpu(&config, &parameters, optimizer, gemm, shard_rows, threads);
                engine.set_state(&State::zeros(&config, 9));
                for (step, batch) in (0u64..).zip(&batches) {
                    let masking = Some(Masking { seed: 2, step });
                    engine.train_step(batch, masking, &Hyper { optimizer, step, ..HYPER }).expect("finite");
                    if step == 0 {
                        let want = plain.last_gradients().values().iter().copied();
                        let got = engine.last_gradients().values().iter().copied();
                        Bound::new(1e-4, 1e-6).check("gradients", got, want);
                    }
                }
                let nats = engine.evaluate(&batches[0]).nats;
                let window = engine.last_logits(&batches[1]).to_owned();
                let next = engine.advance(&[1, 5, 2, 8, 92, 0, 3, 3, 4]).to_owned();
                (nats, window, next, everything(&engine))
            });
            assert!(
                results.iter().all(|r| *r == results[0]),
                "{cell}, {optimizer:?}, shards of {shard_rows}"
            );
        }
    }
}

/// Every cell at sizes that fill no vector and no tile: two batches, the second from the state that the first left, in uneven shards; then
/// generation.
#[test]
fn every_cell_is_the_plain_loops() {
    for cell in Cell::ALL {
        let mut bound = Bound::new(1e-4, 1e-6);
        for (hidden, rows, shard_rows) in [(1, 1, 1), (17, 45, 22), (37, 7, 3)] {
            for gemm in gemms() {
                let mut random = Random::new(hidden as u64);
                let config = ModelConfig { cell, ..common::config(11, Input::Embedding(6), hidden, 3, 0.25) };
                let parameters = random.parameters(&config, scale(&config));
                let start = random.state(&config, rows);
                let mut engine = cpu(&config, &parameters, Optimizer::Adam, gemm, shard_rows, 2);
                assert_eq!(engine.path(), if cell == Cell::Lstm { "fused" } else { "batched" });
                engine.set_state(&start);
                let mut states = in_f64(&start);
                let what = format!("{cell}, {}, H {hidden}", name(gemm));
                // In shards of 22 rows long enough for two chunks of the products.
                for (step, steps) in (0u64..).zip([19, 3]) {
                    let batch = random.batch(11, steps, rows, Weighing::Mixed, 0.1);
                    let masking = Some(Masking { seed: 5, step });
                    let truth = Truth::new(&config, &parameters, &states, &batch, masking);
                    truth.check_sums(&mut bound, &what, engine.gradients(&batch, masking));
                    truth.check_state(&mut bound, &what, &engine.state());
                    let got = engine.last_gradients().values().iter().copied();
                    bound.check(&format!("{what}: gradients"), got, truth.gradients.iter().copied());
                    states = truth.states;
                }
                let batch = random.batch(11, 4, rows, Weighing::Ones, 0.0);
                let truth = Truth::new(&config, &parameters, &states, &batch, None);
                for (t, want) in truth.logits.axis_iter(Axis(0)).enumerate() {
                    let got = engine.advance(&batch.tokens.row(t).to_vec());
                    bound.check(&format!("{what}: logits"), got.iter().copied(), want.iter().copied());
                }
                truth.check_state(&mut bound, &what, &engine.state());
            }
        }
        println!("{cell}: {bound}");
    }
}

fn both_kinds(config: &ModelConfig, parameters: &Parameters) -> Vec<(String, Box<dyn Engine>)> {
    let plain = ReferenceEngine::new(config, parameters.clone(), HYPER.optimizer);
    let mut all: Vec<(String, Box<dyn Engine>)> = vec![("plain loops".into(), Box::new(plain))];
    for gemm in gemms() {
        all.push((name(gemm), Box::new(cpu(config, parameters, HYPER.optimizer, gemm, 2, 2))));
    }
    all
}

/// Twenty steps on a task that can be learnt (the next character is the next in order): the loss falls, alike for all.
#[test]
fn engines_stay_together_over_twenty_steps() {
    Cell::ALL.into_iter().for_each(stay_together);
}

fn stay_together(cell: Cell) {
    let mut random = Random::new(8);
    let config = ModelConfig { cell, ..common::config(12, Input::Embedding(8), 24, 2, 0.2) };
    let parameters = random.parameters(&config, 0.3);
    let start = random.state(&config, 5);
    // The LSTM that never forgets learns what to forget the most slowly.
    let steps = if cell == Cell::NoForgetGate { 60 } else { 20 };
    let batches: Vec<Batch> = (0..steps)
        .map(|_| {
            let mut batch = random.batch(12, 10, 5, Weighing::Ones, 0.1);
            batch.targets = batch.tokens.mapv(|token| (token + 1) % 12);
            batch
        })
        .collect();
    let mut runs = Vec::new();
    for (what, mut engine) in both_kinds(&config, &parameters) {
        engine.set_state(&start);
        let mut losses = Vec::new();
        for (step, batch) in (0u64..).zip(&batches) {
            let hyper = Hyper { step, lr: 0.05, ..HYPER };
            let report = engine.train_step(batch, Some(Masking { seed: 4, step }), &hyper).expect("finite");
            losses.push(report.loss.nats / report.loss.weight);
        }
        assert!(losses[steps - 1] < 0.8 * losses[0], "{cell}, {what}: {losses:?}");
        runs.push((what, losses, engine.parameters().values().to_vec()));
    }
    let (mut losses, mut weights) = (Bound::new(1e-4, 1e-6), Bound::new(0.0, 1e-3));
    let plain = runs.remove(0);
    for (what, l, w) in runs {
        losses.check(&what, l, plain.1.iter().copied());
        weights.check(&what, w, plain.2.iter().copied());
    }
    println!("{cell}, {steps} steps: losses {losses}; weights {weights}");
}

#[test]
fn a_batch_without_weight_changes_nothing_but_the_state() {
    let mut random = Random::new(9);
    let config = common::config(7, Input::Embedding(4), 9, 2, 0.3);
    let parameters = random.parameters(&config, 0.5);
    for (what, mut engine) in both_kinds(&config, &parameters) {
        engine.set_state(&random.state(&config, 3));
        // A step with weight first, so that there are moments to be kept.
        let mut batch = random.batch(7, 5, 3, Weighing::Ones, 0.2);
        engine.train_step(&batch, None, &HYPER).expect("finite");
        let before = everything(engine.as_ref());
        let truth_from = engine.state();
        batch.weights.fill(0.0);
        let masking = Some(Masking { seed: 1, step: 1 });
        let report = engine.train_step(&batch, masking, &Hyper { step: 1, ..HYPER }).expect("finite");
        assert_eq!((report.loss, report.gradient_norm), (LossSums::default(), 0.0), "{what}");
        let after = everything(engine.as_ref());
        assert_eq!((after.parameters, after.moments), (before.parameters, before.moments), "{what}");
        assert!(engine.last_gradients().values().iter().all(|&d| d == 0.0), "{what}");
        let truth = Truth::new(&config, engine.parameters(), &in_f64(&truth_from), &batch, masking);
        truth.check_state(&mut Bound::new(1e-4, 1e-6), &what, &engine.state());
    }
}

/// A NaN in any array of the parameters, an infinite logit, or (on the kernels) gradients whose squares are beyond f32.
#[test]
fn what_is_not_finite_is_refused_and_updates_nothing() {
    let mut random = Random::new(10);
    let config = common::config(5, Input::Embedding(3), 9, 2, 0.0);
    let parameters = random.parameters(&config, 0.5);
    let last = parameters.layout().tensors().len() - 1;
    let poisons = (0..=last).map(|k| (k, f32::NAN)).chain([(last, f32::INFINITY), (last - 1, 1e36)]);
    for (tensor, poison) in poisons {
        // The plain loops add up the squares in f64, where they are finite.
        let skipped = usize::from(poison == 1e36);
        for (what, mut engine) in both_kinds(&config, &parameters).into_iter().skip(skipped) {
            let what = format!("{what}, {poison} in {}", parameters.layout().tensors()[tensor].name);
            engine.set_state(&random.state(&config, 3));
            let mut batch = random.batch(5, 6, 3, Weighing::Ones, 0.2);
            batch.tokens[[0, 0]] = 0;
            engine.train_step(&batch, None, &HYPER).expect("finite");
            engine.edit_parameters(&mut |p| p.slice_mut(tensor)[0] = poison);
            let before = everything(engine.as_ref());
            let error = engine.train_step(&batch, None, &Hyper { step: 1, ..HYPER }).expect_err(&what);
            assert!(!error.nats.is_finite() || !error.gradient_norm.is_finite(), "{what}: {error}");
            let after = everything(engine.as_ref());
            assert_eq!((after.parameters, after.moments), (before.parameters, before.moments), "{what}");
        }
    }
}
