//! Text in, batches out.

pub mod composer;
