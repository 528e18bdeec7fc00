//! Training tunes in other keys, so that a model learns melodies and not the few keys that each happens to stand in.
//!
//! A tune may stand in any key that the training tunes have in its mode, as often as they have it: a tune in G major in D major where that
//! is the commonest key, hardly ever in E flat. Four things must hold, else that key is left out:
//! - it suits the instrument: no note lies outside the range of the training tunes, from the 1st percentile of their lowest notes to
//!   the 99th of their highest;
//! - it can be spelled as the tune is, without double accidentals that the tune does not have ([`transpose`]);
//! - the vocabulary has its characters;
//! - read back, every note has moved by the same interval.
//!
//! A tune that cannot be read, or that changes key to none that moves, stays as it is. The tune in its own key is always among
//! the versions. Each epoch draws one version of each tune ([`Streams`](super::Streams)).

use super::{Tune, Vocabulary};
use crate::abc::{self, Interval, Mode, transpose};
use std::collections::BTreeMap;

/// A tune in one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version<T> {
    /// How likely it is to be drawn, beside the other versions of the tune.
    pub weight: u32,
    /// The tune.
    pub tune: T,
}

/// Each tune in every key that suits it; its own key comes first.
pub fn transpositions(tunes: &[Tune], vocabulary: &Vocabulary) -> Vec<Vec<Version<Tune>>> {
    let read: Vec<Option<Reading>> = tunes.iter().map(|tune| Reading::of(&tune.text)).collect();
    let mut keys: BTreeMap<(i8, i8), u32> = BTreeMap::new();
    for reading in read.iter().flatten() {
        *keys.entry(reading.key).or_default() += 1;
    }
    let range = range(read.iter().flatten());
    let versions = |(tune, reading): (&Tune, &Option<Reading>)| {
        let Some(reading) = reading else { return vec![Version { weight: 1, tune: tune.clone() }] };
        let own = keys.get(&reading.key).copied().unwrap_or(1);
        let mut versions = vec![Version { weight: own, tune: tune.clone() }];
        for (&(mode, sharps), &weight) in &keys {
            if mode != reading.key.0 || sharps == reading.key.1 {
                continue;
            }
            let nearest = Interval::nearest(sharps - reading.key.1);
            let fits = |interval: &Interval| reading.fits(*interval, range);
            let Some(interval) = [nearest, nearest.other_way()].into_iter().find(fits) else { continue };
            let moved = transpose(&tune.text, interval).filter(|text| {
                text.chars().all(|c| vocabulary.encode_char(c).is_some())
                    && reading.is_moved_to(text, interval)
            });
            versions.extend(moved.map(|text| Version { weight, tune: Tune { text } }));
        }
        versions
    };
    tunes.iter().zip(&read).map(versions).collect()
}

/// What of a tune decides its keys.
struct Reading {
    /// The mode, as the sharps it adds to the major key on its tonic, and the signature's sharps.
    key: (i8, i8),
    /// All notes as MIDI keys, in the order of the text.
    notes: Vec<i32>,
}

impl Reading {
    /// None where the tune cannot be read, or has no key with a tonic.
    fn of(text: &str) -> Option<Reading> {
        let tunes = abc::read(text);
        let [tune] = &tunes[..] else { return None };
        let key = tune.header.key;
        key.tonic?;
        tune.is_readable().then(|| Reading { key: (Mode::sharps(key.mode), key.sharps), notes: notes(tune) })
    }

    fn fits(&self, interval: Interval, (low, high): (i32, i32)) -> bool {
        self.notes.iter().all(|note| (low..=high).contains(&(note + interval.semitones())))
    }

    fn is_moved_to(&self, text: &str, interval: Interval) -> bool {
        Reading::of(text).is_some_and(|moved| {
            let pairs = self.notes.iter().zip(&moved.notes);
            self.notes.len() == moved.notes.len()
                && pairs.into_iter().all(|(old, new)| old + interval.semitones() == *new)
        })
    }
}

fn notes(tune: &abc::Tune) -> Vec<i32> {
    let heads = tune.notes().flat_map(|(_, note)| note.grace.iter().chain(&note.heads));
    heads.map(|head| head.pitch.midi()).collect()
}

/// The range that the tunes keep to, but for a hundredth of them at either end.
fn range<'a>(read: impl Iterator<Item = &'a Reading>) -> (i32, i32) {
    let (mut lows, mut highs): (Vec<i32>, Vec<i32>) =
        read.filter_map(|r| Some((*r.notes.iter().min()?, *r.notes.iter().max()?))).unzip();
    lows.sort_unstable();
    highs.sort_unstable_by(|a, b| b.cmp(a));
    let at = |sorted: &[i32]| sorted.get(sorted.len() / 100).copied().unwrap_or_default();
    (at(&lows), at(&highs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tune(text: &str) -> Tune {
        Tune { text: format!("X:1\n{text}\n\n") }
    }

    fn bodies(versions: &[Version<Tune>]) -> Vec<(u32, &str)> {
        versions.iter().map(|v| (v.weight, v.tune.text[4..].trim_end())).collect()
    }

    #[test]
    fn keys_of_the_mode_that_the_others_have_and_that_suit_the_range() {
        let tunes = [
            tune("K:D\nDFA d'|"),
            tune("K:G\nG2 d2|"),
            tune("K:D\nD,4 d'4|"),
            tune("K:Em\nE4|"),
            tune("K:A\nA4|"),
        ];
        let all =
            Vocabulary::from_chars(tunes.iter().flat_map(|t| t.text.chars()).chain("CBEFgaec,".chars()));
        let versions = transpositions(&tunes, &all);
        // From D to d' there is no room to move up; down a fifth there is. A minor tune has no other minor key here.
        assert_eq!(bodies(&versions[0]), [(2, "K:D\nDFA d'|"), (1, "K:G\nG,B,D g|"), (1, "K:A\nA,CE a|")]);
        assert_eq!(bodies(&versions[1]), [(1, "K:G\nG2 d2|"), (2, "K:D\nD2 A2|"), (1, "K:A\nA2 e2|")]);
        assert_eq!(bodies(&versions[2]), [(2, "K:D\nD,4 d'4|")]);
        assert_eq!(bodies(&versions[3]), [(1, "K:Em\nE4|")]);
    }

    #[test]
    fn what_the_vocabulary_lacks_or_no_reader_reads_stays() {
        let tunes = [tune("K:G\nG2 d2|"), tune("K:D\nD\"D\"d4|"), tune("K:D\nd4 ? d|"), tune("K:HP\nA4|")];
        let versions = transpositions(&tunes, &Vocabulary::from_tunes(&tunes));
        assert_eq!(bodies(&versions[0]), [(1, "K:G\nG2 d2|"), (1, "K:D\nD2 A2|")]);
        assert_eq!([versions[1].len(), versions[2].len(), versions[3].len()], [1, 1, 1]);
        let without_a = Vocabulary::from_chars("X:1\nKGDd24|".chars());
        assert_eq!(transpositions(&tunes, &without_a)[0].len(), 1);
    }
}
