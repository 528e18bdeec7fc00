//! A tune as MusicXML 4.0, which notation programs open: as it is written, not played out.
//!
//! One part for each voice, one measure for each bar. Each strain that is repeated begins with a repeat sign, also where the text leaves
//! it out, since programs differ in where they go back to without one; one that is never closed is left out. Lengths that no single note shows become tied notes. A bar that is not as long as
//! its meter is marked `implicit`, so that programs do not number it.

mod length;
mod measure;
mod note;

use super::fraction::Fraction;
use super::order::aligned;
use super::strain::strains;
use super::tune::{Ending, Tune, Voice};
use super::xml::Xml;
use measure::{MeasureWriter, Place};

const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE score-partwise PUBLIC \
    \"-//Recordare//DTD MusicXML 4.0 Partwise//EN\" \"http://www.musicxml.org/dtds/partwise.dtd\">";

/// A tune as the text of a MusicXML file.
pub fn musicxml(tune: &Tune) -> String {
    write(tune, false)
}

/// The same. Accidentals of notes that are tied over a bar line may be repeated, for a reader that goes by what is drawn.
pub(super) fn write(tune: &Tune, repeat_accidentals: bool) -> String {
    let mut xml = Xml::new(PROLOG);
    xml.open("score-partwise", &[("version", &"4.0")]);
    xml.open("work", &[]);
    xml.leaf("work-title", tune.header.title());
    xml.close();
    xml.open("identification", &[]);
    if let Some(composer) = tune.header.text('C') {
        xml.leaf_with("creator", &[("type", &"composer")], composer);
    }
    xml.open("encoding", &[]);
    xml.leaf("software", concat!("hornpipe ", env!("CARGO_PKG_VERSION")));
    for (element, attribute) in [("accidental", ""), ("beam", ""), ("print", "new-system")] {
        match attribute {
            "" => xml.empty("supports", &[("element", &element), ("type", &"yes")]),
            _ => xml.empty(
                "supports",
                &[("attribute", &attribute), ("element", &element), ("type", &"yes"), ("value", &"yes")],
            ),
        }
    }
    xml.close();
    xml.close();
    let voices: Vec<&Voice> = tune.voices.iter().filter(|v| !v.bars.is_empty()).collect();
    xml.open("part-list", &[]);
    for (at, voice) in voices.iter().enumerate() {
        xml.open("score-part", &[("id", &format_args!("P{}", at + 1))]);
        // A tune with one voice needs no name before the staff.
        xml.leaf("part-name", voice.name.as_deref().unwrap_or(if voices.len() > 1 { &voice.id } else { "" }));
        xml.close();
    }
    xml.close();
    let rows = aligned(&voices);
    let divisions = divisions(&voices);
    for (at, (voice, row)) in voices.iter().zip(&rows).enumerate() {
        xml.open("part", &[("id", &format_args!("P{}", at + 1))]);
        let places = places(voice);
        let mut writer = MeasureWriter::new(tune, voice, divisions, at == 0, repeat_accidentals);
        for (column, bar) in row.iter().enumerate() {
            // A voice is silent for as long as the first that plays there.
            let plays = || voices.iter().zip(&rows).find_map(|(v, row)| Some(&v.bars[(*row.get(column)?)?]));
            match bar {
                Some(bar) => writer.bar(&mut xml, &voice.bars[*bar], &places[*bar]),
                None => writer.silence(&mut xml, plays()),
            }
        }
        xml.close();
    }
    xml.finish()
}

/// Parts of a quarter note that all lengths are whole numbers of.
fn divisions(voices: &[&Voice]) -> i64 {
    let mut all = 1;
    for event in voices.iter().flat_map(|v| &v.bars).flat_map(|b| &b.events) {
        // The tied parts of a note may be finer than the whole: a quarter and a 32nd of nine in the time of two.
        let parts = note::drawn_parts(&event.kind);
        for length in event.kind.length().into_iter().chain(parts.iter().map(|part| part.length)) {
            let denominator = (length * Fraction::from(4)).denominator();
            all *= denominator / gcd(all, denominator);
        }
    }
    all
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What strains and endings say about each bar.
fn places(voice: &Voice) -> Vec<Place> {
    let bars = &voice.bars;
    let mut places: Vec<Place> = bars.iter().map(|_| Place::default()).collect();
    for strain in strains(bars) {
        let start = strain.bars.start;
        places[start].repeat_begins = strain.times(bars) > 1 && (start > 0 || bars[start].repeat.is_some());
        for ending in &strain.endings {
            let numbers = bars[ending.start].ending.as_ref().map(numbers).unwrap_or_default();
            places[ending.start].ending_begins = Some(numbers.clone());
            places[ending.end - 1].ending_ends = Some(numbers);
        }
    }
    for at in 0..places.len() {
        places[at].repeat_follows = places.get(at + 1).is_some_and(|p| p.repeat_begins);
        places[at].last = at + 1 == bars.len();
    }
    places
}

/// `1, 3`
fn numbers(ending: &Ending) -> String {
    ending.numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
