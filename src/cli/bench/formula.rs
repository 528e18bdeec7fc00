//! Weights and characters from a formula, so that any other framework can compute on the same numbers.
//!
//! Everything follows from Knuth's multiplicative hash, `hash(n) = n·2654435761 mod 2^32`:
//!
//! - number `k` of the flat parameter buffer ([`crate::nn::Layout`]) is `(hash(k) / 2^32 - 0.5)·0.2`, computed in f64 and
//!   rounded to f32 once;
//! - character `n` is `(hash(n) >> 16) mod V`. A batch `[T, B]` has characters `0..T·B` as its inputs, row by row, and the
//!   `T·B` after them as its targets.
//!
//! `benches/frameworks/README.md` says the same to those who write the other side.

use crate::nn::{Batch, ModelConfig, Parameters};
use crate::train::Objective;

fn hash(n: u64) -> u32 {
    n.wrapping_mul(2_654_435_761) as u32
}

/// The weights, within ±0.1.
pub fn parameters(config: &ModelConfig) -> Parameters {
    let mut parameters = Parameters::zeros(config);
    for (value, k) in parameters.values_mut().iter_mut().zip(0..) {
        *value = ((f64::from(hash(k)) / 4_294_967_296.0 - 0.5) * 0.2) as f32;
    }
    parameters
}

/// Character `n`.
pub fn character(n: usize, vocabulary: usize) -> u32 {
    ((hash(n as u64) >> 16) as usize % vocabulary) as u32
}

/// The batch: every target counts, or the last one of each sequence.
pub fn batch(steps: usize, rows: usize, vocabulary: usize, objective: Objective) -> Batch {
    let mut batch = Batch::zeros(steps, rows);
    for (n, token) in batch.tokens.iter_mut().chain(&mut batch.targets).enumerate() {
        *token = character(n, vocabulary);
    }
    match objective {
        Objective::ManyToMany => batch.weights.fill(1.0),
        Objective::ManyToOne => batch.weights.row_mut(steps - 1).fill(1.0),
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Cell, Input};

    /// The same numbers by NumPy, as `benches/frameworks/harness/jobs.py` computes them.
    #[test]
    fn the_first_numbers_are_the_documented_ones() {
        let config = ModelConfig {
            cell: Cell::Lstm,
            vocabulary: 93,
            input: Input::Embedding(32),
            hidden: 8,
            layers: 1,
            dropout: 0.0,
            weight_drop: 0.0,
        };
        let parameters = parameters(&config);
        let bits: Vec<u32> = parameters.values()[..4].iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, FIRST);
        assert!(parameters.values().iter().all(|x| (-0.1..=0.1).contains(x)));
        let characters: Vec<u32> = (0..6).map(|n| character(n, 93)).collect();
        assert_eq!(characters, CHARACTERS);
        let batch = batch(3, 2, 93, Objective::ManyToOne);
        assert_eq!(batch.tokens.iter().copied().collect::<Vec<_>>(), CHARACTERS);
        assert_eq!(batch.targets[[0, 0]], character(6, 93));
        assert_eq!(batch.weights.iter().copied().collect::<Vec<_>>(), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    }

    const FIRST: [u32; 4] = [0xbdcc_cccd, 0x3cc1_630b, 0xbd58_368f, 0x3d91_0a48];
    const CHARACTERS: [u32; 6] = [0, 48, 32, 81, 65, 50];
}
