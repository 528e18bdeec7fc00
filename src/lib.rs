//! Hornpipe.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod corpus;
pub mod generate;
pub mod judge;
pub mod nn;
pub mod optim;
pub mod random;
