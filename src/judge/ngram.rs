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
//! All counts live in one trie, whose edges are one hash map; a node is the n-gram on the way to it. Counts
//! below the highest level do not depend on it, so the trie of order 10 holds the models of orders 1 to 9.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::random::uniform;
use thiserror::Error;

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

/// What is known of one n-gram; pairs are indexed by [`Kind`].
#[derive(Clone, Copy, Default)]
struct Node {
    /// `a(h w)` with this n-gram as `h w`.
    count: [u32; 2],
    /// `N1, N2, N3` with this n-gram as `h`.
    followers: [[u32; 3]; 2],
    /// `A` with this n-gram as `h`.
    total: [u64; 2],
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
    /// From a node and a character to the node one longer. Characters are below `V`; `V` is the mark.
    edges: HashMap<(u32, u32), u32>,
    /// The root, the n-gram of no characters, is the first.
    nodes: Vec<Node>,
    /// Of level `k` at `k − 1`, indexed by [`Kind`].
    discounts: Vec<[Discounts; 2]>,
}

const ROOT: u32 = 0;

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
        let mut model = NgramModel {
            vocab_size,
            newline,
            max_order: order,
            order,
            edges: HashMap::new(),
            nodes: vec![Node::default()],
            discounts: Vec::new(),
        };
        model.check(&[newline])?;
        tunes.iter().try_for_each(|tune| model.check(tune))?;
        if tunes.iter().all(Vec::is_empty) {
            return Err(NgramError::NoCharacters);
        }
        for tune in tunes {
            model.count(tune);
        }
        model.finish(smoothing);
        Ok(model)
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
        let mut score = Score { nats: 0.0, characters: 0 };
        for tune in tunes {
            self.check(tune)?;
            let mut contexts = self.start();
            for &character in tune {
                score.nats -= self.probability(&contexts, character).ln();
                self.advance(&mut contexts, character);
            }
            score.characters += tune.len();
        }
        Ok(score)
    }

    /// A tune drawn from the model, character by character, up to its blank line or so many characters.
    pub fn sample(&self, rng: &mut impl rand::Rng, most: usize) -> Vec<u32> {
        let mut contexts = self.start();
        let mut tune: Vec<u32> = Vec::new();
        while tune.len() < most && !tune.ends_with(&[self.newline; 2]) {
            let mut left = f64::from(uniform(rng));
            let mut drawn = self.vocab_size as u32 - 1;
            for character in 0..self.vocab_size as u32 {
                left -= self.probability(&contexts, character);
                if left < 0.0 {
                    drawn = character;
                    break;
                }
            }
            tune.push(drawn);
            self.advance(&mut contexts, drawn);
        }
        tune
    }

    /// The probability of each of the `V` characters after the beginning of a tune.
    ///
    /// # Errors
    /// Where a character is not below `V`.
    pub fn distribution(&self, beginning: &[u32]) -> Result<Vec<f64>, NgramError> {
        self.check(beginning)?;
        let mut contexts = self.start();
        for &character in beginning {
            self.advance(&mut contexts, character);
        }
        Ok((0..self.vocab_size as u32).map(|character| self.probability(&contexts, character)).collect())
    }

    fn check(&self, characters: &[u32]) -> Result<(), NgramError> {
        match characters.iter().find(|&&index| index as usize >= self.vocab_size) {
            Some(&index) => Err(NgramError::Character { index, vocab_size: self.vocab_size }),
            None => Ok(()),
        }
    }

    /// The characters in front of a tune, as far back as the longest context reaches.
    fn before_a_tune(&self) -> impl Iterator<Item = u32> + use<> {
        let mark = self.vocab_size as u32;
        std::iter::repeat_n(mark, self.max_order.saturating_sub(2)).chain([self.newline])
    }

    /// Adds one tune to the counts.
    fn count(&mut self, tune: &[u32]) {
        // contexts[k] is the node of the last k characters, for k below the order.
        let mut contexts = vec![ROOT];
        for character in self.before_a_tune() {
            let longer: Vec<u32> = contexts.iter().map(|&h| self.child_or_new(h, character)).collect();
            contexts.splice(1.., longer);
            contexts.truncate(self.max_order);
        }
        for &character in tune {
            let mut shorter = ROOT;
            for context in &mut contexts {
                let node = self.child_or_new(*context, character);
                let count = &mut self.nodes[node as usize].count[Kind::Occurrences as usize];
                *count += 1;
                if *count == 1 {
                    // A new n-gram is a new character in front of the n-gram one shorter.
                    self.nodes[shorter as usize].count[Kind::Continuations as usize] += 1;
                }
                *context = shorter;
                shorter = node;
            }
        }
    }

    fn child_or_new(&mut self, node: u32, character: u32) -> u32 {
        *self.edges.entry((node, character)).or_insert_with(|| {
            self.nodes.push(Node::default());
            u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 n-grams fit into memory")
        })
    }

    /// Derives from the counts what the formulas need.
    fn finish(&mut self, smoothing: Smoothing) {
        // n1 … n4 of each level.
        let mut counts_of_counts = vec![[[0u64; 4]; 2]; self.max_order];
        let mut depths = vec![0u32; self.nodes.len()];
        let mut edges: Vec<(u32, u32)> =
            self.edges.iter().map(|(&(parent, _), &child)| (parent, child)).collect();
        // A parent is older than its child, so that its depth is known when the child comes.
        edges.sort_unstable_by_key(|&(_, child)| child);
        for (parent, child) in edges {
            let level = depths[parent as usize];
            depths[child as usize] = level + 1;
            let counts = self.nodes[child as usize].count;
            let parent = &mut self.nodes[parent as usize];
            for (kind, count) in counts.into_iter().enumerate().filter(|&(_, count)| count > 0) {
                parent.total[kind] += u64::from(count);
                parent.followers[kind][count.min(3) as usize - 1] += 1;
                if count <= 4 {
                    counts_of_counts[level as usize][kind][count as usize - 1] += 1;
                }
            }
        }
        self.discounts = counts_of_counts.iter().map(|n| n.map(|n| discounts(n, smoothing))).collect();
    }

    /// The nodes of the last 0, 1, 2 … characters at the start of a tune.
    fn start(&self) -> Vec<u32> {
        let mut contexts = vec![ROOT];
        for character in self.before_a_tune() {
            self.advance(&mut contexts, character);
        }
        contexts
    }

    /// Appends a character to the contexts; those that training never saw, nor then any longer one, are left out.
    fn advance(&self, contexts: &mut Vec<u32>, character: u32) {
        let mut longer = ROOT;
        for k in 0..contexts.len() {
            let child = self.edges.get(&(contexts[k], character)).copied();
            contexts[k] = longer;
            match child {
                Some(child) => longer = child,
                None => return contexts.truncate(k + 1),
            }
        }
        if contexts.len() < self.max_order {
            contexts.push(longer);
        }
    }

    /// `p(w | h)` by the recursion of the module, from level 1 upwards.
    fn probability(&self, contexts: &[u32], character: u32) -> f64 {
        let mut p = 1.0 / self.vocab_size as f64;
        for (k, &context) in contexts.iter().enumerate().take(self.order) {
            let kind = if k + 1 == self.order { Kind::Occurrences } else { Kind::Continuations } as usize;
            let node = &self.nodes[context as usize];
            if node.total[kind] == 0 {
                continue;
            }
            let d = self.discounts[k][kind];
            let count = self
                .edges
                .get(&(context, character))
                .map_or(0, |&child| self.nodes[child as usize].count[kind]);
            let kept = if count == 0 { 0.0 } else { f64::from(count) - d[count.min(3) as usize - 1] };
            let freed: f64 = (0..3).map(|i| d[i] * f64::from(node.followers[kind][i])).sum();
            p = (kept + freed * p) / node.total[kind] as f64;
        }
        p
    }
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

/// The score on held-out tunes of every order in a range, with modified smoothing: the baseline is the best
/// of them.
///
/// # Errors
/// As [`NgramModel::train`] and [`NgramModel::score`].
pub fn best_of_orders(
    train: &[Vec<u32>],
    held_out: &[Vec<u32>],
    newline: u32,
    vocab_size: usize,
    orders: RangeInclusive<usize>,
) -> Result<Vec<(usize, Score)>, NgramError> {
    let mut model = NgramModel::train(train, newline, vocab_size, *orders.end(), Smoothing::Modified)?;
    let mut scores = Vec::new();
    for order in orders {
        model = model.with_order(order);
        scores.push((order, model.score(held_out)?));
    }
    Ok(scores)
}
