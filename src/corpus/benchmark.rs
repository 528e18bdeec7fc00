//! Splits that never change: each tune's side, by the hash of its text.
//!
//! A list has a line for each tune, `train` or `held-out` and sixteen hexadecimal digits: the 64-bit FNV-1a hash of the UTF-8 bytes of the
//! tune as [`parse`](super::parse()) gives it. Lines that begin with # are comments. To rebuild a split from the public file, in
//! whatever language:
//!
//! ```text
//! cut the file before each line that begins with X:, drop what comes before the first, drop empty lines, trim the end of each tune and add two line feeds
//! h = 0xcbf29ce484222325; for each byte: h = (h xor byte) * 0x100000001b3 mod 2^64
//! the tune belongs where the list has h; of tunes with the same hash the first counts; a tune that is not listed belongs nowhere
//! ```

use super::split::hash;
use super::{Corpus, Tune};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use thiserror::Error;

/// The list of `hornpipe-nottingham-1`.
const NOTTINGHAM_1: &str = include_str!("../../data/hornpipe-nottingham-1.txt");

/// A corpus that is not a benchmark's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{missing} of the benchmark's {tunes} tunes are not in it, letter for letter; take the public file as it is"
)]
pub struct MissingTunes {
    /// How many are not there.
    pub missing: usize,
    /// How many there should be.
    pub tunes: usize,
}

/// Which tunes are to be trained on, and which are held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// Whether the tune with this hash is held out.
    sides: HashMap<u64, bool>,
}

impl Benchmark {
    /// The Nottingham Music Database, by version 2 of the [rule](super::split), seed 1, a tenth held out.
    pub fn nottingham_1() -> Self {
        Benchmark::read(NOTTINGHAM_1)
    }

    /// Reads a list; lines that are none of it are passed over.
    pub fn read(list: &str) -> Self {
        let line = |line: &str| {
            let (side, hash) = line.split_once(' ')?;
            let held_out = match side {
                "train" => false,
                "held-out" => true,
                _ => return None,
            };
            Some((u64::from_str_radix(hash.trim(), 16).ok()?, held_out))
        };
        Benchmark { sides: list.lines().filter_map(line).collect() }
    }

    /// How many tunes it has.
    pub fn len(&self) -> usize {
        self.sides.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.sides.is_empty()
    }

    /// The tunes to train on and those held out, in the order of the corpus.
    ///
    /// # Errors
    /// Where the corpus lacks one.
    pub fn split(&self, corpus: &Corpus) -> Result<(Vec<Tune>, Vec<Tune>), MissingTunes> {
        let mut seen = HashSet::new();
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for tune in &corpus.tunes {
            let hash = hash(&tune.text);
            if let Some(&out) = self.sides.get(&hash)
                && seen.insert(hash)
            {
                if out { &mut held_out } else { &mut train }.push(tune.clone());
            }
        }
        match self.len() - seen.len() {
            0 => Ok((train, held_out)),
            missing => Err(MissingTunes { missing, tunes: self.len() }),
        }
    }
}

/// The list of a split.
pub fn list(train: &[Tune], held_out: &[Tune]) -> String {
    let mut list = String::new();
    for (side, tunes) in [("train", train), ("held-out", held_out)] {
        for tune in tunes {
            let _ = writeln!(list, "{side} {:016x}", hash(&tune.text));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tune(text: &str) -> Tune {
        Tune { text: text.to_string() }
    }

    #[test]
    fn a_list_gives_its_split_back() {
        let tunes: Vec<Tune> = (0..9).map(|n| tune(&format!("X:{n}\nK:G\nG|\n\n"))).collect();
        let list = list(&tunes[..6], &tunes[6..8]);
        assert!(list.starts_with("train ") && list.lines().count() == 8);
        let benchmark = Benchmark::read(&format!("# a comment\n\n{list}what else\n"));
        let mut corpus = Corpus { tunes: tunes.clone() };
        corpus.tunes.push(tunes[0].clone());
        assert_eq!(benchmark.split(&corpus), Ok((tunes[..6].to_vec(), tunes[6..8].to_vec())));
        corpus.tunes = tunes[1..7].to_vec();
        let error = benchmark.split(&corpus).unwrap_err();
        assert_eq!(error, MissingTunes { missing: 2, tunes: 8 });
        assert!(error.to_string().starts_with("2 of the benchmark's 8 tunes are not in it"));
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(list(&[tune("foobar")], &[]), "train 85944171f73967e8\n");
    }
}
