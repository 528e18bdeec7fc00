//! The baseline: a character n-gram model with interpolated Kneser-Ney smoothing.
//!
//! An LSTM is worth its arithmetic only where it predicts better than counting does, and this is the best
//! that counting is known to do (Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language
//! Modeling", 1999). With `h` the last `k − 1` characters, `h'` the same without its first, and `a(h w)`
//! the count of `h w` at level `k`:
//!
//! ```text
//! p_k(w | h) = (a(h w) − D(a(h w))) / A(h)  +  γ(h) · p_(k−1)(w | h')        p_0 = 1 / V
//! A(h)       = Σ_w a(h w)
//! γ(h)       = (D1·N1(h) + D2·N2(h) + D3·N3(h)) / A(h)     N1, N2: how many w have a(h w) = 1, 2; N3: 3 or more
//! p_k(w | h) = p_(k−1)(w | h')                             where A(h) = 0
//! ```
//!
//! At the model's highest level `a` counts how often `h w` occurs; below it, how many different characters
//! occur before `h w`. From `n1 … n4`, how many n-grams of the level have a count of 1 … 4:
//!
//! ```text
//! Y = n1 / (n1 + 2·n2)    D1 = 1 − 2Y·n2/n1    D2 = 2 − 3Y·n3/n2    D3 = 3 − 4Y·n4/n3    (modified)
//!                         D1 = D2 = D3 = Y                                               (plain)
//! ```
//!
//! Each tune stands alone, as on the LSTM's streams: its first input is a line feed, and each of its
//! characters is predicted once, the blank line at its end too. In front of that line feed stands, as far
//! back as a context reaches, a mark that no tune contains, since the LSTM too can tell the zero state from
//! a line feed within a tune.
//!
//! All counts live in one tree of contexts ([`tree`]), whose size does not depend on the order; counts below the highest level do not depend
//! on it either, so the model of order 30 holds those of orders 1 to 29.

mod fit;
mod tree;

pub use fit::{Fitted, ORDERS, fit};

use crate::random::uniform;
use thiserror::Error;
use tree::{Follower, Tree};

/// Why there is no model or no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NgramError {
    /// An order of 0.
    #[error("an n-gram model has an order of at least 1")]
    Order,
    /// A character outside the vocabulary.
    #[error("the text has the character index {index}, but the vocabulary only {vocab_size} characters")]
    Character {
        /// The character.
        index: u32,
        /// `V`.
        vocab_size: usize,
    },
    /// Tunes with a character that the vocabulary lacks.
    #[error("the tunes have a character that the vocabulary lacks")]
    Vocabulary,
    /// No character to learn from.
    #[error("there is no character to count: give at least one tune")]
    NoCharacters,
}

/// How discounts are made of the counts of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smoothing {
    /// One discount a level (Kneser and Ney).
    Plain,
    /// Three discounts a level (Chen and Goodman).
    Modified,
}

/// How well a model predicts some tunes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// `−Σ ln p` over all characters.
    pub nats: f64,
    /// How many characters were predicted.
    pub characters: usize,
}

impl Score {
    /// Nats per character; NaN where there is none.
    pub fn per_character(&self) -> f64 {
        self.nats / self.characters as f64
    }
}

/// Which of its two counts an n-gram goes by.
#[derive(Clone, Copy)]
enum Kind {
    /// How often it occurs: at the highest level.
    Occurrences = 0,
    /// How many different characters occur before it: below.
    Continuations = 1,
}

/// `D1, D2, D3` of one level.
type Discounts = [f64; 3];

/// A model of all orders up to the one it was trained for; it predicts with one of them.
#[derive(Clone)]
pub struct NgramModel {
    vocab_size: usize,
    newline: u32,
    max_order: usize,
    order: usize,
    /// Its contexts. Characters are below `V`; `V` is the mark.
    tree: Tree,
    /// Of level `k` at `k − 1`, indexed by [`Kind`].
    discounts: Vec<[Discounts; 2]>,
}

/// One level's share in a probability: what its context leaves of `p_(k−1)`, and whom it gives what.
struct Level<'a> {
    followers: &'a [Follower],
    /// Whether the context is the longest of its node's.
    longest: bool,
    discounts: Discounts,
    kind: Kind,
    total: f64,
    freed: f64,
}

impl<'a> Level<'a> {
    fn new((followers, longest): (&'a [Follower], bool), discounts: Discounts, kind: Kind) -> Self {
        let mut level = Level { followers, longest, discounts, kind, total: 0.0, freed: 0.0 };
        for follower in followers {
            let count = level.count(follower);
            level.total += f64::from(count);
            level.freed += discounts[count.min(3) as usize - 1];
        }
        level
    }

    /// `a(h w)`, at least 1.
    fn count(&self, follower: &Follower) -> u32 {
        match self.kind {
            Kind::Occurrences => follower.occurrences,
            Kind::Continuations if self.longest => follower.continuations,
            Kind::Continuations => 1,
        }
    }

    fn kept(&self, follower: &Follower) -> f64 {
        let count = self.count(follower);
        f64::from(count) - self.discounts[count.min(3) as usize - 1]
    }

    /// `p_k` of a character from `p_(k−1)`.
    fn of(&self, character: u32, p: f64) -> f64 {
        let follower = self.followers.binary_search_by_key(&character, |f| f.character);
        (follower.map_or(0.0, |at| self.kept(&self.followers[at])) + self.freed * p) / self.total
    }

    /// The same for all characters.
    fn of_all(&self, p: &mut [f64]) {
        p.iter_mut().for_each(|p| *p *= self.freed / self.total);
        for follower in self.followers {
            p[follower.character as usize] += self.kept(follower) / self.total;
        }
    }
}

impl NgramModel {
    /// Counts the n-grams of the encoded tunes up to `order` characters; `newline` is the line feed's integer
    /// and `vocab_size` is `V`.
    ///
    /// # Errors
    /// Where the order is 0, a character is not below `V`, or there is none.
    pub fn train(
        tunes: &[Vec<u32>],
        newline: u32,
        vocab_size: usize,
        order: usize,
        smoothing: Smoothing,
    ) -> Result<Self, NgramError> {
        if order == 0 {
            return Err(NgramError::Order);
        }
        check(&[newline], vocab_size)?;
        tunes.iter().try_for_each(|tune| check(tune, vocab_size))?;
        if tunes.iter().all(Vec::is_empty) {
            return Err(NgramError::NoCharacters);
        }
        // What stands before a tune, as far back as the longest context reaches.
        let mut before = vec![vocab_size as u32; order];
        before[order - 1] = newline;
        let tree = Tree::new(tunes, &before, order - 1);
        let discounts = all_discounts(&tree, order, smoothing);
        Ok(NgramModel { vocab_size, newline, max_order: order, order, tree, discounts })
    }

    /// The same model predicting with a lower order, or again a higher one; at least 1 and at most the order
    /// it was trained for.
    pub fn with_order(mut self, order: usize) -> Self {
        self.order = order.clamp(1, self.max_order);
        self
    }

    /// The order it predicts with.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Predicts every character of the encoded tunes once.
    ///
    /// # Errors
    /// Where a character is not below `V`.
    pub fn score(&self, tunes: &[Vec<u32>]) -> Result<Score, NgramError> {
        Ok(self.scores(tunes)?[self.order - 1])
    }

    /// The same by the model of each order, that of order 1 first, in one pass.
    ///
    /// # Errors
    /// Where a character is not below `V`.
    pub fn scores(&self, tunes: &[Vec<u32>]) -> Result<Vec<Score>, NgramError> {
        let characters = tunes.iter().map(Vec::len).sum();
        let mut scores = vec![Score { nats: 0.0, characters }; self.max_order];
        for tune in tunes {
            check(tune, self.vocab_size)?;
            for (at, &character) in tune.iter().enumerate() {
                let mut p = 1.0 / self.vocab_size as f64;
                let mut longer = 0;
                for (k, context) in self.contexts(&tune[..at]).enumerate() {
                    let [highest, below] = self.discounts[k];
                    scores[k].nats -= Level::new(context, highest, Kind::Occurrences).of(character, p).ln();
                    p = Level::new(context, below, Kind::Continuations).of(character, p);
                    longer = k + 1;
                }
                // Orders whose context never occurred say what the one below says.
                scores[longer..].iter_mut().for_each(|score| score.nats -= p.ln());
            }
        }
        Ok(scores)
    }

    /// A tune drawn from the model, character by character, up to its blank line or so many characters.
    pub fn sample(&self, rng: &mut impl rand::Rng, most: usize) -> Vec<u32> {
        let mut tune: Vec<u32> = Vec::new();
        while tune.len() < most && !tune.ends_with(&[self.newline; 2]) {
            let mut left = f64::from(uniform(rng));
            let drawn = self.after(&tune).iter().position(|p| {
                left -= p;
                left < 0.0
            });
            tune.push(drawn.unwrap_or(self.vocab_size - 1) as u32);
        }
        tune
    }

    /// The probability of each of the `V` characters after the beginning of a tune.
    ///
    /// # Errors
    /// Where a character is not below `V`.
    pub fn distribution(&self, beginning: &[u32]) -> Result<Vec<f64>, NgramError> {
        check(beginning, self.vocab_size)?;
        Ok(self.after(beginning))
    }

    fn after(&self, beginning: &[u32]) -> Vec<f64> {
        let mut p = vec![1.0 / self.vocab_size as f64; self.vocab_size];
        for (k, context) in self.contexts(beginning).enumerate().take(self.order) {
            let kind = if k + 1 == self.order { Kind::Occurrences } else { Kind::Continuations };
            Level::new(context, self.discounts[k][kind as usize], kind).of_all(&mut p);
        }
        p
    }

    /// What follows the last 0, 1, 2 … characters of the beginning of a tune, up to the longest that training saw.
    fn contexts(&self, beginning: &[u32]) -> impl Iterator<Item = (&[Follower], bool)> {
        self.tree.walk(move |back| match beginning.len().checked_sub(back + 1) {
            Some(at) => beginning[at],
            None if back == beginning.len() => self.newline,
            None => self.vocab_size as u32,
        })
    }
}

fn check(characters: &[u32], vocab_size: usize) -> Result<(), NgramError> {
    match characters.iter().find(|&&index| index as usize >= vocab_size) {
        Some(&index) => Err(NgramError::Character { index, vocab_size }),
        None => Ok(()),
    }
}

/// The discounts of each level, from `n1 … n4` of both kinds of counts.
fn all_discounts(tree: &Tree, order: usize, smoothing: Smoothing) -> Vec<[Discounts; 2]> {
    let mut counts = vec![[[0u64; 4]; 2]; order];
    for (followers, shortest, longest) in tree.nodes() {
        for (length, level) in (shortest..=longest).zip(&mut counts[shortest as usize..]) {
            for follower in followers {
                let continuations = if length == longest { follower.continuations } else { 1 };
                for (kind, count) in [follower.occurrences, continuations].into_iter().enumerate() {
                    if count <= 4 {
                        level[kind][count as usize - 1] += 1;
                    }
                }
            }
        }
    }
    counts.iter().map(|n| n.map(|n| discounts(n, smoothing))).collect()
}

/// The discounts of a level. Where the text is too small or too repetitive for the formula, which then gives
/// a `Di` outside `(0, i)` or none at all, half of `i` is taken.
fn discounts(n: [u64; 4], smoothing: Smoothing) -> Discounts {
    let [n1, n2, n3, n4] = n.map(|n| n as f64);
    let y = n1 / (n1 + 2.0 * n2);
    let estimates = match smoothing {
        Smoothing::Plain => [y; 3],
        Smoothing::Modified => [1.0 - 2.0 * y * n2 / n1, 2.0 - 3.0 * y * n3 / n2, 3.0 - 4.0 * y * n4 / n3],
    };
    let within = |(estimate, i): (f64, f64)| if estimate > 0.0 && estimate < i { estimate } else { i / 2.0 };
    let [d1, d2, d3] = estimates;
    [(d1, 1.0), (d2, 2.0), (d3, 3.0)].map(within)
}
