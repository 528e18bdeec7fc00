//! PyTorch's numbers in float64 (`tests/reference`) against the plain loops in f64 and every engine in f32.

mod common;

use common::{Bound, cpu, gemms, name};
use hornpipe::nn::reference::{self, Network, States};
use hornpipe::nn::{Batch, Cell, Engine, Input, LossSums, ModelConfig, Parameters, ReferenceEngine, State};
use hornpipe::optim::{Hyper, Moments, Optimizer, reference::update};
use hornpipe_kernels::Isa;
use ndarray::{Array, Array2, ArrayView3, Axis, Dimension};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Stored<T = f64> {
    shape: Vec<usize>,
    data: Vec<T>,
}

impl<T: Copy> Stored<T> {
    fn array<D: Dimension>(&self) -> Array<T, D> {
        let array = Array::from_shape_vec(self.shape.clone(), self.data.clone()).expect("shape and data");
        array.into_dimensionality().expect("as many dimensions as the README says")
    }
}

type Named = BTreeMap<String, Stored>;

#[derive(Deserialize)]
struct Sizes {
    #[serde(default)]
    cell: Cell,
    vocabulary: usize,
    embedding: Option<usize>,
    hidden: usize,
    layers: usize,
    batch: usize,
    steps: usize,
}

#[derive(Deserialize)]
struct Descent {
    lr: f64,
    max_norm: f64,
    losses: Vec<f64>,
    gradient_norms: Vec<f64>,
    parameters: Named,
}

#[derive(Deserialize)]
struct Case {
    config: Sizes,
    parameters: Named,
    tokens: Stored<u32>,
    targets: Stored<u32>,
    weights: Stored<f32>,
    resets: Stored<u8>,
    h0: Stored,
    c0: Option<Stored>,
    output: Stored,
    logits: Stored,
    h_n: Stored,
    c_n: Option<Stored>,
    loss: f64,
    gradients: Named,
    d_h0: Stored,
    d_c0: Option<Stored>,
    adam: Option<Descent>,
    rmsprop: Option<Descent>,
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/reference/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

const CASES: [&str; 10] = [
    "many_to_many_l1",
    "many_to_many_l2",
    "many_to_many_l3",
    "many_to_one",
    "resets",
    "scalar_input",
    "gru",
    "gru_resets",
    "rnn",
    "rnn_resets",
];

impl Case {
    fn model(&self) -> ModelConfig {
        let input = self.config.embedding.map_or(Input::Scalar, Input::Embedding);
        let Sizes { cell, vocabulary, hidden, layers, .. } = self.config;
        ModelConfig { cell, ..common::config(vocabulary, input, hidden, layers, 0.0) }
    }

    fn batch(&self) -> Batch {
        let batch = Batch {
            tokens: self.tokens.array(),
            targets: self.targets.array(),
            weights: self.weights.array(),
            resets: self.resets.array().mapv(|r| r != 0),
        };
        assert_eq!((batch.steps(), batch.rows()), (self.config.steps, self.config.batch));
        batch
    }

    /// The parameters, which f32 holds exactly; `serde_json` may read the last bit of an f64 wrong.
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::zeros(&self.model());
        let layout = Parameters::zeros(&self.model());
        assert_eq!(layout.layout().tensors().len(), self.parameters.len());
        for (k, tensor) in layout.layout().tensors().iter().enumerate() {
            let stored = &self.parameters[&tensor.name];
            assert_eq!(stored.shape, tensor.shape, "{}", tensor.name);
            for (to, &from) in parameters.slice_mut(k).iter_mut().zip(&stored.data) {
                *to = from as f32;
                assert!(
                    (f64::from(*to) - from).abs() <= f64::EPSILON * from.abs(),
                    "{} fits f32",
                    tensor.name
                );
            }
        }
        parameters
    }

    fn states(&self) -> States<f64> {
        let h = self.h0.array::<ndarray::Ix3>();
        let (layers, rows, _) = h.dim();
        let c = self.c0.as_ref().map_or_else(|| Array::zeros((layers, rows, 0)), Stored::array);
        h.outer_iter().zip(c.outer_iter()).map(|(h, c)| (h.to_owned(), c.to_owned())).collect()
    }

    fn state(&self) -> State {
        let f32s = |a: &Array2<f64>| a.mapv(|x| x as f32);
        let arrays = self.config.cell.states().len();
        let layer = |(h, c): &(_, _)| [f32s(h), f32s(c)].into_iter().take(arrays).collect();
        State { layers: self.states().iter().map(layer).collect() }
    }
}

/// Checks values in the order of the layout against named ones.
fn check_named<T: Copy + Into<f64>>(
    bound: &mut Bound,
    what: &str,
    parameters: &Parameters,
    got: &[T],
    want: &Named,
) {
    let tensors = parameters.layout().tensors();
    assert_eq!((tensors.len(), parameters.layout().len()), (want.len(), got.len()), "{what}");
    for tensor in tensors {
        let what = format!("{what}: {}", tensor.name);
        bound.check(&what, got[tensor.range()].iter().copied(), want[&tensor.name].data.iter().copied());
    }
}

fn mean(sums: LossSums) -> [f64; 1] {
    [sums.nats / sums.weight]
}

#[test]
fn the_plain_loops_in_f64_are_pytorch() {
    let mut bound = Bound::new(1e-9, 1e-9);
    for file in CASES {
        let case: Case = read(file);
        let parameters = case.parameters();
        let network = Network::<f64>::from_parameters(&case.model(), &parameters);
        let batch = case.batch();
        let pass = reference::forward(&network, &batch, &case.states(), None);
        let (sums, d_logits) = reference::loss(&batch, &pass.logits);
        let gradients = reference::backward(&network, &batch, &pass, None, &d_logits);

        let mut check = |what: &str, got: &mut dyn Iterator<Item = f64>, want: &Stored| {
            bound.check(&format!("{file}: {what}"), got, want.data.iter().copied());
        };
        let finals = pass.final_states();
        check("output", &mut pass.output.iter().copied(), &case.output);
        check("logits", &mut pass.logits.iter().copied(), &case.logits);
        check("h_n", &mut finals.iter().flat_map(|s| s.0.iter().copied()), &case.h_n);
        check("d_h0", &mut gradients.states.iter().flat_map(|s| s.0.iter().copied()), &case.d_h0);
        if let (Some(c_n), Some(d_c0)) = (&case.c_n, &case.d_c0) {
            check("c_n", &mut finals.iter().flat_map(|s| s.1.iter().copied()), c_n);
            check("d_c0", &mut gradients.states.iter().flat_map(|s| s.1.iter().copied()), d_c0);
        }
        bound.check(&format!("{file}: loss"), mean(sums), [case.loss]);
        check_named(&mut bound, file, &parameters, &gradients.network.values(), &case.gradients);
    }
    println!("f64 plain loops: {bound}");
}

#[test]
fn ten_steps_of_each_optimiser_in_f64_are_pytorch() {
    let case: Case = read("many_to_many_l2");
    let (batch, states, parameters) = (case.batch(), case.states(), case.parameters());
    for (optimizer, descent) in [(Optimizer::Adam, &case.adam), (Optimizer::Rmsprop, &case.rmsprop)] {
        let descent = descent.as_ref().expect("this file has both");
        assert_eq!((descent.losses.len(), descent.gradient_norms.len()), (10, 10));
        let mut bound = Bound::new(1e-9, 1e-9);
        let mut network = Network::<f64>::from_parameters(&case.model(), &parameters);
        let mut moments = vec![vec![0.0; network.values().len()]; optimizer.moments()];
        for (step, (&loss, &norm)) in (0u64..).zip(descent.losses.iter().zip(&descent.gradient_norms)) {
            let pass = reference::forward(&network, &batch, &states, None);
            let (sums, d_logits) = reference::loss(&batch, &pass.logits);
            let gradients = reference::backward(&network, &batch, &pass, None, &d_logits);
            let hyper = Hyper { optimizer, lr: descent.lr, clip_norm: Some(descent.max_norm), step };
            let got = update(&hyper, &mut network.values_mut(), &gradients.network.values(), &mut moments);
            bound.check(&format!("{optimizer:?} loss {step}"), mean(sums), [loss]);
            bound.check(&format!("{optimizer:?} norm {step}"), [got], [norm]);
        }
        check_named(&mut bound, "weights", &parameters, &network.values(), &descent.parameters);
        println!("f64 {optimizer:?}: {bound}");
    }
}

#[derive(Deserialize)]
struct Given {
    lr: f64,
    initial: Stored,
    gradients: Vec<Stored>,
    adam: Vec<Stored>,
    rmsprop: Vec<Stored>,
}

impl Given {
    fn rules(&self) -> [(Optimizer, &[Stored]); 2] {
        assert_eq!((self.gradients.len(), self.adam.len(), self.rmsprop.len()), (10, 10, 10));
        [(Optimizer::Adam, &self.adam), (Optimizer::Rmsprop, &self.rmsprop)]
    }
}

#[test]
fn the_update_rules_in_f64_are_pytorch() {
    let given: Given = read("optimizers");
    for (optimizer, after) in given.rules() {
        let mut bound = Bound::new(1e-13, 1e-13);
        let mut theta = given.initial.data.clone();
        let mut moments = vec![vec![0.0; theta.len()]; optimizer.moments()];
        for (step, (gradients, after)) in (0u64..).zip(given.gradients.iter().zip(after)) {
            let hyper = Hyper { optimizer, lr: given.lr, clip_norm: None, step };
            let mut theta: Vec<&mut f64> = theta.iter_mut().collect();
            update(&hyper, &mut theta, &gradients.data, &mut moments);
            let theta = theta.iter().map(|x| **x);
            bound.check(&format!("{optimizer:?} {step}"), theta, after.data.iter().copied());
        }
        println!("f64 {optimizer:?} from given gradients: {bound}");
    }
}

#[test]
fn the_update_kernels_are_pytorch_within_f32() {
    let given: Given = read("optimizers");
    // A network of exactly 37 numbers to carry them.
    let config = common::config(1, Input::Embedding(3), 1, 2, 0.0);
    let mut start = Parameters::zeros(&config);
    start.values_mut().iter_mut().zip(&given.initial.data).for_each(|(to, &x)| *to = x as f32);
    for (optimizer, after) in given.rules() {
        // A step moves a number by about `lr`, here 3e-3, to six digits; and each time the number is rounded.
        let mut bound = Bound::new(3e-7, 1e-7);
        for isa in Isa::available() {
            let (mut theta, mut gradients) = (start.clone(), start.zeros_like());
            let mut moments = Moments::zeros(optimizer, &start);
            for (step, (given_gradients, after)) in (0u64..).zip(given.gradients.iter().zip(after)) {
                assert_eq!(given_gradients.data.len(), gradients.values().len());
                let to = gradients.values_mut().iter_mut();
                to.zip(&given_gradients.data).for_each(|(to, &x)| *to = x as f32);
                let hyper = Hyper { optimizer, lr: given.lr, clip_norm: None, step };
                moments.update(isa, &hyper, 1.0, &mut theta, &gradients);
                let what = format!("{optimizer:?} on {isa}, step {step}");
                bound.check(&what, theta.values().iter().copied(), after.data.iter().copied());
            }
        }
        println!("f32 {optimizer:?} from given gradients: {bound}");
    }
}

/// The engine's loss, gradients, final state, and the logits of [`Engine::advance`], against PyTorch.
fn check_engine(what: &str, engine: &mut dyn Engine, case: &Case, bound: &mut Bound) {
    let (batch, start) = (case.batch(), case.state());
    engine.set_state(&start);
    let sums = engine.gradients(&batch, None);
    bound.check(&format!("{what}: loss"), mean(sums), [case.loss]);
    let gradients = engine.last_gradients();
    check_named(bound, what, gradients, gradients.values(), &case.gradients);
    let after = engine.state();
    let labelled = [Some(("h_n", &case.h_n)), case.c_n.as_ref().map(|c_n| ("c_n", c_n))];
    for (which, (label, want)) in labelled.into_iter().flatten().enumerate() {
        let got = after.layers.iter().flat_map(|arrays| arrays[which].iter().copied());
        bound.check(&format!("{what}: {label}"), got, want.data.iter().copied());
    }

    engine.set_state(&start);
    bound.check(&format!("{what}: evaluated loss"), mean(engine.evaluate(&batch)), [case.loss]);
    let evaluated = engine.state();

    engine.set_state(&start);
    let logits: ndarray::Array3<f64> = case.logits.array();
    for (t, logits) in logits.axis_iter(Axis(0)).enumerate() {
        // `advance` knows no resets; whoever generates sets the state.
        let mut state = engine.state();
        for (b, _) in batch.resets.row(t).iter().enumerate().filter(|(_, reset)| **reset) {
            state.layers.iter_mut().flatten().for_each(|array| array.row_mut(b).fill(0.0));
        }
        engine.set_state(&state);
        let got = engine.advance(&batch.tokens.row(t).to_vec());
        assert_eq!(got.dim(), logits.dim());
        bound.check(&format!("{what}: logits at {t}"), got.iter().copied(), logits.iter().copied());
    }
    for state in [&evaluated, &engine.state()] {
        for (got, want) in state.layers.iter().flatten().zip(after.layers.iter().flatten()) {
            bound.check(&format!("{what}: state"), got.iter().copied(), want.iter().copied());
        }
    }
}

#[test]
fn every_engine_in_f32_is_pytorch() {
    let mut bounds = BTreeMap::new();
    for file in CASES {
        let case: Case = read(file);
        let (config, parameters) = (case.model(), case.parameters());
        let bound = || Bound::new(1e-4, 1e-6);
        let mut plain = ReferenceEngine::new(&config, parameters.clone(), Optimizer::Adam);
        let used = bounds.entry("plain loops".to_string()).or_insert_with(bound);
        check_engine(&format!("{file}, plain loops"), &mut plain, &case, used);
        for gemm in gemms() {
            let used = bounds.entry(name(gemm)).or_insert_with(bound);
            for shard_rows in 1..=4 {
                let mut engine = cpu(&config, &parameters, Optimizer::Adam, gemm, shard_rows, 2);
                let what = format!("{file}, {}, shards of {shard_rows}", name(gemm));
                check_engine(&what, &mut engine, &case, used);
            }
        }
    }
    bounds.iter().for_each(|(what, bound)| println!("f32 {what}: {bound}"));
}

/// Gradients near zero make Adam's steps random within `lr` (here 0.01), so the weights after ten steps are compared more
/// loosely than the losses and norms on the way.
#[test]
fn ten_steps_of_every_engine_in_f32_follow_pytorch() {
    let case: Case = read("many_to_many_l2");
    let (config, batch, start, parameters) = (case.model(), case.batch(), case.state(), case.parameters());
    for (optimizer, descent) in [(Optimizer::Adam, &case.adam), (Optimizer::Rmsprop, &case.rmsprop)] {
        let descent = descent.as_ref().expect("this file has both");
        let (mut losses, mut weights) = (Bound::new(1e-4, 1e-6), Bound::new(0.0, 2e-5));
        let mut engines: Vec<(String, Box<dyn Engine>)> = vec![(
            "plain loops".into(),
            Box::new(ReferenceEngine::new(&config, parameters.clone(), optimizer)),
        )];
        for gemm in gemms() {
            engines.push((name(gemm), Box::new(cpu(&config, &parameters, optimizer, gemm, 2, 2))));
        }
        for (what, mut engine) in engines {
            for (step, (&loss, &norm)) in (0u64..).zip(descent.losses.iter().zip(&descent.gradient_norms)) {
                engine.set_state(&start);
                let hyper = Hyper { optimizer, lr: descent.lr, clip_norm: Some(descent.max_norm), step };
                let report = engine.train_step(&batch, None, &hyper).expect("finite");
                losses.check(&format!("{what}, {optimizer:?}: loss {step}"), mean(report.loss), [loss]);
                losses.check(&format!("{what}, {optimizer:?}: norm {step}"), [report.gradient_norm], [norm]);
            }
            let got = engine.parameters();
            check_named(&mut weights, &what, got, got.values(), &descent.parameters);
        }
        println!("f32 {optimizer:?}, ten steps: losses and norms {losses}; weights {weights}");
    }
}

#[test]
fn the_cases_are_what_their_names_say() {
    let case: Case = read("resets");
    assert!(case.c0.is_some() && case.c_n.is_some() && case.d_c0.is_some());
    assert!(case.batch().resets.iter().any(|&r| r));
    let output: ndarray::Array3<f64> = case.output.array();
    let view: ArrayView3<f64> = output.view();
    assert_eq!(view.dim(), (case.config.steps, case.config.batch, case.config.hidden));
    let case: Case = read("many_to_one");
    assert!(case.batch().weights.rows().into_iter().rev().skip(1).all(|w| w.iter().all(|&w| w == 0.0)));
}
