//! What a model, and what a tune, is measured against.
//!
//! | where | what |
//! |---|---|
//! | [`ngram`] | how well counting predicts the next character |
//! | [`score`](score()) | one tune by itself: bars, repeats, strains, key, form, and one number to rank by |
//! | [`rate`] | one number by which the best of several tries is kept |
//! | [`Training`] | what of a tune stands in the training tunes, and which of them is nearest |
//! | [`judge`](judge()) | many tunes: their scores, and how far their notes are from the training tunes' |
//!
//! A number says something beside another: the same scores of tunes that people made and the model never saw.

mod histogram;
mod judgement;
mod line;
pub mod ngram;
mod novelty;
mod rating;
mod score;
pub mod suffix;

pub use histogram::{Counts, Distances, Histograms};
pub use judgement::{JudgedTune, Judgement, LAGS, Summary, judge};
pub use ngram::{NgramError, NgramModel, Score, Smoothing};
pub use novelty::{Copied, Nearest, Novelty, Training, name};
pub use rating::{Rating, rate};
pub use score::{TuneScore, score};
