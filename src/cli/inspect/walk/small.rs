//! A model small enough to print whole, made on the spot.

use crate::corpus::Vocabulary;
use crate::nn::init::Initializer;
use crate::nn::reference::{Network, backward, forward, loss, zero_states};
use crate::nn::{Batch, Cell, Input, ModelConfig};
use anyhow::Result;

/// All that it has ever read. What follows an f, only a memory of the line tells.
pub const TUNE: &str = "|:dfaf dfaf:|\n\n";
/// What it reads in the walk, to the second f before a colon.
pub const TEXT: &str = "|:dfaf dfaf:";
pub const EMBEDDING: usize = 3;
pub const HIDDEN: usize = 4;
pub const LAYERS: usize = 2;
/// Steps of plain gradient descent, and how long they are: enough to know most of the tune, and to have something left to learn.
pub const STEPS: usize = 300;
const RATE: f64 = 1.0;

/// The model, and its loss on the tune in nats per character. In f64, so that the digits that are printed are the same on every machine.
pub fn model() -> Result<(Vocabulary, Network<f64>, f64)> {
    let vocabulary = Vocabulary::from_text(TUNE);
    let config = ModelConfig {
        cell: Cell::Lstm,
        vocabulary: vocabulary.len(),
        input: Input::Embedding(EMBEDDING),
        hidden: HIDDEN,
        layers: LAYERS,
        dropout: 0.0,
    };
    let mut network = Network::from_parameters(&config, &Initializer::Pytorch.parameters(&config, 1));
    let batch = batch(&vocabulary.encode(TUNE)?, vocabulary.newline(), usize::MAX, true);
    for _ in 0..STEPS {
        let pass = forward(&network, &batch, &zero_states(&network, 1), None);
        let (_, d_logits) = loss(&batch, &pass.logits);
        let gradients = backward(&network, &batch, &pass, None, &d_logits).network.values();
        network.values_mut().into_iter().zip(gradients).for_each(|(weight, d)| *weight -= RATE * d);
    }
    let pass = forward(&network, &batch, &zero_states(&network, 1), None);
    let sums = loss(&batch, &pass.logits).0;
    Ok((vocabulary, network, sums.nats / sums.weight))
}

/// A text as one row, or the last `steps` of it: a line feed enters first, and a tune begins anew after a blank line. The last character
/// alone counts for the loss; with `all`, each does.
pub fn batch(text: &[u32], newline: u32, steps: usize, all: bool) -> Batch {
    let from = text.len().saturating_sub(steps);
    let mut batch = Batch::zeros(text.len() - from, 1);
    for (t, at) in (from..text.len()).enumerate() {
        batch.tokens[[t, 0]] = if at == 0 { newline } else { text[at - 1] };
        batch.targets[[t, 0]] = text[at];
        batch.weights[[t, 0]] = if all || at + 1 == text.len() { 1.0 } else { 0.0 };
        batch.resets[[t, 0]] = at >= 2 && text[at - 2..at] == [newline; 2];
    }
    batch
}
