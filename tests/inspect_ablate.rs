//! A part that is taken away by changing weights is gone: against plain loops in f64 that set it.

mod common;

use common::{Random, config};
use hornpipe::inspect::ablation::{Change, Means, Part, ablate, all};
use hornpipe::inspect::{Reading, Recorder, Sequence, gates};
use hornpipe::nn::cell::{self, gru};
use hornpipe::nn::reference::Network;
use hornpipe::nn::{Cell, Input, ModelConfig, Parameters};
use hornpipe_kernels::Isa;
use ndarray::{Array1, Array2};
use std::ops::ControlFlow;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The logits of each step of a text, with a part set as asked.
fn set(
    network: &Network<f64>,
    means: &Means,
    tokens: &[u32],
    changed: Option<(Part, Change)>,
) -> Vec<Array1<f64>> {
    let (layers, hidden) = (network.layers.len(), network.hidden());
    let frozen = |l: usize, u: usize| -> Option<f64> {
        let (part, change) = changed?;
        let here = match part {
            Part::Layer { layer } => layer == l,
            Part::Unit { layer, unit } => (layer, unit) == (l, u),
            Part::Gate { .. } => false,
        };
        here.then(|| if change == Change::Zero { 0.0 } else { means.h[l][u] })
    };
    let gate = |l: usize, q: usize, u: usize, value: f64| match changed {
        Some((Part::Gate { layer, gate }, change)) if (layer, gate) == (l, q) => match change {
            Change::Zero => 0.0,
            Change::One => 1.0,
            Change::Mean => means.gates[l][q * hidden + u],
        },
        _ => value,
    };
    let mut h: Vec<Array1<f64>> =
        (0..layers).map(|l| Array1::from_shape_fn(hidden, |u| frozen(l, u).unwrap_or(0.0))).collect();
    let mut c = vec![Array1::<f64>::zeros(hidden); layers];
    let mut logits = Vec::new();
    for &token in tokens {
        let mut x = network.embedding.as_ref().unwrap().row(token as usize).to_owned();
        for l in 0..layers {
            let weights = &network.layers[l];
            let a = weights.w_ih.dot(&x) + weights.w_hh.dot(&h[l]) + &weights.bias;
            for u in 0..hidden {
                let value = |q: usize| {
                    let a = a[q * hidden + u];
                    gate(l, q, u, if q == 2 { a.tanh() } else { sigmoid(a) })
                };
                c[l][u] = value(1) * c[l][u] + value(0) * value(2);
                h[l][u] = frozen(l, u).unwrap_or(value(3) * c[l][u].tanh());
            }
            x = h[l].clone();
        }
        logits.push(network.linear_weight.dot(&x) + &network.linear_bias);
    }
    logits
}

fn setup(cell: Cell) -> (ModelConfig, Parameters, Vec<u32>, Means) {
    let config = ModelConfig { cell, ..config(8, Input::Embedding(4), 5, 3, 0.0) };
    let mut random = Random::new(6);
    let parameters = random.parameters(&config, 0.9);
    let text: Vec<u32> = (0..60).map(|_| 1 + random.below(7)).collect();
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let sequences = [Sequence::tune(&text, 0)];
    let means =
        Means::new(&mut recorder, &sequences, Reading::Carried, 1, &mut |_| ControlFlow::Continue(()));
    (config, parameters, text, means.unwrap())
}

/// The recorded `[steps]` of what `of` takes from each step of the changed network.
fn recorded<T>(
    config: &ModelConfig,
    parameters: &Parameters,
    text: &[u32],
    of: impl Fn(&hornpipe::inspect::Step) -> T,
) -> Vec<T> {
    let mut recorder = Recorder::new(Isa::best(), config, parameters);
    let mut all = Vec::new();
    let sequences = [Sequence::tune(text, 0)];
    let flow = hornpipe::inspect::read(&mut recorder, &sequences, Reading::Carried, 1, &mut |step| {
        all.push(of(&step));
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    all
}

/// Each gate of each cell is what it was set to, at every step.
#[test]
fn the_gates_of_every_cell_are_held() {
    for cell in Cell::ALL {
        let (config, parameters, text, means) = setup(cell);
        let asked: Vec<_> =
            all(&config).into_iter().filter(|(part, _)| matches!(part, Part::Gate { .. })).collect();
        assert_eq!(asked.len(), 3 * 3 * gates(cell).len(), "{cell}");
        for (part, change) in asked {
            let Part::Gate { layer, gate } = part else { continue };
            let mut changed = parameters.clone();
            ablate(&mut changed, &config, &means, part, change);
            for values in recorded(&config, &changed, &text, |step| step.signal(layer, gate).to_vec()) {
                for (u, value) in values.into_iter().enumerate() {
                    let want = match change {
                        Change::Zero => 0.0,
                        Change::One => 1.0,
                        Change::Mean => means.gates[layer][gate * config.hidden + u],
                    };
                    assert!(
                        (f64::from(value) - want).abs() < 1e-5,
                        "{cell}, {part:?} {change:?}: {value} for {want}"
                    );
                }
            }
        }
    }
}

/// Each output of each cell is frozen where weights read it, and nothing else is.
#[test]
fn the_outputs_of_every_cell_are_frozen() {
    for cell in Cell::ALL {
        let (config, parameters, text, means) = setup(cell);
        let network = Network::<f64>::from_parameters(&config, &parameters);
        let tokens: Vec<u32> = [0].iter().chain(&text[..text.len() - 1]).copied().collect();
        let memory = if cell.has_memory() { config.hidden } else { 0 };
        for change in [Change::Zero, Change::Mean] {
            let (layer, unit) = (1, 3);
            let mut changed = parameters.clone();
            ablate(&mut changed, &config, &means, Part::Unit { layer, unit }, change);
            let value = if change == Change::Zero { 0.0 } else { means.h[layer][unit] };
            let seen = |l: usize, h: &Array2<f64>| {
                let mut h = h.clone();
                if l == layer {
                    h[[0, unit]] = value;
                }
                h
            };
            let mut states = vec![(Array2::zeros((1, config.hidden)), Array2::zeros((1, memory))); 3];
            let mut want = Vec::new();
            for &token in &tokens {
                let row = network.embedding.as_ref().unwrap().row(token as usize).to_owned();
                let mut x = row.insert_axis(ndarray::Axis(0));
                for (l, (h, c)) in states.iter_mut().enumerate() {
                    let (weights, resets) = (&network.layers[l], Array2::from_elem((1, 1), false));
                    let input = x.clone().insert_axis(ndarray::Axis(0));
                    let step = cell::forward(cell, weights, &input, &resets, &seen(l, h), c);
                    let mut next = step.h.index_axis(ndarray::Axis(0), 0).to_owned();
                    if cell == Cell::Gru {
                        // The update gate keeps the true one.
                        for u in 0..config.hidden {
                            let z = step.gates[[0, 0, gru::Z * config.hidden + u]];
                            next[[0, u]] += z * (h[[0, u]] - seen(l, h)[[0, u]]);
                        }
                    }
                    *h = next;
                    *c = step.c.index_axis(ndarray::Axis(0), 0).to_owned();
                    x = seen(l, h);
                }
                want.push(network.linear_weight.dot(&x.row(0)) + &network.linear_bias);
            }
            let got = recorded(&config, &changed, &text, |step| step.logits().to_vec());
            for (t, (got, want)) in got.iter().zip(&want).enumerate() {
                for (got, want) in got.iter().zip(want) {
                    let close = (f64::from(*got) - want).abs() <= 1e-4 * want.abs() + 1e-4;
                    assert!(close, "{cell}, {change:?}, step {t}: {got} for {want}");
                }
            }
        }
    }
}

#[test]
fn every_change_does_what_it_says() {
    let (config, parameters, text, means) = setup(Cell::Lstm);
    let network = Network::<f64>::from_parameters(&config, &parameters);
    let tokens: Vec<u32> = [0].iter().chain(&text[..text.len() - 1]).copied().collect();
    let unchanged = set(&network, &means, &tokens, None);
    let changes = all(&config);
    assert_eq!(changes.len(), 3 * 2 + 3 * 4 * 3 + 3 * 5 * 2);
    for (part, change) in changes {
        let mut changed = parameters.clone();
        ablate(&mut changed, &config, &means, part, change);
        let mut recorder = Recorder::new(Isa::best(), &config, &changed);
        let want = set(&network, &means, &tokens, Some((part, change)));
        let sequences = [Sequence::tune(&text, 0)];
        let flow = hornpipe::inspect::read(&mut recorder, &sequences, Reading::Carried, 1, &mut |step| {
            for (got, want) in step.logits().iter().zip(&want[step.step]) {
                let close = (f64::from(*got) - want).abs() <= 1e-4 * want.abs() + 1e-4;
                assert!(close, "{part:?} {change:?}, step {}: {got} for {want}", step.step);
            }
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        let distance = |a: &[Array1<f64>]| -> f64 {
            a.iter().zip(&unchanged).map(|(a, b)| (a - b).mapv(f64::abs).sum()).sum()
        };
        assert!(distance(&want) > 1e-3, "{part:?} {change:?} changes nothing");
    }
}

#[test]
fn means_are_means() {
    let (config, parameters, text, means) = setup(Cell::Lstm);
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let mut sums = Array2::<f64>::zeros((3, 2));
    let flow = hornpipe::inspect::read(
        &mut recorder,
        &[Sequence::tune(&text, 0)],
        Reading::Carried,
        1,
        &mut |step| {
            for l in 0..3 {
                sums[[l, 0]] += f64::from(step.signal(l, 5)[2]);
                sums[[l, 1]] += f64::from(step.signal(l, 2)[4]);
            }
            ControlFlow::Continue(())
        },
    );
    assert!(flow.is_continue());
    for l in 0..3 {
        assert!((means.h[l][2] - sums[[l, 0]] / 60.0).abs() < 1e-9);
        assert!((means.gates[l][2 * 5 + 4] - sums[[l, 1]] / 60.0).abs() < 1e-9);
    }
    let stopped = Means::new(&mut recorder, &[Sequence::tune(&text, 0)], Reading::Carried, 1, &mut |_| {
        ControlFlow::Break(())
    });
    assert!(stopped.is_none());
}

#[test]
#[should_panic(expected = "an output is no gate")]
fn an_output_is_not_set_to_one() {
    let (config, mut parameters, _, means) = setup(Cell::Lstm);
    ablate(&mut parameters, &config, &means, Part::Unit { layer: 0, unit: 0 }, Change::One);
}
