//! Characters that there are, and lists of words of which one is being written.

use crate::abc::{Key, Meter};
use std::collections::BTreeSet;

/// The characters that can be written.
#[derive(Clone, Debug)]
pub(super) struct Alphabet(BTreeSet<char>);

impl Alphabet {
    pub fn new(characters: impl IntoIterator<Item = char>) -> Self {
        Alphabet(characters.into_iter().collect())
    }

    pub fn has(&self, character: char) -> bool {
        self.0.contains(&character)
    }

    pub fn all(&self) -> impl Iterator<Item = char> + '_ {
        self.0.iter().copied()
    }

    pub fn spells(&self, text: &str) -> bool {
        text.chars().all(|c| self.has(c))
    }

    /// Those of a text that are missing, each once.
    pub fn missing(&self, text: &str) -> Vec<char> {
        let missing: BTreeSet<char> = text.chars().filter(|c| !self.has(*c)).collect();
        missing.into_iter().collect()
    }
}

/// Words in order, each once.
#[derive(Clone, Debug)]
pub(super) struct Words(Vec<Box<[char]>>);

/// The beginning of a word: which words begin like it, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    low: usize,
    high: usize,
    at: usize,
}

impl Words {
    pub fn new<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Self {
        let mut words: Vec<Box<[char]>> = words.into_iter().map(|w| w.as_ref().chars().collect()).collect();
        words.sort_unstable();
        words.dedup();
        Words(words)
    }

    /// Those of these words that can be written.
    pub fn retain(&mut self, alphabet: &Alphabet) {
        self.0.retain(|word| word.iter().all(|&c| alphabet.has(c)));
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn all(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.len()).map(|index| self.word(index))
    }

    pub fn word(&self, index: usize) -> String {
        self.0[index].iter().collect()
    }

    /// The empty beginning.
    pub fn start(&self) -> Prefix {
        Prefix { low: 0, high: self.0.len(), at: 0 }
    }

    /// The beginning with one more character, if a word begins like that.
    pub fn step(&self, prefix: Prefix, character: char) -> Option<Prefix> {
        let Prefix { low, high, at } = prefix;
        let words = &self.0[low..high];
        let next = |word: &[char]| word.get(at).copied();
        // A word that ends here comes before those that go on.
        let from = words.partition_point(|w| next(w) < Some(character));
        let to = words.partition_point(|w| next(w) <= Some(character));
        (from < to).then_some(Prefix { low: low + from, high: low + to, at: at + 1 })
    }

    /// The word that the beginning already is.
    pub fn whole(&self, prefix: Prefix) -> Option<usize> {
        let first = self.0[prefix.low..prefix.high].first()?;
        (first.len() == prefix.at).then_some(prefix.low)
    }

    /// The words that begin like this, each with how many characters it needs more.
    pub fn completions(&self, prefix: Prefix) -> impl Iterator<Item = (usize, u32)> + '_ {
        (prefix.low..prefix.high).map(move |i| (i, (self.0[i].len() - prefix.at) as u32))
    }

    /// The fewest characters that make a word of it.
    pub fn shortest(&self, prefix: Prefix) -> Option<u32> {
        self.completions(prefix).map(|(_, more)| more).min()
    }
}

/// The texts of keys, in the ways that collections write them.
pub(super) fn keys() -> impl Iterator<Item = String> {
    const MODES: [&str; 23] = [
        "",
        "m",
        "min",
        "maj",
        "dor",
        "mix",
        "phr",
        "lyd",
        "loc",
        "Dor",
        "Mix",
        "Phr",
        "Lyd",
        "dorian",
        "mixolydian",
        "minor",
        "major",
        " dorian",
        " mixolydian",
        " minor",
        " major",
        " Dorian",
        " Mixolydian",
    ];
    let tonics = ('A'..='G').flat_map(|letter| ["", "b", "#"].map(|sign| format!("{letter}{sign}")));
    let keys = tonics.flat_map(|tonic| MODES.map(|mode| format!("{tonic}{mode}")));
    keys.filter(|text| Key::parse(text).is_some())
}

/// The texts of meters.
pub(super) fn meters() -> impl Iterator<Item = &'static str> {
    const METERS: [&str; 19] = [
        "2/2", "3/2", "4/2", "2/4", "3/4", "4/4", "5/4", "6/4", "7/4", "3/8", "5/8", "6/8", "7/8", "9/8",
        "10/8", "12/8", "15/8", "C", "C|",
    ];
    METERS.into_iter().filter(|text| matches!(Meter::parse(text), Some(Some(_))))
}

/// The texts of units of length.
pub(super) const UNITS: [&str; 5] = ["1/2", "1/4", "1/8", "1/16", "1/32"];

/// Decorations that are written between exclamation marks.
pub(super) const DECORATIONS: [&str; 15] = [
    "D.C.",
    "D.S.",
    "accent",
    "coda",
    "downbow",
    "fermata",
    "fine",
    "lowermordent",
    "roll",
    "segno",
    "tenuto",
    "trill",
    "turn",
    "upbow",
    "uppermordent",
];

/// Bar lines.
pub(super) const LINES: [&str; 11] = ["|", "||", "|]", "|:", "||:", ":|", "::", ":|:", ":||", ":|]", ":||:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_of_words() {
        let words = Words::new(["maj", "m", "7", "m7", "m"]);
        let after = |text: &str| text.chars().try_fold(words.start(), |p, c| words.step(p, c));
        assert_eq!(words.len(), 4);
        assert_eq!(after("m").and_then(|p| words.whole(p)).map(|i| words.word(i)).as_deref(), Some("m"));
        assert_eq!(after("ma").and_then(|p| words.whole(p)), None);
        assert_eq!(after("ma").and_then(|p| words.shortest(p)), Some(1));
        assert_eq!(after("m").and_then(|p| words.shortest(p)), Some(0));
        assert_eq!(after("mb"), None);
        assert_eq!(after("maj7"), None);
    }

    #[test]
    fn lists_are_read_as_what_they_are() {
        assert!(keys().count() > 300 && keys().any(|k| k == "F#m") && !keys().any(|k| k == "G#lyd"));
        assert_eq!(meters().count(), 19);
        let mut words = Words::new(keys());
        words.retain(&Alphabet::new("ADmin".chars()));
        assert_eq!(
            (0..words.len()).map(|i| words.word(i)).collect::<Vec<_>>(),
            ["A", "Am", "Amin", "D", "Dm", "Dmin"]
        );
    }
}
