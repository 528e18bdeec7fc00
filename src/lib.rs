//! Hornpipe.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod judge;
pub mod nn;
pub mod random;
