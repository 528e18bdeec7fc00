//! What a tune consists of, as the reader finds it: header, voices, bars, events. Nothing is played out or repaired here.

use super::diagnostic::{Diagnostic, Place, Severity};
use super::fraction::Fraction;
use super::key::Key;
use super::meter::{Meter, Tempo};
use super::pitch::Pitch;

/// One tune of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Tune {
    /// Where its `X:` stands.
    pub place: Place,
    /// Its fields up to the first music.
    pub header: Header,
    /// Its voices in the order in which they come; at least one, and nearly always only one.
    pub voices: Vec<Voice>,
    /// What was wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Tune {
    /// Whether all of its text means something: no diagnostic is an error.
    pub fn is_readable(&self) -> bool {
        self.diagnostics.iter().all(|d| d.problem.severity() < Severity::Error)
    }

    /// All notes, voice after voice, in the order of the text.
    pub fn notes(&self) -> impl Iterator<Item = (&Event, &Note)> {
        self.voices.iter().flat_map(|v| &v.bars).flat_map(Bar::notes)
    }
}

/// The fields before the music.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// All fields as they stand, in order.
    pub fields: Vec<Field>,
    /// `M:`; none where the meter is free or not given.
    pub meter: Option<Meter>,
    /// `L:`, or what the meter implies: 1/16 below 3/4, else 1/8.
    pub unit: Fraction,
    /// `Q:`
    pub tempo: Option<Tempo>,
    /// `P:`, written out: the parts in the order in which they are played; empty where there is none.
    pub parts: Vec<char>,
    /// `K:`
    pub key: Key,
}

impl Header {
    /// The text of the first field of this letter.
    pub fn text(&self, name: char) -> Option<&str> {
        self.fields.iter().find(|f| f.name == name).map(|f| f.text.as_str())
    }

    /// The title, or nothing.
    pub fn title(&self) -> &str {
        self.text('T').unwrap_or_default()
    }
}

/// A field such as `T:The Night Train`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where its letter stands.
    pub place: Place,
    /// Its letter.
    pub name: char,
    /// What follows the colon, without the space around it and comments.
    pub text: String,
}

/// One voice.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// As `V:` calls it; what stands before any `V:` is voice `1`.
    pub id: String,
    /// What `name=` calls it.
    pub name: Option<String>,
    /// Its bars in the order of the text.
    pub bars: Vec<Bar>,
}

/// What stands between two bar lines. An ending or a part that begins within a measure begins a new bar too, so that the order of
/// playing is an order of whole bars; such a bar's [`line`](Bar::line) has the style [`Style::None`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Where it begins.
    pub place: Place,
    /// The meter of its first note; none where it is free.
    pub meter: Option<Meter>,
    /// The key of its first note.
    pub key: Key,
    /// The part that it belongs to: the letter of the last `P:` in the music.
    pub part: Option<char>,
    /// Whether that `P:` stands right before it.
    pub begins_part: bool,
    /// Where the `|:` stands that it follows.
    pub repeat: Option<Place>,
    /// The ending that begins with it.
    pub ending: Option<Ending>,
    /// What is in it.
    pub events: Vec<Event>,
    /// What ends it.
    pub line: BarLine,
}

impl Bar {
    /// The sum of the lengths of its notes and rests.
    pub fn length(&self) -> Fraction {
        self.events.iter().filter_map(|e| e.kind.length()).sum()
    }

    /// Its notes, each with its event.
    pub fn notes(&self) -> impl Iterator<Item = (&Event, &Note)> {
        self.events.iter().filter_map(|e| match &e.kind {
            EventKind::Note(note) => Some((e, note)),
            _ => None,
        })
    }

    /// Whether it has a note or a rest.
    pub fn sounds(&self) -> bool {
        self.events.iter().any(|e| e.kind.length().is_some())
    }
}

/// The end of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarLine {
    /// Where it begins.
    pub place: Place,
    /// How it is drawn.
    pub style: Style,
    /// How often the music goes back from here: 1 for `:|`, 2 for `::|`, 0 for a line without dots before it.
    pub repeats: u32,
}

/// How a bar line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    /// There is none: the text ends here, or an ending or a part begins within the measure.
    None,
    /// `[|]`
    Invisible,
    /// `.|`
    Dotted,
    /// `|`, and the line of a repeat.
    Single,
    /// `||`
    Double,
    /// `[|`
    Heavy,
    /// `|]`
    Final,
}

impl BarLine {
    /// Whether it only separates measures: there the measure before must be full. At other lines, strains, endings and parts meet.
    pub fn is_plain(&self) -> bool {
        self.repeats == 0 && matches!(self.style, Style::Single | Style::Dotted | Style::Invisible)
    }
}

/// `[1`, `|2`, `[1,3`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Where it begins.
    pub place: Place,
    /// The times through the strain that take it, in order; not empty.
    pub numbers: Vec<u32>,
}

/// Something in a bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub kind: EventKind,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A note, or several at once.
    Note(Note),
    /// A rest.
    Rest(Rest),
    /// `"Am7"`, or whatever else stands in quotation marks.
    Chord(String),
    /// `"^slowly"`, and what `P:` says where it names no part.
    Text(String),
    /// `K:` or `[K:…]`
    Key(Key),
    /// `M:` or `[M:…]`
    Meter(Option<Meter>),
    /// `Q:` or `[Q:…]`
    Tempo(Tempo),
    /// The end of a line of text that ends a line of the score: no `\` stands there.
    LineEnd,
}

impl EventKind {
    /// The length of a note or rest.
    pub fn length(&self) -> Option<Fraction> {
        match self {
            EventKind::Note(note) => Some(note.length),
            EventKind::Rest(rest) => Some(rest.length),
            _ => None,
        }
    }
}

/// A note, or the notes of a chord.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// The pitches in the order of the text; one, but for chords.
    pub heads: Vec<Head>,
    /// How long it sounds, of a whole note: with the unit, broken rhythm and tuplet counted in.
    pub length: Fraction,
    /// The tuplet that it is part of.
    pub tuplet: Option<Tuplet>,
    /// The grace notes before it.
    pub grace: Vec<Head>,
    /// `trill`, `roll`, `staccato`, …: names of ABC 2.1, without exclamation marks.
    pub decorations: Vec<String>,
    /// Slurs that begin with it.
    pub slurs_begin: u8,
    /// Slurs that end with it.
    pub slurs_end: u8,
    /// Whether nothing separates it from the note before: the two share a beam.
    pub beamed: bool,
}

impl Note {
    /// The highest pitch: the melody's.
    pub fn top(&self) -> Pitch {
        self.heads.iter().map(|h| h.pitch).max_by_key(|p| p.midi()).unwrap_or(Pitch {
            octave: 4,
            step: 0,
            alter: 0,
        })
    }

    /// Its length on paper: in a tuplet, longer than it sounds.
    pub fn written(&self) -> Fraction {
        written(self.length, self.tuplet)
    }
}

/// A length without its tuplet.
fn written(length: Fraction, tuplet: Option<Tuplet>) -> Fraction {
    tuplet.map_or(length, |t| length * Fraction::new(t.actual.into(), t.normal.into()))
}

/// One pitch of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// As it sounds.
    pub pitch: Pitch,
    /// The accidental that is written at it: -2 to 2.
    pub accidental: Option<i8>,
    /// Whether a tie leads from it to the next note.
    pub tied: bool,
}

/// A rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// How long it is, of a whole note.
    pub length: Fraction,
    /// The tuplet that it is part of.
    pub tuplet: Option<Tuplet>,
    /// Whether it is drawn: `z` is, `x` is not.
    pub visible: bool,
    /// How many measures it fills, where it is `Z`.
    pub measures: Option<u32>,
}

impl Rest {
    /// Its length on paper: in a tuplet, longer than it is.
    pub fn written(&self) -> Fraction {
        written(self.length, self.tuplet)
    }
}

/// What a note has to do with a tuplet: `actual` notes in the time of `normal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuplet {
    /// Notes there are: 3 for a triplet.
    pub actual: u32,
    /// Notes whose time they take: 2 for a triplet.
    pub normal: u32,
    /// Whether this note begins it.
    pub first: bool,
    /// Whether this note ends it.
    pub last: bool,
}
