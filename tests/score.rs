//! Notation: Verovio reads of our MusicXML what we read of the ABC, and pictures are what they claim to be.
#![cfg(all(feature = "cli", feature = "score"))]

#[path = "score/picture.rs"]
mod picture;
mod support;

use cxx::UniquePtr;
use hornpipe::abc::{EventKind, Fraction, Timeline, Tune, read, score::musicxml};
use hornpipe::corpus::composer::BUILT_IN;
use serde_json::{Value, from_str};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;
use verovio_sys::ffi;

/// The tune of a text.
fn tune_of(text: &str) -> Tune {
    read(text).remove(0)
}

/// Verovio has state that is shared by all who use it.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When a note begins, its key, and how long it lasts, in quarter notes.
type Heard = (Fraction, i64, Fraction);

/// Verovio by itself.
struct Verovio {
    toolkit: UniquePtr<ffi::Toolkit>,
    _resources: TempDir,
}

impl Verovio {
    fn new() -> Self {
        let resources = TempDir::new().unwrap();
        verovio_data::extract(resources.path()).unwrap();
        let mut toolkit = ffi::new_toolkit(false);
        assert!(ffi::set_resource_path(toolkit.pin_mut(), resources.path().to_str().unwrap()));
        // As it is written: repeats are not played out.
        assert!(ffi::set_options(toolkit.pin_mut(), r#"{"expandNever": true}"#));
        assert!(ffi::set_input_from(toolkit.pin_mut(), "musicxml"));
        Verovio { toolkit, _resources: resources }
    }

    /// The notes of a tune as Verovio read them, those that are tied one by one. Grace notes are left out, since they take other notes'
    /// time.
    fn hears(&mut self, tune: &Tune) -> Vec<Heard> {
        let mut tune = tune.clone();
        for event in tune.voices.iter_mut().flat_map(|v| &mut v.bars).flat_map(|b| &mut b.events) {
            if let EventKind::Note(note) = &mut event.kind {
                note.grace.clear();
            }
        }
        let mut toolkit = self.toolkit.pin_mut();
        assert!(ffi::load_data(toolkit.as_mut(), &musicxml(&tune)), "{}", tune.header.title());
        let map = ffi::render_to_timemap(toolkit.as_mut(), r#"{"useFractions": true}"#);
        let map: Value = from_str(&map).unwrap();
        let times = |name: &str| -> Vec<(String, Fraction)> {
            let entries = map.as_array().unwrap().iter();
            let ids = entries
                .flat_map(|e| e[name].as_array().into_iter().flatten().map(|id| (id, fraction(&e["qfrac"]))));
            ids.map(|(id, time)| (id.as_str().unwrap().to_string(), time)).collect()
        };
        let ends: HashMap<String, Fraction> = times("off").into_iter().collect();
        let mut hear = |(id, begin): (String, Fraction)| {
            let midi: Value = from_str(&ffi::get_midi_values_for_element(toolkit.as_mut(), &id)).unwrap();
            (begin, midi["pitch"].as_i64().unwrap(), ends[&id] - begin)
        };
        times("on").into_iter().map(&mut hear).collect()
    }
}

fn fraction(value: &Value) -> Fraction {
    Fraction::new(value[0].as_i64().unwrap(), value[1].as_i64().unwrap())
}

/// The notes as we read them, from the first bar to the last.
fn written(tune: &Tune) -> Vec<Heard> {
    let mut tune = tune.clone();
    tune.header.parts.clear();
    for bar in tune.voices.iter_mut().flat_map(|voice| &mut voice.bars) {
        (bar.repeat, bar.ending, bar.line.repeats) = (None, None, 0);
    }
    let quarter = Fraction::from(4);
    let timeline = Timeline::new(&tune).unwrap();
    let sounds = timeline.voices.iter().flatten();
    let mut notes: Vec<Heard> =
        sounds.map(|s| (s.start * quarter, s.pitch.midi().into(), s.length * quarter)).collect();
    notes.sort_unstable();
    notes
}

/// The first note of ours that is not among those of Verovio, from its beginning to its end, one or several; or one of Verovio's that is
/// left over.
fn difference(ours: &[Heard], verovio: &[Heard]) -> Option<Heard> {
    let mut parts: BTreeMap<(Fraction, i64), Vec<Fraction>> = BTreeMap::new();
    verovio.iter().for_each(|&(begin, key, length)| parts.entry((begin, key)).or_default().push(length));
    for &(begin, key, length) in ours {
        let (mut now, end) = (begin, begin + length);
        while now < end {
            let lengths = parts.get_mut(&(now, key)).into_iter();
            match lengths.filter_map(|l| l.iter().position(|l| now + *l <= end).map(|at| l.remove(at))).next()
            {
                Some(part) => now += part,
                None => return Some((begin, key, length)),
            }
        }
    }
    parts.into_iter().find_map(|((begin, key), lengths)| lengths.first().map(|l| (begin, key, *l)))
}

/// How many of the tunes Verovio read as we did; those that it did not are told.
fn same(tunes: &[Tune]) -> usize {
    let mut verovio = Verovio::new();
    let same = tunes.iter().filter(|tune| {
        let heard = verovio.hears(tune);
        let different = difference(&written(tune), &heard);
        if let Some((begin, key, length)) = different {
            let there: Vec<&Heard> =
                heard.iter().filter(|h| (begin..begin + length).contains(&h.0)).collect();
            eprintln!(
                "{} {}: {:?}, for Verovio {there:?}",
                tune.place.line,
                tune.header.title(),
                (begin, key, length)
            );
        }
        different.is_none()
    });
    same.count()
}

#[test]
fn verovio_reads_what_was_written() {
    let _turn = turn();
    let rare = tune_of(
        "X:1\nT:All & <sundry>\nC:Trad.\nM:6/8\nQ:3/8=120\nK:Em\n|:G|\"Em\"EFG (3EFG c>d/|\"D/F#\"A5 [DF]-|[1[D2F2] z:|\
         [2{ga}~^f3 =f3||\nK:D\nP:B\n[M:3/4]\"A7\"(A2 Bc) d-d|[K:Bb] (5ABcde x4|!segno!!p!z4 !fermata!c'2|\n",
    );
    let voices = tune_of("X:2\nL:1/4\nM:4/4\nK:C\nV:1 name=\"One\"\nCDEF|Z|\nV:2\n[CE]4|G4|\n");
    let mut tunes = vec![rare, voices];
    tunes.extend(read(BUILT_IN).into_iter().take(25));
    assert_eq!(same(&tunes), tunes.len());
}

#[test]
fn verovio_reads_all_of_nottingham() {
    let Some(text) = support::nottingham() else { return };
    let _turn = turn();
    let tunes = read(&text);
    let same = same(&tunes);
    eprintln!("{} tunes; the same notes in {same}", tunes.len());
    assert_eq!(same, tunes.len());
}
