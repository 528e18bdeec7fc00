//! Why nothing was generated.

use crate::abc::GrammarError;

/// Why nothing was generated. Each message is one sentence that says what to do where something can be done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A setting is out of range.
    #[error("{what} is {found}, but must be {allowed}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What would do.
        allowed: &'static str,
        /// What was asked for.
        found: String,
    },
    /// Neither one prime for all tunes nor one for each.
    #[error(
        "there are {primes} primes for {tunes} tunes: give one that all tunes share, or one for each tune"
    )]
    PrimeCount {
        /// Primes given.
        primes: usize,
        /// Tunes asked for.
        tunes: usize,
    },
    /// A [`Prime::Context`](super::Prime::Context) without a character.
    #[error("the context is empty: give at least one character, or start a fresh tune")]
    EmptyContext,
    /// A prime has a number that is no character.
    #[error(
        "a prime has the character index {index}, but the vocabulary only {vocabulary} characters: encode the prime \
         with the model's own vocabulary"
    )]
    Character {
        /// The index.
        index: u32,
        /// `V`.
        vocabulary: usize,
    },
    /// The vocabulary belongs to another network.
    #[error(
        "the vocabulary has {vocabulary} characters, but the network {network}: use the vocabulary from the model's \
         own file"
    )]
    VocabularySize {
        /// `V` of the vocabulary.
        vocabulary: usize,
        /// `V` of the network.
        network: usize,
    },
    /// No tune can be written by the rules of a valid one.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// A valid tune cannot go on.
    #[error(
        "tune {tune} cannot go on at character {character} as a valid one: allow more characters (--length), ask for less, or give \
         another seed"
    )]
    NothingAllowed {
        /// The tune, counted from 1.
        tune: usize,
        /// The generated character of that tune, counted from 1.
        character: usize,
    },
    /// The network's output is infinite or not a number.
    #[error(
        "the network's output is not finite at character {character} of tune {tune}: its weights are damaged, so use \
         another checkpoint"
    )]
    NotFinite {
        /// The tune, counted from 1.
        tune: usize,
        /// The generated character of that tune, counted from 1.
        character: usize,
    },
}
