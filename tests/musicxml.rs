//! MusicXML, read back with music21: every note, rest, measure, key, meter, repeat, ending and chord symbol comes out as it went in.
//!
//! Runs where `HORNPIPE_MUSIC21` names a Python that has music21 (`python3 -m venv …; pip install music21`).

mod support;

use hornpipe::abc::{
    Bar, EventKind, Fraction, Harmony, Key, Meter, Note, Tune, Voice, musicxml, playing_order, read,
};
use hornpipe::corpus::composer::BUILT_IN;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn python() -> Option<PathBuf> {
    let python = std::env::var_os("HORNPIPE_MUSIC21");
    if python.is_none() {
        eprintln!("skipped: HORNPIPE_MUSIC21 does not name a Python with music21");
    }
    python.map(Into::into)
}

/// What music21 finds in the MusicXML of each tune.
fn read_back(python: &Path, tunes: &[Tune]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..tunes.len()).map(|n| folder.path().join(format!("{n}.musicxml"))).collect();
    for (tune, path) in tunes.iter().zip(&paths) {
        fs::write(path, musicxml(tune)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/music21/read.py");
    let output = Command::new(python).arg(script).args(&paths).output().expect("HORNPIPE_MUSIC21 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let values: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(values.len(), tunes.len());
    values
}

fn fraction(value: &Value) -> Fraction {
    let text = value.as_str().unwrap();
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    Fraction::new(above.parse().unwrap(), below.parse().unwrap())
}

fn quarters(length: Fraction) -> Fraction {
    length * Fraction::from(4)
}

fn keys_of(note: &Note) -> Vec<i64> {
    let mut keys: Vec<i64> = note.heads.iter().map(|h| h.pitch.midi().into()).collect();
    keys.sort_unstable();
    keys
}

/// Each note's length and keys: those that music21 read, several tied ones for one that no single note shows.
fn compare_notes(title: &str, voice: &Voice, read: &Value) {
    let mut found = read["notes"].as_array().unwrap().iter();
    let events: Vec<&EventKind> =
        voice.bars.iter().flat_map(|b| &b.events).map(|e| &e.kind).filter(|k| k.length().is_some()).collect();
    for (at, event) in events.iter().enumerate() {
        let EventKind::Note(note) = event else { continue };
        let whole = quarters(note.length);
        let mut sum = Fraction::ZERO;
        let mut begins = false;
        while sum < whole {
            let part = found.next().unwrap_or_else(|| panic!("{title}: a note is missing"));
            let keys: Vec<i64> = part[1].as_array().unwrap().iter().map(|k| k.as_i64().unwrap()).collect();
            assert_eq!(keys, keys_of(note), "{title}, note {at}");
            // All but the first are tied to the one before.
            assert!(sum.is_zero() || (begins && part[3] == true), "{title}, note {at}");
            begins = part[2] == true;
            sum += fraction(&part[0]);
        }
        assert_eq!(sum, whole, "{title}, note {at}");
        let tied = match events.get(at + 1) {
            Some(EventKind::Note(next)) => {
                note.heads.iter().any(|h| h.tied && next.heads.iter().any(|n| n.pitch == h.pitch))
            }
            _ => false,
        };
        assert_eq!(begins, tied, "{title}, the tie of note {at}");
    }
    assert!(found.next().is_none(), "{title}: too many notes");
    let rests: Fraction = voice.bars.iter().map(rests).sum();
    let sum: Fraction = read["rests"].as_array().unwrap().iter().map(fraction).sum();
    assert_eq!(sum, quarters(rests), "{title}: rests");
}

/// The rests of a bar. A whole rest by itself is as long as the measure for music21, whatever it says.
fn rests(bar: &Bar) -> Fraction {
    let sounding: Vec<&EventKind> =
        bar.events.iter().map(|e| &e.kind).filter(|k| k.length().is_some()).collect();
    let lengths =
        sounding.iter().filter_map(|k| if let EventKind::Rest(rest) = k { Some(rest.length) } else { None });
    match (&sounding[..], bar.meter) {
        ([EventKind::Rest(rest)], Some(meter)) if rest.length == Fraction::ONE => meter.length(),
        _ => lengths.sum(),
    }
}

/// Keys and meters, as they change.
fn changes(voice: &Voice) -> (Vec<i64>, Vec<String>) {
    let (mut keys, mut meters): (Vec<Key>, Vec<Option<Meter>>) = (Vec::new(), Vec::new());
    for bar in &voice.bars {
        let mut states = vec![(bar.key, bar.meter)];
        let (mut key, mut meter, mut began) = (bar.key, bar.meter, false);
        for event in &bar.events {
            began |= event.kind.length().is_some();
            match &event.kind {
                EventKind::Key(new) if began => key = *new,
                EventKind::Meter(new) if began => meter = *new,
                _ => continue,
            }
            states.push((key, meter));
        }
        for (key, meter) in states {
            if keys.last() != Some(&key) {
                keys.push(key);
            }
            if meters.last() != Some(&meter) {
                meters.push(meter);
            }
        }
    }
    let meters = meters.into_iter().flatten().map(|m| m.to_string()).collect();
    (keys.into_iter().map(|k| k.sharps.into()).collect(), meters)
}

/// The pitch classes of each chord symbol that is a chord.
fn chords(voice: &Voice) -> Vec<Vec<i64>> {
    let harmony = |kind: &EventKind| match kind {
        EventKind::Chord(text) => Harmony::parse(text),
        _ => None,
    };
    let pitch_classes = |harmony: Harmony| {
        let root = harmony.root?.semitone();
        let mut classes: Vec<i64> =
            harmony.kind.semitones().iter().map(|s| i64::from((root + s) % 12)).collect();
        classes.extend(harmony.bass.map(|b| i64::from(b.semitone())));
        classes.sort_unstable();
        classes.dedup();
        Some(classes)
    };
    voice
        .bars
        .iter()
        .flat_map(|b| &b.events)
        .filter_map(|e| harmony(&e.kind))
        .filter_map(pitch_classes)
        .collect()
}

/// Compares all but the order of playing; says whether that is the same too, where music21 can tell.
fn compare(tune: &Tune, read: &Value) -> Option<bool> {
    let title = tune.header.title();
    let voice = &tune.voices[0];
    compare_notes(title, voice, read);
    assert_eq!(read["parts"], tune.voices.len(), "{title}");
    if tune.voices.len() == 1 {
        assert_eq!(read["measures"], voice.bars.len(), "{title}");
        for (bar, length) in voice.bars.iter().zip(read["lengths"].as_array().unwrap()) {
            let notes = bar.events.iter().filter_map(|e| match &e.kind {
                EventKind::Note(note) => Some(note.length),
                _ => None,
            });
            assert_eq!(
                fraction(length),
                quarters(notes.sum::<Fraction>() + rests(bar)),
                "{title}: {:?}",
                bar.place
            );
        }
    }
    let (keys, meters) = changes(voice);
    assert_eq!(read["keys"], Value::from(keys), "{title}: keys");
    assert_eq!(read["meters"], Value::from(meters), "{title}: meters");
    assert_eq!(read["chords"], Value::from(chords(voice)), "{title}: chords");
    let backward = read["repeats"].as_array().unwrap().iter().filter(|r| r[2] == "end").count();
    assert_eq!(backward, voice.bars.iter().filter(|b| b.line.repeats > 0).count(), "{title}: repeats");
    let endings = read["endings"].as_array().unwrap();
    assert_eq!(endings.len(), voice.bars.iter().filter(|b| b.ending.is_some()).count(), "{title}: endings");
    let played = read["played"].as_array()?;
    // Parts in another order are no matter of notation.
    let mut straight = tune.clone();
    straight.header.parts.clear();
    let sections = playing_order(&straight).unwrap();
    let ours: Vec<usize> = sections.iter().flat_map(|s| &s.voices[0]).copied().collect();
    Some(*played == ours)
}

#[test]
fn music21_reads_what_was_written() {
    let Some(python) = python() else { return };
    let mut tunes = read(
        "X:1\nT:All & <sundry>\nC:Trad.\nM:6/8\nQ:3/8=120\nK:Em\n|:G|\"Em\"EFG (3EFG c>d/|\"D/F#\"A5 [DF]-|[1[D2F2] z:|\
         [2{ga}~^f3 =f3||\nK:D\nP:B\n[M:3/4]\"A7\"(A2 Bc) d-d|[K:Bb] (5ABcde x4|!segno!!p!z4 !fermata!c'2|\n[M:C]A2/3B2/3c2/3 \
         A/4>B/4 c13/2|]\n\nX:2\nL:1/4\nM:4/4\nK:C\nV:1 name=\"One\"\nCDEF|Z|\nV:2\n[CE]4|G4|\n",
    );
    let rare = tunes.len();
    tunes.extend(read(BUILT_IN).into_iter().take(25));
    let values = read_back(&python, &tunes);
    assert_eq!(values[0]["title"], "All & <sundry>");
    let orders: Vec<Option<bool>> =
        tunes.iter().zip(&values).map(|(tune, read)| compare(tune, read)).collect();
    assert!(orders[rare..].iter().all(|order| *order == Some(true)), "{orders:?}");
}

#[test]
fn music21_reads_all_of_nottingham() {
    let (Some(python), Some(text)) = (python(), support::nottingham()) else { return };
    let tunes = read(&text);
    let values = read_back(&python, &tunes);
    let (mut same, mut other, mut untold) = (0, 0, 0);
    for (tune, value) in tunes.iter().zip(&values) {
        match compare(tune, value) {
            Some(true) => same += 1,
            Some(false) => {
                other += 1;
                eprintln!("another order: {} {}", tune.place.line, tune.header.title());
            }
            None => {
                untold += 1;
                eprintln!("no order: {} {}: {}", tune.place.line, tune.header.title(), value["played"]);
            }
        }
    }
    eprintln!(
        "{} tunes; bars in the same order in {same}, in another in {other}; music21 gives none for {untold}",
        tunes.len()
    );
    assert!(100 * same >= 95 * tunes.len());
}

/// A voice that begins later is silent for as long as the others play, a pick-up too: the numbers of measures agree.
#[test]
fn silent_measures_are_as_long_as_those_that_sound() {
    let tune =
        &read("X:1\nM:6/8\nL:1/8\nP:AB\nK:C\nP:A\nV:1\nc/d/|e6|e5|\nP:B\nV:1\nc|e6|\nV:2\nc|(3e2e2e2 e2|\n")
            [0];
    let xml = musicxml(tune);
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(&xml, options).unwrap();
    let parts: Vec<Vec<(String, i64)>> = document
        .descendants()
        .filter(|n| n.has_tag_name("part"))
        .map(|part| {
            let measures = part.children().filter(|n| n.has_tag_name("measure"));
            let lengths = measures.map(|measure| {
                let durations = measure.descendants().filter(|n| n.has_tag_name("duration"));
                let length = durations.map(|d| d.text().unwrap().parse::<i64>().unwrap()).sum();
                (measure.attribute("number").unwrap().to_string(), length)
            });
            lengths.collect()
        })
        .collect();
    assert_eq!((parts.len(), &parts[0]), (2, &parts[1]));
}
