//! Tunes in other keys: every one of them means what the first meant, and no held-out tune comes back among them.
#![cfg(feature = "cli")]

mod support;

use hornpipe::abc::{Harmony, Interval, read, transpose};
use hornpipe::corpus::augment::transpositions;
use hornpipe::corpus::{self, Corpus, Vocabulary, composer, melody};
use hornpipe::train::{Augment, Data, Preset, Settings};
use std::collections::HashSet;

fn built_in() -> Corpus {
    Corpus { tunes: corpus::parse("built in", composer::BUILT_IN.as_bytes()).unwrap() }
}

/// The built-in tunes, and Nottingham's where it is.
fn corpora() -> Vec<Corpus> {
    let mut corpora = vec![built_in()];
    corpora.extend(
        support::nottingham()
            .map(|text| Corpus { tunes: corpus::parse("Nottingham", text.as_bytes()).unwrap() }),
    );
    corpora
}

fn midi(text: &str) -> Vec<i32> {
    let tunes = read(text);
    tunes.iter().flat_map(|t| t.notes().flat_map(|(_, n)| n.heads.iter())).map(|h| h.pitch.midi()).collect()
}

/// Roots of chords, in semitones above C.
fn roots(text: &str) -> Vec<Option<i32>> {
    let quoted = text.lines().filter(|l| !l.starts_with("T:")).flat_map(|l| l.split('"').skip(1).step_by(2));
    quoted.filter_map(Harmony::parse).map(|h| h.root.map(|root| root.semitone())).collect()
}

#[test]
fn every_note_and_chord_moves_by_the_interval_and_back() {
    for corpus in corpora() {
        let (mut moved, mut back) = (0, 0);
        for tune in corpus.tunes.iter().filter(|tune| read(&tune.text)[0].is_readable()) {
            for fifths in [-5, -3, -1, 1, 2, 4] {
                let interval = Interval::nearest(fifths);
                let Some(text) = transpose(&tune.text, interval) else { continue };
                moved += 1;
                let up =
                    |notes: Vec<i32>| notes.into_iter().map(|n| n + interval.semitones()).collect::<Vec<_>>();
                assert_eq!(midi(&text), up(midi(&tune.text)), "{text}");
                let chords: Vec<_> = roots(&tune.text)
                    .into_iter()
                    .map(|root| root.map(|r| (r + interval.semitones()).rem_euclid(12)))
                    .collect();
                assert_eq!(roots(&text), chords, "{text}");
                assert_eq!(text.lines().count(), tune.text.lines().count());
                assert_eq!(melody(&text), melody(&tune.text), "{text}");
                // The way back ends where it began, but for chords that were respelled.
                let again = transpose(&text, Interval::nearest(-fifths))
                    .map(|again| (midi(&again), melody(&again).into_owned()));
                back += usize::from(again == Some((midi(&tune.text), melody(&tune.text).into_owned())));
            }
        }
        eprintln!("{moved} moved of {}, {back} back", 6 * corpus.tunes.len());
        assert!(moved > 3 * corpus.tunes.len() && back == moved);
    }
}

#[test]
fn versions_keep_to_vocabulary_keys_and_range() {
    for corpus in corpora() {
        let vocabulary = Vocabulary::from_tunes(&corpus.tunes);
        let versions = transpositions(&corpus.tunes, &vocabulary);
        let keys = |text: &str| read(text)[0].header.key;
        let known: HashSet<_> = corpus.tunes.iter().map(|tune| keys(&tune.text)).collect();
        let pitches: Vec<i32> = corpus.tunes.iter().flat_map(|tune| midi(&tune.text)).collect();
        let (low, high) = (*pitches.iter().min().unwrap(), *pitches.iter().max().unwrap());
        assert_eq!(versions.len(), corpus.tunes.len());
        for (tune, versions) in corpus.tunes.iter().zip(&versions) {
            assert_eq!(versions[0].tune, *tune);
            for version in &versions[1..] {
                let text = &version.tune.text;
                vocabulary.encode(text).unwrap();
                assert!(known.contains(&keys(text)) && keys(text) != keys(&tune.text), "{text}");
                assert!(midi(text).iter().all(|note| (low..=high).contains(note)), "{text}");
                assert_eq!(melody(text), melody(&tune.text));
            }
        }
        let count: usize = versions.iter().map(Vec::len).sum();
        eprintln!("{count} versions of {} tunes", corpus.tunes.len());
        assert!(count > 2 * corpus.tunes.len());
    }
}

#[test]
fn no_held_out_tune_is_trained_on_in_any_key() {
    for corpus in corpora() {
        let parts = corpus::split(&corpus, 1, 0.1);
        let held_out: HashSet<_> = parts.held_out.iter().map(|tune| melody(&tune.text)).collect();
        assert!(held_out.len() == parts.held_out.len() && held_out.len() > 20);
        let vocabulary = Vocabulary::from_tunes(&corpus.tunes);
        for version in transpositions(&parts.train, &vocabulary).iter().flatten() {
            assert!(!held_out.contains(&melody(&version.tune.text)), "{}", version.tune.text);
        }
        // Nor does a held-out tune decide a key or the range: the versions depend on the training tunes alone.
        let settings = Settings { augment: Augment::Transpose, ..Preset::Folk.settings() };
        let whole = Data::new(&corpus, &settings, None).unwrap();
        let versions: usize = transpositions(&parts.train, &vocabulary).iter().map(Vec::len).sum();
        assert_eq!((whole.tunes, whole.versions), ((parts.train.len(), parts.held_out.len()), versions));
        let plain = Data::new(&corpus, &Preset::Folk.settings(), None).unwrap();
        assert_ne!(whole.fingerprint, plain.fingerprint);
        assert_eq!(whole.held_out_fingerprint, plain.held_out_fingerprint);
    }
}
