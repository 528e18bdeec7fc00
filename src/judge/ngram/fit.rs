//! The best n-gram model that training tunes alone lead to.

use super::{NgramError, NgramModel, Score, Smoothing};
use crate::corpus::{Corpus, Tune, Vocabulary, split};
use std::ops::RangeInclusive;

/// The orders that are tried.
pub const ORDERS: RangeInclusive<usize> = 3..=30;

/// The share of the training tunes that the order is chosen on.
const SHARE: f64 = 0.1;

/// A model of the order that was chosen.
#[derive(Clone)]
pub struct Fitted {
    /// It counts all training tunes.
    pub model: NgramModel,
    /// Each order that was tried, and how well it predicted the tunes that were set aside; empty where the order was given or there was
    /// but one tune.
    pub tried: Vec<(usize, Score)>,
}

/// Fits a model with modified smoothing. Where no order is given, a tenth of the training tunes is set aside by the rule that
/// [`split`] follows (of few tunes the last); of [`ORDERS`], the one that predicts these best when the others are counted is taken, and all training tunes are
/// counted again. The held-out tunes of the corpus have no part in that.
///
/// `seed` is the corpus's split's: another one is made of it, since the rule of that one has taken its tenth already.
///
/// # Errors
/// As [`NgramModel::train`], and where the vocabulary lacks a character of the tunes.
pub fn fit(
    vocabulary: &Vocabulary,
    tunes: &[Tune],
    order: Option<usize>,
    seed: u64,
) -> Result<Fitted, NgramError> {
    let train = |tunes: &[Vec<u32>], order| {
        NgramModel::train(tunes, vocabulary.newline(), vocabulary.len(), order, Smoothing::Modified)
    };
    let encoded = |tunes: &[Tune]| vocabulary.encode_tunes(tunes).map_err(|_| NgramError::Vocabulary);
    let mut tried = Vec::new();
    let order = match order {
        Some(order) => order,
        None if tunes.len() < 2 => *ORDERS.start(),
        None => {
            let mut parts = split(&Corpus { tunes: tunes.to_vec() }, seed.wrapping_add(1), SHARE);
            if parts.check(SHARE).is_err() {
                (parts.train, parts.held_out) =
                    (tunes[..tunes.len() - 1].to_vec(), tunes[tunes.len() - 1..].to_vec());
            }
            let scores = train(&encoded(&parts.train)?, *ORDERS.end())?.scores(&encoded(&parts.held_out)?)?;
            tried = (1..).zip(scores).filter(|(order, _)| ORDERS.contains(order)).collect();
            let best = tried.iter().min_by(|a, b| a.1.nats.total_cmp(&b.1.nats));
            best.map_or(*ORDERS.start(), |best| best.0)
        }
    };
    Ok(Fitted { model: train(&encoded(tunes)?, order)?, tried })
}
