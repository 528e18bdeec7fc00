//! Tunes in ABC notation: read, checked.
//!
//! [`read`] takes any text and gives its tunes: a [`Tune`] has a header and voices of bars, each with its events and
//! their places in the text. It reads ABC 2.1 as collections really have it and never fails: what it cannot make sense of it leaves
//! out, and says so in the tune's [`diagnostics`](Tune::diagnostics). Lengths are exact [`Fraction`]s of a whole note.

mod check;
mod diagnostic;
mod fraction;
mod key;
mod meter;
mod music;
mod notes;
mod order;
mod pitch;
mod reader;
mod scan;
mod strain;
mod tune;
mod voice;

pub use check::{Report, check};
pub use diagnostic::{Diagnostic, Place, Problem, Severity};
pub use fraction::Fraction;
pub use key::{Key, Mode, Tonic};
pub use meter::{Meter, Tempo};
pub use order::{Section, TooLong, playing_order};
pub use pitch::{LETTERS, Pitch, SEMITONES};
pub use reader::read;
pub use strain::{Strain, strains};
pub use tune::{
    Bar, BarLine, Ending, Event, EventKind, Field, Head, Header, Note, Rest, Style, Tune, Tuplet, Voice,
};
