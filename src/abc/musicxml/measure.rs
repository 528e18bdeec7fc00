//! Measures: attributes, bar lines, and the notes between them in order.

use super::length::drawn;
use super::note::{Connections, NoteWriter};
use crate::abc::harmony::Harmony;
use crate::abc::key::{Key, Tonic};
use crate::abc::meter::{Meter, Tempo};
use crate::abc::pitch::LETTERS;
use crate::abc::timeline::usual_tempo;
use crate::abc::tune::{Bar, EventKind, Style, Tune, Voice};
use crate::abc::xml::Xml;
use crate::abc::{Fraction, Mode};

/// What stands around a bar.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Whether its strain is repeated from here.
    pub repeat_begins: bool,
    pub ending_begins: Option<String>,
    pub ending_ends: Option<String>,
    /// Whether the next bar begins a repeat.
    pub repeat_follows: bool,
    /// Whether it is the last.
    pub last: bool,
}

/// Writes the measures of a voice one after another.
pub(super) struct MeasureWriter<'a> {
    tune: &'a Tune,
    divisions: i64,
    measures: usize,
    number: usize,
    /// Whether directions and tempo are written here: they belong to the first voice.
    leads: bool,
    repeat_accidentals: bool,
    key: Option<Key>,
    meter: Option<Option<Meter>>,
    connections: Connections,
}

impl<'a> MeasureWriter<'a> {
    pub fn new(
        tune: &'a Tune,
        voice: &'a Voice,
        divisions: i64,
        leads: bool,
        repeat_accidentals: bool,
    ) -> Self {
        MeasureWriter {
            tune,
            divisions,
            measures: 0,
            number: 0,
            leads,
            repeat_accidentals,
            key: None,
            meter: None,
            connections: Connections::of(voice),
        }
    }

    /// A bar; one of several measures' rest becomes as many measures.
    pub fn bar(&mut self, xml: &mut Xml, bar: &Bar, place: &Place) {
        let rests = bar.events.iter().filter_map(|e| match &e.kind {
            EventKind::Rest(rest) => rest.measures,
            _ => None,
        });
        let count =
            rests.max().filter(|_| bar.events.iter().filter(|e| e.kind.length().is_some()).count() == 1);
        let count = count.unwrap_or(1).max(1);
        for n in 0..count {
            let full =
                bar.meter.is_none_or(|m| bar.length() == m.length() * Fraction::from(i64::from(count)));
            self.open(xml, full);
            if n == 0 && bar.events.iter().any(|e| e.kind == EventKind::LineEnd) && self.measures > 1 {
                xml.empty("print", &[("new-system", &"yes")]);
            }
            self.attributes(xml, bar.key, bar.meter);
            if n == 0 {
                left_line(xml, place);
                self.directions(xml, bar);
            }
            self.events(xml, bar, count, n == 0);
            if n + 1 == count {
                right_line(xml, bar, place);
            }
            xml.close();
        }
    }

    /// A measure of a voice that has none there, as long as that of another: a pick-up is one for all, so that numbers agree.
    pub fn silence(&mut self, xml: &mut Xml, other: Option<&Bar>) {
        let meter = self.meter.unwrap_or(self.tune.header.meter);
        let full = meter.map_or(Fraction::ONE, Meter::length);
        let length = other.map_or(full, Bar::length);
        self.open(xml, length == full || meter.is_none());
        self.attributes(xml, self.key.unwrap_or(self.tune.header.key), meter);
        self.whole_rest(xml, length);
        xml.close();
    }

    /// A pick-up at the beginning is measure 0.
    fn open(&mut self, xml: &mut Xml, full: bool) {
        if !full && self.measures == 0 {
            self.number = 0;
        } else {
            self.number += 1;
        }
        self.measures += 1;
        match full {
            true => xml.open("measure", &[("number", &self.number)]),
            false => xml.open("measure", &[("number", &self.number), ("implicit", &"yes")]),
        }
    }

    fn duration(&self, length: Fraction) -> i64 {
        length.in_units(Fraction::new(1, 4 * self.divisions))
    }

    /// Divisions, key, meter and clef, as far as they are new.
    fn attributes(&mut self, xml: &mut Xml, key: Key, meter: Option<Meter>) {
        let first = self.key.is_none();
        let (new_key, new_meter) = (self.key != Some(key), self.meter != Some(meter));
        if !new_key && !new_meter {
            return;
        }
        xml.open("attributes", &[]);
        if first {
            xml.leaf("divisions", self.divisions);
        }
        if new_key {
            write_key(xml, key);
        }
        if new_meter {
            write_meter(xml, meter);
        }
        if first {
            xml.open("clef", &[]);
            xml.leaf("sign", "G");
            xml.leaf("line", 2);
            xml.close();
        }
        xml.close();
        (self.key, self.meter) = (Some(key), Some(meter));
    }

    /// The part's letter, and the tempo at the beginning.
    fn directions(&self, xml: &mut Xml, bar: &Bar) {
        if !self.leads {
            return;
        }
        if self.measures == 1 {
            match self.tune.header.tempo {
                Some(tempo) => write_tempo(xml, tempo),
                None => write_sound(xml, usual_tempo(self.tune)),
            }
        }
        if let Some(part) = bar.part.filter(|_| bar.begins_part) {
            xml.open("direction", &[("placement", &"above")]);
            xml.open("direction-type", &[]);
            xml.leaf("rehearsal", part);
            xml.close();
            xml.close();
        }
    }

    fn events(&mut self, xml: &mut Xml, bar: &Bar, measures: u32, first: bool) {
        let events = &bar.events;
        let mut writer = NoteWriter::new(events, bar.key, self.divisions, self.repeat_accidentals);
        let mut began = false;
        for (at, event) in events.iter().enumerate() {
            match &event.kind {
                EventKind::Note(note) => {
                    began = true;
                    note.decorations.iter().for_each(|name| write_mark(xml, name));
                    writer.note(xml, at, note, &mut self.connections);
                }
                EventKind::Rest(rest) => {
                    began = true;
                    match rest.measures {
                        Some(_) => self.whole_rest(xml, rest.length / Fraction::from(i64::from(measures))),
                        None => writer.rest(xml, at, rest),
                    }
                }
                _ if !first => {}
                EventKind::Chord(text) => write_chord(xml, text),
                EventKind::Text(text) => write_words(xml, text),
                EventKind::Tempo(tempo) => write_tempo(xml, *tempo),
                // At the beginning they are the bar's own.
                EventKind::Key(key) if began => {
                    writer.set_key(*key);
                    self.attributes(xml, *key, self.meter.flatten());
                }
                EventKind::Meter(meter) if began => {
                    self.attributes(xml, self.key.unwrap_or(Key::NONE), *meter)
                }
                EventKind::Key(_) | EventKind::Meter(_) | EventKind::LineEnd => {}
            }
        }
    }

    fn whole_rest(&self, xml: &mut Xml, length: Fraction) {
        xml.open("note", &[]);
        xml.empty("rest", &[("measure", &"yes")]);
        xml.leaf("duration", self.duration(length));
        xml.leaf("voice", 1);
        xml.close();
    }
}

fn write_key(xml: &mut Xml, key: Key) {
    xml.open("key", &[]);
    if key.signature == key.plain() {
        xml.leaf("fifths", key.sharps);
        let mode = match (key.tonic, key.mode) {
            (None, _) => "none",
            _ if !key.is_plain() => "none",
            (_, Mode::Major) => "major",
            (_, Mode::Minor) => "minor",
            (_, Mode::Dorian) => "dorian",
            (_, Mode::Phrygian) => "phrygian",
            (_, Mode::Lydian) => "lydian",
            (_, Mode::Mixolydian) => "mixolydian",
            (_, Mode::Locrian) => "locrian",
        };
        xml.leaf("mode", mode);
    } else {
        for (letter, alter) in LETTERS.iter().zip(key.signature).filter(|(_, alter)| *alter != 0) {
            xml.leaf("key-step", letter);
            xml.leaf("key-alter", alter);
        }
    }
    xml.close();
}

fn write_meter(xml: &mut Xml, meter: Option<Meter>) {
    match meter {
        None => {
            xml.open("time", &[("print-object", &"no")]);
            xml.empty("senza-misura", &[]);
        }
        Some(meter) => {
            match (meter.symbol, meter.beats) {
                (true, 4) => xml.open("time", &[("symbol", &"common")]),
                (true, _) => xml.open("time", &[("symbol", &"cut")]),
                _ => xml.open("time", &[]),
            }
            xml.leaf("beats", meter.beats);
            xml.leaf("beat-type", meter.unit);
        }
    }
    xml.close();
}

/// Left: `|:` and the beginning of an ending.
fn left_line(xml: &mut Xml, place: &Place) {
    if !place.repeat_begins && place.ending_begins.is_none() {
        return;
    }
    xml.open("barline", &[("location", &"left")]);
    if place.repeat_begins {
        xml.leaf("bar-style", "heavy-light");
    }
    if let Some(numbers) = &place.ending_begins {
        xml.empty("ending", &[("number", numbers), ("type", &"start")]);
    }
    if place.repeat_begins {
        xml.empty("repeat", &[("direction", &"forward")]);
    }
    xml.close();
}

/// Right: what is drawn, the end of an ending, and `:|`.
fn right_line(xml: &mut Xml, bar: &Bar, place: &Place) {
    let style = match bar.line.style {
        _ if bar.line.repeats > 0 => Some("light-heavy"),
        // The repeat draws its own.
        _ if place.repeat_follows => None,
        Style::None if place.last => None,
        Style::None | Style::Invisible => Some("none"),
        Style::Dotted => Some("dotted"),
        Style::Single => None,
        Style::Double => Some("light-light"),
        Style::Heavy => Some("heavy-light"),
        Style::Final => Some("light-heavy"),
    };
    if style.is_none() && place.ending_ends.is_none() {
        return;
    }
    xml.open("barline", &[("location", &"right")]);
    if let Some(style) = style {
        xml.leaf("bar-style", style);
    }
    if let Some(numbers) = &place.ending_ends {
        let closed = bar.line.repeats > 0 || bar.line.style == Style::Final;
        xml.empty("ending", &[("number", numbers), ("type", &if closed { "stop" } else { "discontinue" })]);
    }
    if bar.line.repeats > 0 {
        match bar.line.repeats {
            1 => xml.empty("repeat", &[("direction", &"backward")]),
            n => xml.empty("repeat", &[("direction", &"backward"), ("times", &(n + 1))]),
        }
    }
    xml.close();
}

fn write_tempo(xml: &mut Xml, tempo: Tempo) {
    let parts = drawn(tempo.beat, None);
    xml.open("direction", &[("placement", &"above")]);
    xml.open("direction-type", &[]);
    match &parts[..] {
        [beat] if beat.ratio.is_none() => {
            xml.open("metronome", &[]);
            xml.leaf("beat-unit", beat.name());
            (0..beat.dots).for_each(|_| xml.empty("beat-unit-dot", &[]));
            xml.leaf("per-minute", tempo.per_minute);
            xml.close();
        }
        _ => xml.leaf("words", format_args!("{} = {}", tempo.beat, tempo.per_minute)),
    }
    xml.close();
    write_sound(xml, tempo);
    xml.close();
}

/// Quarter notes a minute.
fn write_sound(xml: &mut Xml, tempo: Tempo) {
    xml.empty("sound", &[("tempo", &(tempo.per_minute * 4.0 * tempo.beat.to_f64()))]);
}

fn write_words(xml: &mut Xml, text: &str) {
    xml.open("direction", &[("placement", &"above")]);
    xml.open("direction-type", &[]);
    xml.leaf("words", text);
    xml.close();
    xml.close();
}

/// Decorations that are no part of a note.
fn write_mark(xml: &mut Xml, name: &str) {
    const DYNAMICS: [&str; 10] = ["pppp", "ppp", "pp", "p", "mp", "mf", "f", "ff", "fff", "sfz"];
    let sign = match name {
        "segno" => "segno",
        "coda" => "coda",
        "fine" | "D.C." | "D.S." | "dacapo" | "dacoda" => return write_words(xml, name),
        _ => match DYNAMICS.iter().find(|d| **d == name) {
            Some(sign) => sign,
            None => return,
        },
    };
    let dynamics = DYNAMICS.contains(&sign);
    xml.open("direction", &[("placement", if dynamics { &"below" } else { &"above" })]);
    xml.open("direction-type", &[]);
    if dynamics {
        xml.open("dynamics", &[]);
    }
    xml.empty(sign, &[]);
    if dynamics {
        xml.close();
    }
    xml.close();
    xml.close();
}

fn write_chord(xml: &mut Xml, text: &str) {
    let Some(Harmony { root: Some(root), kind, bass }) = Harmony::parse(text) else {
        return write_words(xml, text);
    };
    xml.open("harmony", &[]);
    write_tonic(xml, ["root", "root-step", "root-alter"], root);
    xml.leaf_with("kind", &[("text", &kind.suffix())], kind.musicxml());
    if let Some(bass) = bass {
        write_tonic(xml, ["bass", "bass-step", "bass-alter"], bass);
    }
    xml.close();
}

fn write_tonic(xml: &mut Xml, [outer, step, alter]: [&'static str; 3], tonic: Tonic) {
    xml.open(outer, &[]);
    xml.leaf(step, LETTERS[usize::from(tonic.step)]);
    if tonic.alter != 0 {
        xml.leaf(alter, tonic.alter);
    }
    xml.close();
}
