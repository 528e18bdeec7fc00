//! Text in, batches out.
