//! What a corpus consists of: counts that a reader can check a download or a training text by.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::split::body;
use crate::abc::fields;

/// A name and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// A header's text, or one character.
    pub name: String,
    /// How often.
    pub count: usize,
}

/// One bar of the histogram of lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The least number of characters of a tune counted here.
    pub from: usize,
    /// Tunes of this length, up to the next bucket's `from`.
    pub count: usize,
}

/// What [`stats`] counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Number of tunes.
    pub tunes: usize,
    /// Characters of all tunes.
    pub characters: usize,
    /// Distinct characters.
    pub vocabulary: usize,
    /// The distinct characters in order, with their counts.
    pub alphabet: Vec<Count>,
    /// Tunes whose text after the header lines is that of an earlier tune.
    pub duplicates: usize,
    /// Texts of the first `K:` line of each tune, the most frequent first.
    pub keys: Vec<Count>,
    /// The same for `M:`.
    pub meters: Vec<Count>,
    /// The same for `R:`.
    pub rhythms: Vec<Count>,
    /// Characters of the shortest tune; 0 where there are no tunes.
    pub shortest: usize,
    /// Half of the tunes are at least as long as this; of two middle lengths the upper one.
    pub median: usize,
    /// Characters of the longest tune.
    pub longest: usize,
    /// How many tunes are how long, from the first bucket with a tune to the last.
    pub lengths: Vec<Bucket>,
}

/// Widths that a histogram's buckets may have.
const WIDTHS: [usize; 9] = [1, 10, 25, 50, 100, 250, 500, 1000, 2500];

/// Rows that a histogram has at most, unless tunes are longer than any width was made for.
const ROWS: usize = 20;

/// Columns of the longest bar of a printed histogram.
const COLUMNS: usize = 40;

/// Counts what `text_of_tunes` consists of; each is the text of one tune from its `X:` line on.
pub fn stats(text_of_tunes: &[&str]) -> Stats {
    let mut alphabet: BTreeMap<char, usize> = BTreeMap::new();
    let mut headers = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    let mut bodies = HashSet::new();
    let mut duplicates = 0;
    let mut lengths = Vec::with_capacity(text_of_tunes.len());
    for text in text_of_tunes {
        let mut length = 0;
        for c in text.chars() {
            *alphabet.entry(c).or_default() += 1;
            length += 1;
        }
        lengths.push(length);
        for (counts, field) in headers.iter_mut().zip(['K', 'M', 'R']) {
            if let Some(value) = fields(text, field).next() {
                *counts.entry(value.to_string()).or_insert(0) += 1;
            }
        }
        duplicates += usize::from(!bodies.insert(body(text).trim_end()));
    }
    lengths.sort_unstable();
    let [keys, meters, rhythms] = headers.map(ranked);
    Stats {
        tunes: text_of_tunes.len(),
        characters: lengths.iter().sum(),
        vocabulary: alphabet.len(),
        alphabet: alphabet.into_iter().map(|(c, count)| Count { name: c.to_string(), count }).collect(),
        duplicates,
        keys,
        meters,
        rhythms,
        shortest: lengths.first().copied().unwrap_or(0),
        median: lengths.get(lengths.len() / 2).copied().unwrap_or(0),
        longest: lengths.last().copied().unwrap_or(0),
        lengths: histogram(&lengths),
    }
}

/// Counts, the highest first, then by name.
fn ranked(counts: BTreeMap<String, usize>) -> Vec<Count> {
    let mut counts: Vec<Count> = counts.into_iter().map(|(name, count)| Count { name, count }).collect();
    // The map gave them by name, and the sort is stable.
    counts.sort_by_key(|c| std::cmp::Reverse(c.count));
    counts
}

/// Buckets of one round width, the narrowest that needs no more than `ROWS` of them.
fn histogram(sorted: &[usize]) -> Vec<Bucket> {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    let rows = |width: usize| last / width - first / width + 1;
    let width =
        WIDTHS.into_iter().find(|&w| rows(w) <= ROWS).unwrap_or_else(|| (last / ROWS).next_power_of_two());
    let mut buckets: Vec<Bucket> =
        (0..rows(width)).map(|i| Bucket { from: (first / width + i) * width, count: 0 }).collect();
    for length in sorted {
        buckets[length / width - first / width].count += 1;
    }
    buckets
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "{name:<12}{value}");
        row(f, "tunes", self.tunes.to_string())?;
        row(f, "duplicates", self.duplicates.to_string())?;
        row(f, "characters", self.characters.to_string())?;
        row(f, "vocabulary", self.vocabulary.to_string())?;
        for (name, counts) in [("rhythms", &self.rhythms), ("meters", &self.meters), ("keys", &self.keys)] {
            if !counts.is_empty() {
                listed(f, name, counts)?;
            }
        }
        if !self.alphabet.is_empty() {
            let mut by_count = self.alphabet.clone();
            by_count.sort_by_key(|c| std::cmp::Reverse(c.count));
            for c in &mut by_count {
                // Quotes around what would not be seen; the quote itself stands bare.
                if c.name.chars().all(|c| c.is_whitespace() || c.is_control()) {
                    c.name = format!("{:?}", c.name.chars().next().unwrap_or(' '));
                }
            }
            listed(f, "alphabet", &by_count)?;
        }
        if self.tunes > 0 {
            let (shortest, median, longest) = (self.shortest, self.median, self.longest);
            row(f, "lengths", format!("{shortest} to {longest} characters, median {median}"))?;
        }
        let most = self.lengths.iter().map(|b| b.count).max().unwrap_or(0).max(1);
        for Bucket { from, count } in &self.lengths {
            // Rounded up, so that one tune among thousands is still seen.
            let bar = "#".repeat((count * COLUMNS).div_ceil(most));
            writeln!(f, "{}", format!("{from:>10}  {count:>5} {bar}").trim_end())?;
        }
        Ok(())
    }
}

/// Names with their counts, in lines that fit a terminal.
fn listed(f: &mut fmt::Formatter<'_>, name: &str, counts: &[Count]) -> fmt::Result {
    let mut line = format!("{name:<12}");
    for (i, Count { name, count }) in counts.iter().enumerate() {
        let comma = if i + 1 < counts.len() { "," } else { "" };
        let item = format!("{name} {count}{comma}");
        if line.chars().count() + item.chars().count() > 78 && line.len() > 12 {
            writeln!(f, "{}", line.trim_end())?;
            line = " ".repeat(12);
        }
        line += &item;
        line.push(' ');
    }
    writeln!(f, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "X: 1\nT:One\nR:jig\nM:6/8\nK:G\n|:GAB d3|\nK:D\nA3 d3:|\n";
    const TWO: &str = "X: 2\nT:Two\n \nR:jig\nM:6/8\nK:D\n|:GAB d3|\nK:D\nA3 d3:|\n\n\n";
    const THREE: &str = "X: 3\nT:Drei ä\nM:4/4\nK:G\nG8|\n";

    fn count(name: &str, count: usize) -> Count {
        Count { name: name.to_string(), count }
    }

    #[test]
    fn counts_by_hand() {
        let stats = stats(&[ONE, TWO, THREE]);
        assert_eq!(stats.tunes, 3);
        // Headers differ, music and white space around it do not.
        assert_eq!(stats.duplicates, 1);
        // A change of key inside the music is not counted.
        assert_eq!(stats.keys, [count("G", 2), count("D", 1)]);
        assert_eq!(stats.meters, [count("6/8", 2), count("4/4", 1)]);
        assert_eq!(stats.rhythms, [count("jig", 2)]);
        let lengths = [ONE, TWO, THREE].map(|t| t.chars().count());
        assert_eq!(stats.characters, lengths.iter().sum::<usize>());
        assert_eq!((stats.shortest, stats.median, stats.longest), (lengths[2], lengths[0], lengths[1]));
        assert_eq!(stats.vocabulary, stats.alphabet.len());
        assert!(stats.alphabet.contains(&count("ä", 1)) && stats.alphabet.contains(&count("X", 3)));
        assert!(stats.alphabet.is_sorted_by_key(|c| c.name.clone()));
    }

    #[test]
    fn histogram_holds_every_tune_once() {
        for lengths in [vec![5], vec![100, 101, 349, 350, 2000], vec![3, 90_000_000], (0..500).collect()] {
            let buckets = histogram(&lengths);
            assert!(buckets.len() <= ROWS + 1, "{buckets:?}");
            assert_eq!(buckets.iter().map(|b| b.count).sum::<usize>(), lengths.len());
            assert!(buckets[0].from <= lengths[0] && buckets[0].count > 0);
            assert!(buckets.last().is_some_and(|b| b.count > 0));
        }
    }

    #[test]
    fn prints_a_table() {
        let table = stats(&[ONE, TWO, THREE]).to_string();
        assert!(table.starts_with("tunes       3\nduplicates  1\n"), "{table}");
        assert!(table.contains("\nkeys        G 2, D 1\n"), "{table}");
        assert!(table.contains("'\\n' 24,"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80 && line == line.trim_end()), "{table}");
        assert!(stats(&[]).to_string().starts_with("tunes       0\n"));
    }

    #[test]
    fn the_built_in_corpus_has_no_duplicates() {
        let tunes: Vec<&str> = crate::corpus::composer::BUILT_IN.split("\n\n").collect();
        let stats = stats(&tunes);
        assert_eq!((stats.tunes, stats.duplicates), (400, 0));
    }
}
