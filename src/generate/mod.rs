//! New tunes, a character at a time.
//!
//! A network trained many-to-many carries its state from character to character, from the line feed that begins every
//! tune to the blank line that ends it. A network trained many-to-one, as in the article, sees a window of the last
//! characters instead, each time from the zero state:
//!
//! ```text
//! carried   \n → c1,  c1 → c2,  c2 → c3, …                   one step a character
//! window    \n → c1,  \n c1 → c2,  …  cₖ₋ₙ … cₖ₋₁ → cₖ       n steps a character
//! ```
//!
//! Where [valid](Request::valid) tunes are asked for, a [`Grammar`] follows each tune and says what may come next. What the network
//! says of everything else is left out, and the rest keeps its proportions.
//!
//! All tunes are rows of one batch. Each has its own random numbers, and no row of a batch depends on another, so the
//! text of a tune is the same whether it is written alone or with a thousand others.
//!
//! | where | what |
//! |---|---|
//! | [`Sampling`] | from logits to a character |
//! | [`generate`](generate()) | the two ways of decoding |
//! | [`best_of`] | several tries for each tune |
//! | [`number_tunes`] | many tunes as one ABC file |

mod decoding;
mod error;
mod numbering;
mod ranking;
mod row;
mod sampling;
#[cfg(test)]
mod tests;

pub use error::GenerateError;
pub use numbering::number_tunes;
pub use ranking::best_of;
pub use sampling::{Sampling, Scratch};

use crate::abc::{Constraints, Grammar, GrammarError, Rules};
use crate::corpus::Vocabulary;
use crate::nn::Engine;
use decoding::Decoder;
use row::Row;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What stands before the first generated character. The integers are those of
/// [`Vocabulary::encode`], which names the characters that a vocabulary lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prime {
    /// A fresh tune.
    Start,
    /// A tune that begins with these characters, which become part of its text.
    Text(Vec<u32>),
    /// The characters that come before, such as a window of the training text. They are fed as they stand, without a
    /// line feed in front, and are not part of the tune's text.
    Context(Vec<u32>),
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// How many tunes.
    pub tunes: usize,
    /// One prime that all tunes share, or one for each tune.
    pub primes: Vec<Prime>,
    /// The most characters that are generated for one tune; its prime does not count.
    pub length: usize,
    /// Whether a tune ends at its first generated blank line. Otherwise it has `length` characters and may run on into
    /// further tunes.
    pub until_end: bool,
    /// None carries the state. A window of `n` characters sees only the last `n`, each time from the zero state.
    pub window: Option<usize>,
    /// How a character is chosen.
    pub sampling: Sampling,
    /// Only tunes that pass [`check`](crate::abc::check()), and meet these constraints; they always end, within `length`.
    pub valid: Option<Constraints>,
    /// Whether to measure how probable each tune is to the network.
    pub scored: bool,
    /// What all random numbers follow from.
    pub seed: u64,
}

/// A generated tune.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The characters of a [`Prime::Text`], then the generated ones.
    pub text: String,
    /// How many of these characters are the prime's.
    pub prime_characters: usize,
    /// How many were generated.
    pub generated: usize,
    /// Whether it ended at a blank line; never where neither `until_end` nor `valid` was asked for.
    pub ended: bool,
    /// The mean of ln p(character) over the generated characters, as the network says it at temperature 1 without filters and
    /// masks; where it was asked for, and anything was generated.
    pub log_probability: Option<f64>,
}

impl Request {
    /// Whether this can be generated with a network of `vocabulary` (`V`) characters.
    ///
    /// # Errors
    /// Says what cannot be.
    pub fn validate(&self, vocabulary: usize) -> Result<(), GenerateError> {
        self.sampling.validate()?;
        let counts = [
            ("the number of tunes", Some(self.tunes)),
            ("the length", Some(self.length)),
            ("the window", self.window),
        ];
        if let Some((what, _)) = counts.into_iter().find(|&(_, count)| count == Some(0)) {
            return Err(GenerateError::Setting { what, allowed: "at least 1", found: "0".to_owned() });
        }
        if u32::try_from(self.tunes).is_err() {
            let found = self.tunes.to_string();
            return Err(GenerateError::Setting { what: "the number of tunes", allowed: "below 2^32", found });
        }
        let primes = self.primes.len();
        if primes != 1 && primes != self.tunes {
            return Err(GenerateError::PrimeCount { primes, tunes: self.tunes });
        }
        for prime in &self.primes {
            let text: &[u32] = match prime {
                Prime::Start => &[],
                Prime::Context(text) if text.is_empty() => return Err(GenerateError::EmptyContext),
                Prime::Text(text) | Prime::Context(text) => text,
            };
            if let Some(&index) = text.iter().find(|&&index| index as usize >= vocabulary) {
                return Err(GenerateError::Character { index, vocabulary });
            }
        }
        Ok(())
    }

    /// The prime of tune `tune`.
    fn prime(&self, tune: usize) -> &Prime {
        self.primes.get(tune).unwrap_or(&self.primes[0])
    }
}

/// Generates tunes with a network.
///
/// With carried state, the second line feed of a blank line is the first input of the tune after it, as in training:
/// the state is zero there. So what a prime has before its last blank line, or what was generated before it, does not
/// count.
///
/// `on_progress` is told, after each character of all tunes, how many have been generated so far over all tunes;
/// where it breaks, the tunes are returned as far as they have come. What `engine` carries afterwards is unspecified.
///
/// # Errors
/// Where the request cannot be met with this network, or the network's output is not finite.
pub fn generate(
    engine: &mut dyn Engine,
    vocabulary: &Vocabulary,
    request: &Request,
    on_progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<Generated>, GenerateError> {
    let network = engine.config().vocabulary;
    if vocabulary.len() != network {
        return Err(GenerateError::VocabularySize { vocabulary: vocabulary.len(), network });
    }
    request.validate(network)?;
    let grammars = grammars(vocabulary, request)?;
    let mut rows: Vec<Row> = (0..request.tunes)
        .map(|tune| {
            let grammar = grammars.get(tune).or(grammars.first()).cloned();
            Row::new(tune as u32, request.prime(tune), vocabulary.newline(), request.seed, grammar)
        })
        .collect();
    let mut decoder = Decoder::new(engine, request, vocabulary, on_progress);
    match request.window {
        None => decoder.carried(&mut rows)?,
        Some(window) => decoder.windowed(&mut rows, window)?,
    }
    Ok(rows.into_iter().map(|row| row.finish(vocabulary, request.scored)).collect())
}

/// For each prime, the grammar behind it; nothing where tunes need not be valid.
fn grammars(vocabulary: &Vocabulary, request: &Request) -> Result<Vec<Grammar>, GrammarError> {
    let Some(constraints) = &request.valid else { return Ok(Vec::new()) };
    let text = |prime: &Prime| match prime {
        Prime::Text(text) => vocabulary.decode(text),
        // What comes before a tune is no part of it.
        Prime::Start | Prime::Context(_) => String::new(),
    };
    let given: Vec<String> = request.primes.iter().map(text).collect();
    let texts: Vec<&str> = given.iter().map(String::as_str).collect();
    let rules = Arc::new(Rules::new(constraints, vocabulary.chars().iter().copied(), &texts)?);
    let behind = |text: &str| {
        let mut grammar = Grammar::new(Arc::clone(&rules));
        grammar.read(text)?;
        grammar.allows_any(text, request.length)?;
        Ok(grammar)
    };
    texts.into_iter().map(behind).collect()
}
