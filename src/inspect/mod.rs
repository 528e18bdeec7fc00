//! What goes on inside a network while it reads.
//!
//! | where | what |
//! |---|---|
//! | [`Signal`] | the gates and states of a cell, by name |
//! | [`Recorder`] | runs a network over a batch and lets every gate, state and logit be read |
//! | [`read`] | the same over whole texts, step by step, in memory that does not grow with them |
//! | [`trace`] | one text, kept for a page |
//! | [`saturation`] | how far the gates are open, and how long memories last |
//! | [`reach`] | how far the learning signal reaches, and the norms of gradients |
//! | [`units`] | what there is to follow in a tune, and which units follow it |
//! | [`ablation`] | what a part of the network is worth |
//! | [`check`] | an engine's gradients against slopes |
//! | [`npz`] | arrays for NumPy, written as they come |

pub mod ablation;
pub mod check;
pub mod npz;
mod quantile;
pub mod reach;
mod reading;
mod recorder;
pub mod saturation;
mod signals;
pub mod trace;
pub mod units;

pub use quantile::quantile;
pub use reading::{Reading, Sequence, Step, read};
pub use recorder::{Record, Recorder};
pub use signals::{LSTM_SIGNALS, Signal, Span, gates, signals};
