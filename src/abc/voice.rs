//! A voice while it is read: notes, marks and bar lines go in, whole bars come out.

use super::diagnostic::{Diagnostic, Place, Problem};
use super::fraction::Fraction;
use super::key::Key;
use super::meter::Meter;
use super::pitch::Pitch;
use super::tune::{Bar, BarLine, Ending, Event, EventKind, Head, Note, Rest, Style, Tuplet, Voice};

/// The longest note, of a whole note: far longer than any, and short enough for exact sums.
const LONGEST: i64 = 64;

/// Whether a note can be so long; see [`Fraction::GRID`].
pub(super) fn is_length(length: Fraction) -> bool {
    length > Fraction::ZERO && length <= Fraction::from(LONGEST) && Fraction::GRID % length.denominator() == 0
}

/// A note's text, before key, accidentals and tuplets have made a pitch and a length of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub step: u8,
    pub octave: i8,
    pub accidental: Option<i8>,
    pub tied: bool,
}

/// What a bar line says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub style: Style,
    /// How often the music goes back.
    pub repeats: u32,
    /// Whether a repeat begins behind it.
    pub begins: bool,
}

/// What stands before a note and belongs to it.
#[derive(Debug, Default)]
struct Before {
    grace: Vec<Head>,
    decorations: Vec<String>,
    slurs: u8,
}

#[derive(Debug)]
struct OpenTuplet {
    actual: u32,
    normal: u32,
    left: u32,
    first: bool,
    place: Place,
}

/// A voice under construction.
#[derive(Debug)]
pub(super) struct VoiceReader {
    id: String,
    name: Option<String>,
    pub key: Key,
    pub meter: Option<Meter>,
    pub unit: Fraction,
    bars: Vec<Bar>,
    /// The bar that is being filled.
    bar: Bar,
    /// Where in its events the last note or rest stands.
    last: Option<usize>,
    /// The same of the bar before.
    last_before: Option<usize>,
    /// Accidentals of this bar: a letter, in whatever octave, and what it is altered by.
    accidentals: Vec<(u8, i8)>,
    before: Before,
    tuplet: Option<OpenTuplet>,
    /// What the next note's length is multiplied by, after `>` or `<`.
    broken: Option<(Fraction, Place)>,
    beam: bool,
    part: Option<char>,
    /// How many parts had begun when this voice last looked.
    parts: usize,
}

impl VoiceReader {
    pub fn new(id: &str, name: Option<String>, key: Key, meter: Option<Meter>, unit: Fraction) -> Self {
        VoiceReader {
            id: id.to_string(),
            name,
            key,
            meter,
            unit,
            bars: Vec::new(),
            bar: empty_bar(),
            last: None,
            last_before: None,
            accidentals: Vec::new(),
            before: Before::default(),
            tuplet: None,
            broken: None,
            beam: false,
            part: None,
            parts: 0,
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn set_name(&mut self, name: Option<String>) {
        self.name = name.or(self.name.take());
    }

    /// Whether there is a note, a rest, or a bar.
    pub fn has_music(&self) -> bool {
        !self.bars.is_empty() || self.last.is_some()
    }

    /// Adds an event that takes no time.
    pub fn push(&mut self, place: Place, kind: EventKind) {
        self.bar.events.push(Event { place, kind });
    }

    /// Something separates two notes: they share no beam.
    pub fn break_beam(&mut self) {
        self.beam = false;
    }

    pub fn decorate(&mut self, name: &str) {
        self.before.decorations.push(name.to_string());
    }

    pub fn begin_slur(&mut self) {
        self.before.slurs = self.before.slurs.saturating_add(1);
    }

    pub fn end_slur(&mut self) {
        if let Some(note) = self.last_note() {
            note.slurs_end = note.slurs_end.saturating_add(1);
        }
    }

    pub fn set_grace(&mut self, notes: &[Written]) {
        let heads: Vec<Head> = notes.iter().map(|n| self.head(*n)).collect();
        self.before.grace.extend(heads);
    }

    /// The next `count` notes are a tuplet.
    pub fn begin_tuplet(
        &mut self,
        actual: u32,
        normal: u32,
        count: u32,
        place: Place,
        said: &mut Vec<Diagnostic>,
    ) {
        self.end_tuplet(said);
        self.tuplet = Some(OpenTuplet { actual, normal, left: count, first: true, place });
    }

    fn end_tuplet(&mut self, said: &mut Vec<Diagnostic>) {
        let Some(open) = self.tuplet.take() else { return };
        said.push(Diagnostic { place: open.place, problem: Problem::IncompleteTuplet(open.left) });
        // Its last note so far is its last note.
        let last = self.last.filter(|_| !open.first).map(|last| &mut self.bar.events[last].kind);
        if let Some(
            EventKind::Note(Note { tuplet: Some(tuplet), .. })
            | EventKind::Rest(Rest { tuplet: Some(tuplet), .. }),
        ) = last
        {
            tuplet.last = true;
        }
    }

    /// `>` once or more: the note before is lengthened by what the note after loses. Less than 0 for `<`.
    pub fn break_rhythm(&mut self, marks: i32, place: Place, said: &mut Vec<Diagnostic>) {
        let part = Fraction::new(1, 1 << marks.unsigned_abs().min(3));
        let long = Fraction::from(2) - part;
        let (before, after) = if marks > 0 { (long, part) } else { (part, long) };
        match self.last.map(|last| &mut self.bar.events[last].kind) {
            Some(EventKind::Note(Note { length, .. }) | EventKind::Rest(Rest { length, .. }))
                if self.broken.is_none() && is_length(*length * before) =>
            {
                *length = *length * before;
                self.broken = Some((after, place));
            }
            _ => said.push(Diagnostic { place, problem: Problem::LoneBrokenRhythm }),
        }
    }

    /// A tie begins at the last note.
    pub fn tie(&mut self) -> bool {
        let Some(note) = self.last_note() else { return false };
        note.heads.iter_mut().for_each(|h| h.tied = true);
        true
    }

    /// The last note, unless a rest follows it.
    fn last_note(&mut self) -> Option<&mut Note> {
        let (bar, last) = match self.last {
            Some(last) => (&mut self.bar, last),
            None => (self.bars.last_mut()?, self.last_before?),
        };
        match &mut bar.events[last].kind {
            EventKind::Note(note) => Some(note),
            _ => None,
        }
    }

    /// The pitch that a written note has here.
    fn head(&mut self, written: Written) -> Head {
        let Written { step, octave, accidental, tied } = written;
        let alter = match accidental {
            Some(alter) => {
                self.accidentals.retain(|(s, _)| *s != step);
                self.accidentals.push((step, alter));
                alter
            }
            None => {
                let here = self.accidentals.iter().find(|(s, _)| *s == step);
                here.map_or(self.key.signature[usize::from(step)], |(_, alter)| *alter)
            }
        };
        Head { pitch: Pitch { octave, step, alter }, accidental, tied }
    }

    /// Adds a note or the notes of a chord; `length` is what is written, in whole notes.
    pub fn note(&mut self, place: Place, notes: &[Written], length: Fraction, said: &mut Vec<Diagnostic>) {
        let length = self.time(length);
        // A tie carries an accidental over the bar line.
        let mut tied: Vec<Pitch> = Vec::new();
        if let Some(last) = self.last_note() {
            tied.extend(last.heads.iter().filter(|h| h.tied).map(|h| h.pitch));
        }
        let mut heads: Vec<Head> = notes.iter().map(|n| self.head(*n)).collect();
        for head in heads.iter_mut().filter(|h| h.accidental.is_none()) {
            let same = |p: &&Pitch| (p.step, p.octave) == (head.pitch.step, head.pitch.octave);
            if let Some(pitch) = tied.iter().find(same) {
                head.pitch.alter = pitch.alter;
            }
        }
        if !tied.is_empty() && !tied.iter().any(|p| heads.iter().any(|h| h.pitch == *p)) && self.follows_on()
        {
            said.push(Diagnostic { place, problem: Problem::TieToOtherPitch });
        }
        let tuplet = self.tuplet_step();
        let Before { grace, decorations, slurs } = std::mem::take(&mut self.before);
        let note = Note {
            heads,
            length,
            tuplet,
            grace,
            decorations,
            slurs_begin: slurs,
            slurs_end: 0,
            beamed: self.beam,
        };
        self.sound(place, EventKind::Note(note));
        self.beam = true;
    }

    /// Adds a rest; `length` is what is written, in whole notes.
    pub fn rest(&mut self, place: Place, length: Fraction, visible: bool, measures: Option<u32>) {
        let length = self.time(length);
        let tuplet = self.tuplet_step();
        self.sound(place, EventKind::Rest(Rest { length, tuplet, visible, measures }));
        self.beam = false;
    }

    /// Whether the next note comes right after the last one, whatever is played: no repeat or ending lies between.
    fn follows_on(&self) -> bool {
        self.last.is_some() || self.bar.ending.is_none() && self.bars.last().is_none_or(|b| b.line.is_plain())
    }

    fn sound(&mut self, place: Place, kind: EventKind) {
        if self.last.is_none() {
            (self.bar.key, self.bar.meter, self.bar.part) = (self.key, self.meter, self.part);
        }
        self.last = Some(self.bar.events.len());
        self.push(place, kind);
    }

    /// A written length with broken rhythm and tuplet counted in.
    fn time(&mut self, written: Fraction) -> Fraction {
        let mut length = written;
        if let Some((factor, _)) = self.broken.take() {
            length = length * factor;
        }
        if let Some(open) = &self.tuplet {
            length = length * Fraction::new(open.normal.into(), open.actual.into());
        }
        // Only a broken pair of very short notes in a tuplet comes out of the grid.
        if is_length(length) { length } else { written }
    }

    fn tuplet_step(&mut self) -> Option<Tuplet> {
        let open = self.tuplet.as_mut()?;
        open.left = open.left.saturating_sub(1);
        let first = std::mem::replace(&mut open.first, false);
        let tuplet = Tuplet { actual: open.actual, normal: open.normal, first, last: open.left == 0 };
        if open.left == 0 {
            self.tuplet = None;
        }
        Some(tuplet)
    }

    /// Ends the bar with a bar line. A line right after another adds to it: `:|` and `|:` on the next line are one.
    pub fn bar_line(&mut self, place: Place, line: Line, said: &mut Vec<Diagnostic>) {
        self.end_bar_inside(said);
        let Line { style, repeats, begins } = line;
        if self.last.is_some() {
            self.close(BarLine { place, style, repeats });
        } else if let Some(last) = self.bars.last_mut() {
            if repeats > 0 && last.line.repeats > 0 {
                said.push(Diagnostic { place, problem: Problem::NothingToRepeat });
            }
            last.line.style = last.line.style.max(style);
            last.line.repeats = last.line.repeats.max(repeats);
        } else if repeats > 0 {
            said.push(Diagnostic { place, problem: Problem::NothingToRepeat });
        }
        if begins {
            self.bar.repeat = self.bar.repeat.or(Some(place));
        }
    }

    /// What a bar line ends, whether or not it ends a bar.
    fn end_bar_inside(&mut self, said: &mut Vec<Diagnostic>) {
        self.end_tuplet(said);
        if let Some((_, place)) = self.broken.take() {
            said.push(Diagnostic { place, problem: Problem::LoneBrokenRhythm });
        }
        self.accidentals.clear();
        self.beam = false;
    }

    fn close(&mut self, line: BarLine) {
        let mut bar = std::mem::replace(&mut self.bar, empty_bar());
        self.last_before = self.last.take();
        bar.line = line;
        let first = bar.events.iter().find(|e| e.kind != EventKind::LineEnd);
        bar.place = first.map_or(line.place, |e| e.place);
        self.bars.push(bar);
    }

    /// Ends the bar, if it has begun, where there is no bar line.
    fn split(&mut self, place: Place) {
        if self.last.is_some() {
            self.close(BarLine { place, style: Style::None, repeats: 0 });
            self.beam = false;
        }
    }

    /// An ending begins.
    pub fn ending(&mut self, ending: Ending) {
        self.split(ending.place);
        self.bar.ending = Some(ending);
    }

    /// What follows belongs to this part. `number` counts parts: one may have begun while another voice was read.
    pub fn enter_part(&mut self, place: Place, part: Option<char>, number: usize) {
        if self.parts != number {
            self.split(place);
            (self.part, self.parts) = (part, number);
            self.bar.begins_part = true;
        }
    }

    /// The voice as it stands at the end of the tune.
    pub fn finish(mut self, place: Place, said: &mut Vec<Diagnostic>) -> Voice {
        self.end_bar_inside(said);
        self.split(place);
        if let Some(place) = self.bar.repeat {
            said.push(Diagnostic { place, problem: Problem::UnclosedRepeat });
        }
        Voice { id: self.id, name: self.name, bars: self.bars }
    }
}

fn empty_bar() -> Bar {
    Bar {
        place: Place::default(),
        meter: None,
        key: Key::NONE,
        part: None,
        begins_part: false,
        repeat: None,
        ending: None,
        events: Vec::new(),
        line: BarLine { place: Place::default(), style: Style::None, repeats: 0 },
    }
}
