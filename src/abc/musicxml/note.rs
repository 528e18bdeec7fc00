//! Notes and rests of a measure, with what connects them: ties, slurs, tuplets, beams.

use super::length::{Drawn, drawn};
use crate::abc::Fraction;
use crate::abc::key::Key;
use crate::abc::pitch::Pitch;
use crate::abc::tune::{Event, EventKind, Head, Note, Rest, Tuplet, Voice};
use crate::abc::xml::Xml;

/// Slurs that may be open at once.
const SLURS: usize = 6;

/// What leads from note to note in a voice, counted over all its notes.
#[derive(Debug, Default)]
pub(super) struct Connections {
    notes: Vec<Connected>,
    next: usize,
}

#[derive(Clone, Debug, Default)]
struct Connected {
    /// For each head, whether a tie ends and begins there.
    tie_ends: Vec<bool>,
    tie_begins: Vec<bool>,
    /// Numbers of slurs.
    slur_ends: Vec<usize>,
    slur_begins: Vec<usize>,
}

impl Connections {
    pub fn of(voice: &Voice) -> Self {
        let mut notes: Vec<Connected> = Vec::new();
        let mut before: Option<&Note> = None;
        let mut open: Vec<usize> = Vec::new();
        let mut slurs: Vec<(usize, usize)> = Vec::new();
        for bar in &voice.bars {
            for event in &bar.events {
                let note = match &event.kind {
                    EventKind::Note(note) => note,
                    EventKind::Rest(_) => {
                        before = None;
                        continue;
                    }
                    _ => continue,
                };
                let at = notes.len();
                let none = vec![false; note.heads.len()];
                notes.push(Connected { tie_ends: none.clone(), tie_begins: none, ..Connected::default() });
                if let Some(last) = before {
                    for (h, head) in last.heads.iter().enumerate().filter(|(_, h)| h.tied) {
                        match note.heads.iter().position(|n| n.pitch == head.pitch) {
                            Some(same) => {
                                notes[at - 1].tie_begins[h] = true;
                                notes[at].tie_ends[same] = true;
                            }
                            // To another pitch it is a slur.
                            None if h == 0 => slurs.push((at - 1, at)),
                            None => {}
                        }
                    }
                }
                before = Some(note);
                for _ in 0..note.slurs_end {
                    slurs.extend(open.pop().filter(|begin| *begin < at).map(|begin| (begin, at)));
                }
                (0..note.slurs_begin).for_each(|_| open.push(at));
            }
        }
        number_slurs(&mut notes, slurs);
        Connections { notes, next: 0 }
    }

    fn take(&mut self) -> Connected {
        self.next += 1;
        self.notes.get_mut(self.next - 1).map(std::mem::take).unwrap_or_default()
    }
}

/// Gives each slur the lowest number that no slur has which is open at the same time; where there are too many, some are left out.
fn number_slurs(notes: &mut [Connected], mut slurs: Vec<(usize, usize)>) {
    slurs.sort_unstable();
    slurs.dedup();
    let mut ends = [0; SLURS];
    for (begin, end) in slurs {
        if let Some(number) = ends.iter().position(|e| *e <= begin) {
            ends[number] = end;
            notes[begin].slur_begins.push(number + 1);
            notes[end].slur_ends.push(number + 1);
        }
    }
}

/// The note values of a note or a rest; more than one are to be tied.
pub(super) fn drawn_parts(kind: &EventKind) -> Vec<Drawn> {
    match kind {
        EventKind::Note(note) => drawn(note.written(), ratio(note.tuplet)),
        EventKind::Rest(rest) => drawn(rest.written(), ratio(rest.tuplet)),
        _ => Vec::new(),
    }
}

/// Writes the notes of one bar.
pub(super) struct NoteWriter {
    divisions: i64,
    /// For each event its note values and beams.
    values: Vec<(Vec<Drawn>, Vec<&'static str>)>,
    key: Key,
    /// What letters of an octave have been altered to in this bar.
    altered: Vec<((u8, i8), i8)>,
    /// Whether notes that are tied over a bar line get their accidental again.
    repeat_accidentals: bool,
}

impl NoteWriter {
    pub fn new(events: &[Event], key: Key, divisions: i64, repeat_accidentals: bool) -> Self {
        let mut values: Vec<(Vec<Drawn>, Vec<&'static str>)> =
            events.iter().map(|event| (drawn_parts(&event.kind), Vec::new())).collect();
        for group in beamed(events, &values) {
            beam(&group, &mut values);
        }
        NoteWriter { divisions, values, key, altered: Vec::new(), repeat_accidentals }
    }

    /// The key changes within the bar.
    pub fn set_key(&mut self, key: Key) {
        self.key = key;
    }

    pub fn rest(&mut self, xml: &mut Xml, at: usize, rest: &Rest) {
        let parts = self.values[at].0.clone();
        for (n, part) in parts.iter().enumerate() {
            match rest.visible {
                true => xml.open("note", &[]),
                false => xml.open("note", &[("print-object", &"no")]),
            }
            xml.empty("rest", &[]);
            self.length(xml, part);
            let tuplet = |end| tuplet_mark(rest.tuplet, end);
            let marks = [tuplet(false).filter(|_| n == 0), tuplet(true).filter(|_| n + 1 == parts.len())];
            if marks.iter().any(Option::is_some) {
                xml.open("notations", &[]);
                marks
                    .into_iter()
                    .flatten()
                    .for_each(|kind| xml.empty("tuplet", &[("type", &kind), ("number", &1)]));
                xml.close();
            }
            xml.close();
        }
    }

    pub fn note(&mut self, xml: &mut Xml, at: usize, note: &Note, connections: &mut Connections) {
        let connected = connections.take();
        for head in &note.grace {
            xml.open("note", &[]);
            xml.empty("grace", &[]);
            self.pitch(xml, head.pitch);
            xml.leaf("voice", 1);
            xml.leaf("type", if note.grace.len() > 1 { "16th" } else { "eighth" });
            self.accidental(xml, head, false);
            xml.close();
        }
        let (parts, beams) = self.values[at].clone();
        for (n, part) in parts.iter().enumerate() {
            let (first, last) = (n == 0, n + 1 == parts.len());
            for (h, head) in note.heads.iter().enumerate() {
                let ends = !first || connected.tie_ends[h];
                let begins = !last || connected.tie_begins[h];
                xml.open("note", &[]);
                if h > 0 {
                    xml.empty("chord", &[]);
                }
                self.pitch(xml, head.pitch);
                xml.leaf("duration", self.duration(part.length));
                if ends {
                    xml.empty("tie", &[("type", &"stop")]);
                }
                if begins {
                    xml.empty("tie", &[("type", &"start")]);
                }
                xml.leaf("voice", 1);
                self.value(xml, part, |writer, xml| writer.accidental(xml, head, ends));
                if h == 0 {
                    for (level, kind) in (1..).zip(&beams) {
                        xml.leaf_with("beam", &[("number", &level)], kind);
                    }
                }
                let notations =
                    Notations { note, connected: &connected, ends, begins, first, last, lead: h == 0 };
                notations.write(xml);
                xml.close();
            }
        }
    }

    fn duration(&self, length: Fraction) -> i64 {
        length.in_units(Fraction::new(1, 4 * self.divisions))
    }

    fn pitch(&self, xml: &mut Xml, pitch: Pitch) {
        xml.open("pitch", &[]);
        xml.leaf("step", pitch.letter());
        if pitch.alter != 0 {
            xml.leaf("alter", pitch.alter);
        }
        xml.leaf("octave", pitch.octave);
        xml.close();
    }

    /// An accidental where the staff would say something else, or where the text writes one.
    fn accidental(&mut self, xml: &mut Xml, head: &Head, tied: bool) {
        if tied && !self.repeat_accidentals {
            return;
        }
        let Pitch { step, octave, alter } = head.pitch;
        let here = (step, octave);
        let said = self.altered.iter().find(|(place, _)| *place == here).map(|(_, alter)| *alter);
        let said = said.unwrap_or(self.key.signature[usize::from(step)]);
        if alter == said && (tied || head.accidental.is_none()) {
            return;
        }
        self.altered.retain(|(place, _)| *place != here);
        self.altered.push((here, alter));
        xml.leaf(
            "accidental",
            match alter {
                ..=-2 => "flat-flat",
                -1 => "flat",
                0 => "natural",
                1 => "sharp",
                2.. => "double-sharp",
            },
        );
    }

    fn length(&mut self, xml: &mut Xml, part: &Drawn) {
        xml.leaf("duration", self.duration(part.length));
        xml.leaf("voice", 1);
        self.value(xml, part, |_, _| {});
    }

    /// Type, dots, accidental and ratio.
    fn value(&mut self, xml: &mut Xml, part: &Drawn, accidental: impl FnOnce(&mut Self, &mut Xml)) {
        xml.leaf("type", part.name());
        (0..part.dots).for_each(|_| xml.empty("dot", &[]));
        accidental(self, xml);
        if let Some((actual, normal)) = part.ratio {
            xml.open("time-modification", &[]);
            xml.leaf("actual-notes", actual);
            xml.leaf("normal-notes", normal);
            xml.close();
        }
    }
}

fn ratio(tuplet: Option<Tuplet>) -> Option<(u32, u32)> {
    tuplet.map(|t| (t.actual, t.normal))
}

fn tuplet_mark(tuplet: Option<Tuplet>, end: bool) -> Option<&'static str> {
    let tuplet = tuplet?;
    match end {
        false => tuplet.first.then_some("start"),
        true => tuplet.last.then_some("stop"),
    }
}

/// What hangs on one head of a note.
struct Notations<'a> {
    note: &'a Note,
    connected: &'a Connected,
    /// Whether ties end and begin at this head.
    ends: bool,
    begins: bool,
    /// Whether it is the first and the last of the tied values that the note is drawn as.
    first: bool,
    last: bool,
    /// Whether it is the first head, which carries what belongs to the whole note.
    lead: bool,
}

impl Notations<'_> {
    fn write(&self, xml: &mut Xml) {
        let mut empty = true;
        let mut open = |xml: &mut Xml| {
            if std::mem::take(&mut empty) {
                xml.open("notations", &[]);
            }
        };
        for (there, kind) in [(self.ends, "stop"), (self.begins, "start")] {
            if there {
                open(xml);
                xml.empty("tied", &[("type", &kind)]);
            }
        }
        if self.lead {
            for (there, numbers, kind) in [
                (self.last, &self.connected.slur_ends, "stop"),
                (self.last, &self.connected.slur_begins, "start"),
            ] {
                for number in numbers.iter().filter(|_| there) {
                    open(xml);
                    xml.empty("slur", &[("type", &kind), ("number", number)]);
                }
            }
            for (there, end) in [(self.first, false), (self.last, true)] {
                if let Some(kind) = tuplet_mark(self.note.tuplet, end).filter(|_| there) {
                    open(xml);
                    xml.empty("tuplet", &[("type", &kind), ("number", &1)]);
                }
            }
            if self.first {
                for (group, names) in SIGNS {
                    let here =
                        self.note.decorations.iter().filter_map(|d| names.iter().find(|(name, _)| name == d));
                    let mut here = here.peekable();
                    if here.peek().is_some() {
                        open(xml);
                        xml.open(group, &[]);
                        here.for_each(|(_, element)| xml.empty(element, &[]));
                        xml.close();
                    }
                }
                if self.note.decorations.iter().any(|d| d == "fermata") {
                    open(xml);
                    xml.empty("fermata", &[]);
                }
            }
        }
        if !empty {
            xml.close();
        }
    }
}

/// ABC's decorations and MusicXML's elements, by group.
type Signs = (&'static str, &'static [(&'static str, &'static str)]);

const SIGNS: [Signs; 3] = [
    (
        "ornaments",
        &[
            ("trill", "trill-mark"),
            // The roll of Irish music has no sign of its own.
            ("roll", "turn"),
            ("turn", "turn"),
            ("invertedturn", "inverted-turn"),
            ("lowermordent", "mordent"),
            ("mordent", "mordent"),
            ("uppermordent", "inverted-mordent"),
            ("pralltriller", "inverted-mordent"),
        ],
    ),
    (
        "technical",
        &[
            ("upbow", "up-bow"),
            ("downbow", "down-bow"),
            ("open", "open-string"),
            ("thumb", "thumb-position"),
            ("snap", "snap-pizzicato"),
        ],
    ),
    (
        "articulations",
        &[
            ("staccato", "staccato"),
            ("accent", "accent"),
            ("emphasis", "accent"),
            (">", "accent"),
            ("tenuto", "tenuto"),
            ("breath", "breath-mark"),
            ("wedge", "staccatissimo"),
        ],
    ),
];

/// Notes that share a beam: events, two at least, without anything between them, each drawn as one note with flags.
fn beamed(events: &[Event], values: &[(Vec<Drawn>, Vec<&'static str>)]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![Vec::new()];
    for (at, event) in events.iter().enumerate() {
        match &event.kind {
            EventKind::Note(note) => {
                let flags = matches!(&values[at].0[..], [value] if value.beams() > 0);
                if !note.beamed || !flags {
                    groups.push(Vec::new());
                }
                if let Some(group) = groups.last_mut().filter(|_| flags) {
                    group.push(at);
                }
            }
            EventKind::Rest(_) => groups.push(Vec::new()),
            _ => {}
        }
    }
    groups.retain(|g| g.len() > 1);
    groups
}

/// Says for each note of a group what each of its beams does.
fn beam(group: &[usize], values: &mut [(Vec<Drawn>, Vec<&'static str>)]) {
    let count: Vec<u32> = group.iter().map(|at| values[*at].0.first().map_or(0, Drawn::beams)).collect();
    for (n, at) in group.iter().enumerate() {
        for level in 1..=count[n] {
            let before = n > 0 && count[n - 1] >= level;
            let after = count.get(n + 1).is_some_and(|c| *c >= level);
            values[*at].1.push(match (before, after) {
                (true, true) => "continue",
                (true, false) => "end",
                (false, true) => "begin",
                (false, false) if n == 0 => "forward hook",
                (false, false) => "backward hook",
            });
        }
    }
}
