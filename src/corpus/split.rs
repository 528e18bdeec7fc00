//! Which tunes are held out from training: a property of each tune alone.
//!
//! A tune's side is decided by a hash of the seed and of its *melody*, its notes as distances from the first, so that
//! - adding or removing tunes moves no other tune;
//! - two copies of a tune under different numbers or titles, in other keys, with other chords or bar lines never stand on both
//!   sides.
//!
//! The rule, with all arithmetic modulo 2^64:
//!
//! ```text
//! body   the tune from its first line that is no header line: neither a field (a letter of a-z, A-Z or
//!        a plus sign, then a colon), nor a comment (beginning with %), nor white space only.
//!        A tune of header lines only is its own body.
//! form   version 1: the body. Version 2: the melody, which the function `melody` defines
//! h      FNV-1a of the seed's eight bytes, lowest first, and the form's UTF-8 bytes
//! z      the output function of SplitMix64 of h
//! u      (z >> 11) / 2^53, in [0, 1)
//! held out where u < fraction
//! ```
//!
//! Runs that began with version 1 go on with it. Of tunes with the same form the first stays.
//!
//! FNV-1a alone is weak in its upper bits for texts that differ near their ends; SplitMix64's output
//! function spreads every bit over the word.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Corpus, CorpusError, Tune, melody};

/// The newest version of the rule above. A change that moves any tune must raise it.
pub const SPLIT_VERSION: u32 = 2;

/// A corpus in two parts, each in the corpus's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The tunes to train on.
    pub train: Vec<Tune>,
    /// The tunes to measure on.
    pub held_out: Vec<Tune>,
    /// How many tunes were dropped because an earlier one has the same form.
    pub duplicates: usize,
}

impl Split {
    /// Says whether the split is of use: a fraction in `[0, 1)`, something to train on, and, for a
    /// fraction above 0, something to measure on.
    ///
    /// # Errors
    /// Where it is not.
    pub fn check(&self, fraction: f64) -> Result<(), CorpusError> {
        if !(0.0..1.0).contains(&fraction) {
            return Err(CorpusError::BadFraction { fraction });
        }
        let tunes = self.train.len() + self.held_out.len();
        let empty = |side| Err(CorpusError::EmptySplit { tunes, side, fraction });
        match (self.train.is_empty(), self.held_out.is_empty()) {
            (true, _) => empty("for training"),
            (false, true) if fraction > 0.0 => empty("held out"),
            _ => Ok(()),
        }
    }
}

/// Holds about this fraction of the tunes out by the newest rule, after tunes with the form of an earlier one are dropped.
/// With a fraction of 0 (or less, or NaN) nothing is dropped and nothing held out.
///
/// Whether the parts are large enough is for the caller to ask: see [`Split::check`].
pub fn split(corpus: &Corpus, seed: u64, fraction: f64) -> Split {
    split_by(SPLIT_VERSION, corpus, seed, fraction)
}

/// As [`split`], by this version of the rule: 1 is the first, any other the newest.
pub fn split_by(version: u32, corpus: &Corpus, seed: u64, fraction: f64) -> Split {
    let mut parts = Split { train: Vec::new(), held_out: Vec::new(), duplicates: 0 };
    // NaN compares false, so it holds nothing out.
    let holds_out = fraction > 0.0;
    if !holds_out {
        parts.train = corpus.tunes.clone();
        return parts;
    }
    let mut seen = HashSet::new();
    for tune in &corpus.tunes {
        let form = if version == 1 { Cow::Borrowed(body(&tune.text)) } else { melody(&tune.text) };
        let place = place(seed, &form);
        if !seen.insert(form) {
            parts.duplicates += 1;
        } else if place < fraction {
            parts.held_out.push(tune.clone());
        } else {
            parts.train.push(tune.clone());
        }
    }
    parts
}

/// The tune's text after its leading header lines, as the module defines them.
pub fn body(text: &str) -> &str {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !is_header(line) {
            return &text[start..];
        }
        start += line.len();
    }
    text
}

/// Whether a line before the music may be this one.
pub(super) fn is_header(line: &str) -> bool {
    let bytes = line.as_bytes();
    let field = bytes.len() > 1 && (bytes[0].is_ascii_alphabetic() || bytes[0] == b'+') && bytes[1] == b':';
    field || bytes.first() == Some(&b'%') || line.trim().is_empty()
}

/// A number that says whether two runs trained on the same normalised text: the hash of all tunes' texts
/// in order, made as for the split but without a seed.
pub fn fingerprint<'a>(tunes: impl Iterator<Item = &'a Tune>) -> u64 {
    mix(tunes.fold(FNV_OFFSET, |hash, tune| fnv(hash, tune.text.as_bytes())))
}

/// FNV-1a of a text's UTF-8 bytes.
pub(super) fn hash(text: &str) -> u64 {
    fnv(FNV_OFFSET, text.as_bytes())
}

/// Where a form falls in `[0, 1)`; 53 bits, all that an f64 holds there.
fn place(seed: u64, form: &str) -> f64 {
    let hash = mix(fnv(fnv(FNV_OFFSET, &seed.to_le_bytes()), form.as_bytes()));
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// Fowler, Noll and Vo's offset basis and prime for 64 bits.
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// FNV-1a, continued from `hash`.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014; constants by Stafford and Vigna).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(numbers: std::ops::Range<u32>) -> Corpus {
        Corpus {
            tunes: numbers.map(|n| Tune { text: format!("X:{n}\nT:No. {n}\nK:G\nGAB{n}|\n\n") }).collect(),
        }
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(fnv(FNV_OFFSET, b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv(FNV_OFFSET, b"a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fnv(FNV_OFFSET, b"foobar"), 0x8594_4171_F739_67E8);
        // The first number of SplitMix64 with seed 0.
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
    }

    /// Numbers from a second implementation of version 1, written from the module's text alone.
    #[test]
    fn version_1_never_changes() {
        assert_eq!(place(1, "GAB|\n\n"), 0.02810154744049742);
        assert_eq!(place((1 << 40) + 7, "é|\n\n"), 0.7198804690281411);
        let parts = split_by(1, &corpus(0..20), 1, 0.5);
        let in_another_key = Tune { text: "X:1\nK:D\nDEF3|\n\n".into() };
        let mut more = corpus(0..20);
        more.tunes.push(in_another_key);
        assert_eq!(split_by(1, &more, 1, 0.5).duplicates, parts.duplicates);
        assert_eq!(split(&more, 1, 0.5).duplicates, 1);
    }

    /// The same tunes in a hundred keys and under other titles: each stands where the first of its kind stands.
    #[test]
    fn no_transposed_twin_stands_on_the_other_side() {
        use crate::abc::{Interval, transpose};
        for (number, tune) in corpus(0..200).tunes.into_iter().enumerate() {
            let alone = split(&Corpus { tunes: vec![tune.clone()] }, 3, 0.5);
            let fifths = (number % 13) as i8 - 7;
            let text = transpose(&tune.text, Interval::nearest(fifths)).unwrap();
            let twin = split(&Corpus { tunes: vec![Tune { text }] }, 3, 0.5);
            assert_eq!(alone.train.len(), twin.train.len(), "{}", tune.text);
        }
    }

    #[test]
    fn a_body_starts_after_the_header() {
        assert_eq!(body("X:1\nT:A\n \n%%MIDI x\nK:G\n\"G\"G2|\nP:B\nA|\n\n"), "\"G\"G2|\nP:B\nA|\n\n");
        assert_eq!(body("X:1\n+:more\n|:G:|\n\n"), "|:G:|\n\n");
        assert_eq!(body("X:1\nK:G\n\n"), "X:1\nK:G\n\n");
        assert_eq!(body(""), "");
    }

    #[test]
    fn tunes_stay_where_they_are_when_others_come() {
        let small = split(&corpus(0..500), 7, 0.2);
        let large = split(&corpus(0..1000), 7, 0.2);
        assert_eq!(small.held_out[..], large.held_out[..small.held_out.len()]);
        assert_eq!(small.train[..], large.train[..small.train.len()]);
        assert!((150..250).contains(&large.held_out.len()), "{}", large.held_out.len());
        assert_eq!(large.train.len() + large.held_out.len(), 1000);
        assert_ne!(large.held_out, split(&corpus(0..1000), 8, 0.2).held_out);
        // A larger fraction holds out more tunes, none fewer.
        let more = split(&corpus(0..1000), 7, 0.4).held_out;
        assert!(large.held_out.iter().all(|tune| more.contains(tune)));
    }

    #[test]
    fn duplicates_are_dropped_unless_nothing_is_held_out() {
        let mut twice = corpus(0..50);
        let again = twice
            .tunes
            .iter()
            .map(|tune| Tune { text: tune.text.replace("T:No.", "T:Once more") })
            .collect::<Vec<_>>();
        twice.tunes.extend(again);
        let parts = split(&twice, 1, 0.5);
        assert_eq!(parts.duplicates, 50);
        assert_eq!(Split { duplicates: 0, ..parts }, split(&corpus(0..50), 1, 0.5));
        let all = split(&twice, 1, 0.0);
        assert_eq!((all.train.len(), all.held_out.len(), all.duplicates), (100, 0, 0));
    }

    #[test]
    fn useless_splits_are_refused() {
        let one = corpus(0..1);
        assert!(split(&one, 1, 0.0).check(0.0).is_ok());
        let error = split(&one, 1, 1e-9).check(1e-9).unwrap_err().to_string();
        assert!(error.contains("of 1 distinct tunes none is left held out"), "{error}");
        assert!(split(&one, 1, 0.999_999).check(0.999_999).unwrap_err().to_string().contains("for training"));
        assert!(split(&Corpus::default(), 1, 0.0).check(0.0).is_err());
        for bad in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(split(&one, 1, bad).check(bad), Err(CorpusError::BadFraction { .. })));
        }
    }

    #[test]
    fn the_fingerprint_follows_text_and_order() {
        let tunes = corpus(0..3).tunes;
        let reversed: Vec<Tune> = tunes.iter().rev().cloned().collect();
        assert_eq!(fingerprint(tunes.iter()), fingerprint(corpus(0..3).tunes.iter()));
        assert_ne!(fingerprint(tunes.iter()), fingerprint(reversed.iter()));
        assert_ne!(fingerprint(tunes.iter()), fingerprint(tunes[..2].iter()));
    }
}
