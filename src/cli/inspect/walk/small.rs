//! A model small enough to print whole, made on the spot.

use crate::corpus::Vocabulary;
use crate::nn::init::Initializer;
use crate::nn::reference::{Network, backward, forward, loss, zero_states};
use crate::nn::{Batch, Cell, Input, ModelConfig};
use anyhow::Result;

/// All that it has ever read. What follows an f, only a memory of the line tells.
pub const TUNE: &str = "|:dfaf dfaf:|\n\n";
/// What it reads in the walk, to the f before the colon.
pub const TEXT: &str = "|:dfaf dfaf:";
pub const EMBEDDING: usize = 3;
pub const HIDDEN: usize = 4;
pub const LAYERS: usize = 2;
/// Steps of plain gradient descent, and how long they are: enough to know most of the tune, and to have something left to learn.
pub const STEPS: usize = 300;
const RATE: f64 = 1.0;

/// The model, and its loss on the tune in nats per character. The digits that are printed are the same on every machine: all is computed in
/// f64, and the weights are rounded to f32 at each step.
pub fn model() -> Result<(Vocabulary, Network<f64>, f64)> {
    let vocabulary = Vocabulary::from_text(TUNE);
    let config = ModelConfig {
        cell: Cell::Lstm,
        vocabulary: vocabulary.len(),
        input: Input::Embedding(EMBEDDING),
        hidden: HIDDEN,
        layers: LAYERS,
        dropout: 0.0,
        weight_drop: 0.0,
    };
    let mut network = Network::from_parameters(&config, &Initializer::Pytorch.parameters(&config, 1));
    let batch = batch(&vocabulary.encode(TUNE)?, vocabulary.newline(), None, true);
    for _ in 0..STEPS {
        let pass = forward(&network, &batch, &zero_states(&network, 1), None);
        let (_, d_logits) = loss(&batch, &pass.logits);
        let gradients = backward(&network, &batch, &pass, None, &d_logits).network.values();
        // exp and tanh differ in their last bits from machine to machine, and training would make more of that: f32 has no room for it.
        let weights = network.values_mut().into_iter().zip(gradients);
        weights.for_each(|(weight, d)| *weight = f64::from((*weight - RATE * d) as f32));
    }
    let pass = forward(&network, &batch, &zero_states(&network, 1), None);
    let sums = loss(&batch, &pass.logits).0;
    Ok((vocabulary, network, sums.nats / sums.weight))
}

/// A text as one row: a line feed enters first, and a tune begins anew after a blank line. A window sees the last so many steps of it, and
/// knows of no beginnings. The last character alone counts for the loss; with `all`, each does.
pub fn batch(text: &[u32], newline: u32, window: Option<usize>, all: bool) -> Batch {
    let from = window.map_or(0, |steps| text.len().saturating_sub(steps));
    let mut batch = Batch::zeros(text.len() - from, 1);
    for (t, at) in (from..text.len()).enumerate() {
        batch.tokens[[t, 0]] = if at == 0 { newline } else { text[at - 1] };
        batch.targets[[t, 0]] = text[at];
        batch.weights[[t, 0]] = if all || at + 1 == text.len() { 1.0 } else { 0.0 };
        batch.resets[[t, 0]] = window.is_none() && at >= 2 && text[at - 2..at] == [newline; 2];
    }
    batch
}
