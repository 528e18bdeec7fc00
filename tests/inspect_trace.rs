//! A trace holds what the plain loops compute in f64, as exactly as its bytes can.

mod common;

use common::{Random, config};
use hornpipe::inspect::trace::{TOP, Trace, TraceError, nats};
use hornpipe::inspect::{LSTM_SIGNALS, Reading, Recorder, Span};
use hornpipe::nn::reference::{Network, forward, zero_states};
use hornpipe::nn::{Batch, Input, Parameters};
use hornpipe_kernels::Isa;
use std::ops::ControlFlow;

fn go_on(_: f64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn every_number_is_the_references_within_half_a_step() {
    let config = config(9, Input::Embedding(4), 7, 2, 0.0);
    let mut random = Random::new(4);
    // Large enough that gates saturate and memories grow.
    let parameters = random.parameters(&config, 1.5);
    let text: Vec<u32> = (0..150).map(|_| 1 + random.below(8)).collect();
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let trace = Trace::new(&mut recorder, &text, 0, Reading::Carried, &mut go_on).unwrap();

    let network = Network::<f64>::from_parameters(&config, &parameters);
    let mut batch = Batch::zeros(text.len() + 1, 1);
    text.iter().enumerate().for_each(|(t, &token)| batch.tokens[[t + 1, 0]] = token);
    let pass = forward(&network, &batch, &zero_states(&network, 1), None);

    for (l, blocks) in trace.layers.iter().enumerate() {
        for (k, (block, signal)) in blocks.iter().zip(LSTM_SIGNALS).enumerate() {
            for u in 0..config.hidden {
                let reference = |at: usize| {
                    let cache = &pass.layers[l];
                    match k {
                        0..4 => cache.gates[[at + 1, 0, k * config.hidden + u]],
                        4 => cache.c[[at + 1, 0, u]],
                        _ => cache.h[[at + 1, 0, u]],
                    }
                };
                let greatest = (0..text.len()).map(|at| reference(at).abs()).fold(0.0, f64::max);
                let half = match signal.span {
                    Span::Share => 1.0 / 510.0,
                    _ => greatest / 254.0,
                };
                for at in 0..text.len() {
                    let (got, want) = (f64::from(block.value(u, at)), reference(at));
                    let within = (got - want).abs() <= 1.001 * half + 1e-5;
                    assert!(within, "layer {l}, {}, unit {u}, character {at}: {got} for {want}", signal.name);
                }
            }
        }
    }

    assert_eq!(trace.expected.len(), text.len() + 1);
    for (at, expected) in trace.expected.iter().enumerate() {
        let logits: Vec<f64> = (0..9).map(|v| pass.logits[[at, 0, v]]).collect();
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        let p = |token: u32| logits[token as usize].exp() / sum;
        let mut order: Vec<u32> = (0..9).collect();
        order.sort_by(|&a, &b| p(b).total_cmp(&p(a)));
        assert_eq!(expected.top.len(), TOP);
        for (&(token, probability), &want) in expected.top.iter().zip(&order) {
            assert_eq!(token, want, "character {at}");
            assert!((f64::from(probability) - p(want)).abs() <= 1e-5, "character {at}");
        }
        match (expected.came, text.get(at)) {
            (Some(came), Some(&token)) => {
                let want = -p(token).ln();
                assert!(
                    (f64::from(came.nats) - want).abs() <= 1e-4,
                    "character {at}: {} for {want}",
                    came.nats
                );
                assert_eq!(came.rank as usize, 1 + order.iter().position(|&t| t == token).unwrap());
            }
            (came, token) => assert!(came.is_none() && token.is_none(), "character {at}"),
        }
    }
}

#[test]
fn a_surprise_too_great_for_its_probability_is_still_a_number() {
    assert_eq!(nats(&[0.0, -2000.0, 0.0], 1), 2000.0 + 2f64.ln());
}

#[test]
fn what_cannot_be_traced_is_said() {
    let config = config(3, Input::Embedding(2), 2, 1, 0.0);
    let mut parameters = Parameters::zeros(&config);
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let mut trace = |text: &[u32], progress: &mut dyn FnMut(f64) -> ControlFlow<()>| {
        Trace::new(&mut recorder, text, 0, Reading::Carried, progress)
    };
    assert_eq!(trace(&[], &mut go_on), Err(TraceError::Empty));
    assert_eq!(trace(&[1, 2], &mut |_| ControlFlow::Break(())), Err(TraceError::Interrupted));
    let mut done = Vec::new();
    let small = trace(&[1, 2], &mut |share| {
        done.push(share);
        ControlFlow::Continue(())
    });
    assert!(done.is_sorted() && done.last() == Some(&1.0), "{done:?}");
    // Zero weights: memories stay zero, and a vocabulary of three has three predictions.
    let small = small.unwrap();
    assert_eq!((small.layers[0][4].value(1, 1), small.expected[0].top.len()), (0.0, 3));

    let last = parameters.values().len() - 1;
    parameters.values_mut()[last] = f32::NAN;
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let trace = Trace::new(&mut recorder, &[1], 0, Reading::Carried, &mut go_on);
    assert_eq!(trace, Err(TraceError::NotFinite(0)));
}
