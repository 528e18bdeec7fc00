//! Text in, batches out.

pub mod composer;
pub mod stats;
