//! Text in, batches out.
//!
//! [`read`](read()) gathers tunes from files, [`split`](split()) sets some of them aside, a [`Vocabulary`] turns
//! characters into integers, and two data sources cut those into batches: [`Windows`] for many-to-one training as in
//! the article, [`Streams`] for many-to-many training with carried state. Both are random-access:
//! batch `i` of epoch `e` depends on the seed, `e` and `i` alone, so a resumed run needs no replay.
//!
//! [`augment`] gives training tunes in other keys, [`melody`](melody()) what of a tune does not depend on its key.
//!
//! [`composer`] writes the built-in corpus, [`stats`] counts what a corpus has, [`clean`] finds what is wrong with one.
//!
//! Only `read` touches files; [`parse`] does the same work on bytes.

pub mod augment;
pub mod benchmark;
pub mod clean;
pub mod composer;
mod epoch;
pub mod error;
mod melody;
mod parse;
mod read;
pub mod split;
pub mod stats;
pub mod streams;
mod vocabulary;
pub mod windows;

pub use epoch::{Epoch, Source};
pub use error::{CorpusError, UnknownCharacter};
pub use melody::melody;
pub use parse::{decode, parse};
pub use read::{READ_LIMIT, read, read_file, texts};
pub use split::{SPLIT_VERSION, Split, fingerprint, split, split_by};
pub use streams::{StreamEpoch, Streams};
pub use vocabulary::Vocabulary;
pub use windows::{EvaluationWindows, WindowEpoch, Windows};

/// One tune as the model sees it: its lines without blank ones, ended by the blank line that ends a
/// tune in ABC, so by exactly `"\n\n"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tune {
    /// The text, from its `X:` line to the blank line.
    pub text: String,
}

/// All tunes that were read, in the order of the paths and of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The tunes.
    pub tunes: Vec<Tune>,
}
