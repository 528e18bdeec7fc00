//! Packing tunes on streams changes nothing for any of them: each has the losses that it has alone.

use hornpipe::corpus::{Epoch, Streams, Vocabulary, composer, parse};
use hornpipe::nn::init::Initializer;
use hornpipe::nn::{CpuEngine, Engine, Input, ModelConfig, ReferenceEngine, State};
use hornpipe::optim::Optimizer;
use hornpipe_kernels::gemm::Gemm;

/// The nats of each tune, summed over its characters, when the epoch runs through the engine from the zero state. `order[k]`
/// lists what each row reads, tune after tune, as the epoch lays them out.
fn losses(engine: &mut dyn Engine, epoch: &dyn Epoch, tunes: &[Vec<u32>]) -> Vec<f64> {
    let config = engine.config().clone();
    let rows = epoch.batch(0).rows();
    engine.set_state(&State::zeros(config.layers, rows, config.hidden));
    // What each row has read since its latest reset, and what that cost.
    let mut open: Vec<(Vec<u32>, f64)> = vec![(Vec::new(), 0.0); rows];
    let mut found = vec![f64::NAN; tunes.len()];
    let mut close = |text: &mut Vec<u32>, nats: &mut f64| {
        if let Some(index) = tunes.iter().position(|tune| tune == text) {
            found[index] = *nats;
        }
        text.clear();
        *nats = 0.0;
    };
    for index in 0..epoch.len() {
        let batch = epoch.batch(index);
        for t in 0..batch.steps() {
            // One step and one row at a time, so that every character's loss is seen by itself.
            let state = engine.state();
            for b in 0..rows {
                if batch.resets[[t, b]] {
                    let (text, nats) = &mut open[b];
                    close(text, nats);
                }
                if batch.weights[[t, b]] == 0.0 {
                    continue;
                }
                let mut one = hornpipe::nn::Batch::zeros(1, rows);
                for row in 0..rows {
                    one.tokens[[0, row]] = batch.tokens[[t, row]];
                    one.targets[[0, row]] = batch.targets[[t, row]];
                    one.resets[[0, row]] = batch.resets[[t, row]];
                }
                one.weights[[0, b]] = 1.0;
                engine.set_state(&state);
                open[b].1 += engine.evaluate(&one).nats;
                open[b].0.push(batch.targets[[t, b]]);
            }
            // The step itself, for all rows.
            let mut step = hornpipe::nn::Batch::zeros(1, rows);
            step.tokens.row_mut(0).assign(&batch.tokens.row(t));
            step.resets.row_mut(0).assign(&batch.resets.row(t));
            engine.set_state(&state);
            engine.evaluate(&step);
        }
    }
    for (text, nats) in &mut open {
        close(text, nats);
    }
    found
}

#[test]
fn packed_tunes_have_the_losses_that_they_have_alone() {
    let text = composer::compose(9, 4);
    let tunes = parse("composed", text.as_bytes()).expect("composed tunes are ABC");
    let vocabulary = Vocabulary::from_tunes(&tunes);
    // Short ones, so that a row holds several and segments end in their midst.
    let encoded: Vec<Vec<u32>> = vocabulary
        .encode_tunes(&tunes)
        .expect("its own characters")
        .into_iter()
        .enumerate()
        .map(|(k, tune)| tune[..20 + 7 * k].to_vec())
        .collect();
    let config = ModelConfig {
        vocabulary: vocabulary.len(),
        input: Input::Embedding(5),
        hidden: 11,
        layers: 2,
        dropout: 0.0,
    };
    let parameters = Initializer::Pytorch.parameters(&config, 3);
    let mut engines: Vec<Box<dyn Engine>> =
        vec![Box::new(ReferenceEngine::new(&config, parameters.clone(), Optimizer::Adam))];
    let cpu = CpuEngine::new(&config, parameters, Optimizer::Adam, Gemm::matrixmultiply(), 2, 2);
    engines.push(Box::new(cpu.expect("two threads")));
    for engine in &mut engines {
        let packed = Streams::new(encoded.clone(), vocabulary.newline(), 13, 3).expect("a stream");
        let together = losses(engine.as_mut(), &packed.epoch(5, 2), &encoded);
        for (k, tune) in encoded.iter().enumerate() {
            let one = std::slice::from_ref(tune);
            let single = Streams::new(one.to_vec(), vocabulary.newline(), 13, 1).expect("a stream");
            let alone = losses(engine.as_mut(), &single.in_order(), one)[0];
            let close = (together[k] - alone).abs() <= 1e-6 * alone;
            assert!(close, "tune {k}: {} packed and {alone} alone", together[k]);
        }
    }
}
