//! What a reader has to say about a text: where, how bad, and a sentence.

use super::fraction::Fraction;
use std::fmt;
use thiserror::Error;

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Bytes before it.
    pub offset: usize,
    /// Its line, counted from 1.
    pub line: usize,
    /// Characters before it in its line, and one.
    pub column: usize,
}

/// Something that is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub problem: Problem,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.problem)
    }
}

/// How much a problem takes away from a tune.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text can be read, though not as it stands: what was meant is clear, or it is no music.
    Warning,
    /// Some of the text cannot be read: it is left out, or means something else than it says.
    Error,
}

/// What can be wrong with a tune's text. Each is a sentence that says what the reader made of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A tune without `K:`.
    #[error("the tune has no K: field; C major is assumed")]
    NoKey,
    /// A tune without notes.
    #[error("the tune has no notes")]
    NoNotes,
    /// A character with no meaning in music.
    #[error("{0:?} means nothing here; it is left out")]
    UnknownCharacter(char),
    /// A sign of music where it has no meaning.
    #[error("this {0} says nothing here; it is left out")]
    Stray(char),
    /// `"` without its partner.
    #[error(
        "the chord symbol that begins here has no closing quotation mark; the rest of the line is left out"
    )]
    UnclosedQuote,
    /// A length that notes do not have.
    #[error("{0} is no length of a note; it is left out")]
    BadLength(String),
    /// A pitch outside MIDI's.
    #[error("this note lies outside the pitches that MIDI has; it is left out")]
    BadPitch,
    /// Numbers that are no tuplet.
    #[error("({0} is no tuplet; its notes keep their lengths")]
    BadTuplet(String),
    /// Numbers that are no endings.
    #[error("{0} is no ending; it is left out")]
    BadEnding(String),
    /// An accidental before something else than a note.
    #[error("no note follows this accidental; it is left out")]
    LoneAccidental,
    /// A field whose text is not understood.
    #[error("{name}:{text} says no {what}; it is left out")]
    BadField {
        /// The field's letter.
        name: char,
        /// Its text.
        text: String,
        /// What the text should be.
        what: &'static str,
    },
    /// `[` without its `]`.
    #[error("the chord that begins here is not closed; it ends where it cannot go on")]
    UnclosedChord,
    /// `[]`.
    #[error("the chord that begins here has no notes")]
    EmptyChord,
    /// `[C2E]`.
    #[error("the notes of this chord differ in length ({0} and {1}); the first counts")]
    UnequalChord(Fraction, Fraction),
    /// `{` without its `}`.
    #[error("the grace notes that begin here are not closed")]
    UnclosedGrace,
    /// A bar line, or the end, inside a tuplet.
    #[error("the tuplet is not complete; {0} of its notes are missing")]
    IncompleteTuplet(u32),
    /// `>` or `<` without a note on both sides.
    #[error("a broken rhythm needs a note on each side")]
    LoneBrokenRhythm,
    /// A tie that no note begins.
    #[error("no note stands before this tie")]
    LoneTie,
    /// A tie to another pitch.
    #[error("the tie leads to no note of the same pitch; it is read as a slur")]
    TieToOtherPitch,
    /// `&`.
    #[error("a second voice within a bar (&) is not read; what follows is left out up to the bar line")]
    Overlay,
    /// A blank line in the midst of a tune.
    #[error("a blank line should end a tune, but this one goes on after it")]
    BlankLine,
    /// Text in the header that is no field.
    #[error("this line of the header is no field; it is left out")]
    HeaderText,
    /// A part of `P:` in the header that the tune does not have.
    #[error("P: asks for part {0}, which the tune does not have")]
    MissingPart(char),

    /// A bar that is not as long as the meter says.
    #[error("bar {bar} is {length} long instead of {full}")]
    WrongBar {
        /// The bar, counted from 1 in its voice, bars without notes and rests left out.
        bar: usize,
        /// Its length, of a whole note.
        length: Fraction,
        /// The meter's length.
        full: Fraction,
    },
    /// A short first bar, and no short bar to go with it.
    #[error("the pick-up (bar {bar}, {length} long) is not completed to {full} by the end of its strain")]
    OpenPickUp {
        /// The bar, counted as above.
        bar: usize,
        /// Its length.
        length: Fraction,
        /// The meter's length.
        full: Fraction,
    },
    /// A short last bar, and no pick-up to go with it.
    #[error("the last bar of the strain (bar {bar}) is {length} long and no pick-up completes it to {full}")]
    OpenEnd {
        /// The bar, counted as above.
        bar: usize,
        /// Its length.
        length: Fraction,
        /// The meter's length.
        full: Fraction,
    },
    /// `|:` and then another, or the end.
    #[error("the repeat that begins here is never closed")]
    UnclosedRepeat,
    /// `:|` with nothing before it.
    #[error("there is nothing to repeat before this repeat sign")]
    NothingToRepeat,
    /// `[1` and no `[2`.
    #[error("ending {0} is not followed by ending {1}")]
    MissingEnding(u32, u32),
    /// `[2` and no `[1`.
    #[error("ending {0} comes without the one before it")]
    LoneEnding(u32),
    /// An ending that should go back, and does not.
    #[error("ending {0} does not lead back: no repeat sign closes it")]
    EndingNotRepeated(u32),
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        use Problem::*;
        match self {
            NoKey | NoNotes | UnknownCharacter(_) | UnclosedQuote | BadLength(_) | BadPitch
            | BadTuplet(_) | BadEnding(_) | LoneAccidental => Severity::Error,
            _ => Severity::Warning,
        }
    }
}
