//! What a model is measured against.

pub mod ngram;

pub use ngram::{NgramError, NgramModel, Score, Smoothing, best_of_orders};
