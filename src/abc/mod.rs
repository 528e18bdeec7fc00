//! Tunes in ABC notation: read, checked, played, drawn.
//!
//! [`read`] takes any text and gives its tunes: a [`Tune`] has a header and voices of bars, each with its events and
//! their places in the text. It reads ABC 2.1 as collections really have it and never fails: what it cannot make sense of it leaves
//! out, and says so in the tune's [`diagnostics`](Tune::diagnostics). Lengths are exact [`Fraction`]s of a whole note.
//!
//! ```text
//! text ─► read ─► Tune ─┬─► check ─► Report               full bars, balanced repeats
//!                       ├─► musicxml, roll                for notation programs; a picture
//!                       └─► Timeline ─► perform ─┬─► midi
//!                           what sounds when     └─► pluck ─► Stereo ─► wav
//! ```
//!
//! [`Grammar`] goes the other way: it follows a tune while it is written, and says which characters lead to one that passes.
//!
//! The module `score` draws notation, in builds with the feature of that name.
//!
//! [`page`](page()) puts text, picture and a player together.
//!
//! `README.md` beside the source says how far to trust it: what abc2midi finds in the same tunes.

mod check;
mod diagnostic;
mod fraction;
mod grammar;
mod harmony;
mod key;
mod meter;
mod midi;
mod music;
mod musicxml;
mod notes;
mod order;
mod page;
mod perform;
mod pitch;
mod reader;
mod roll;
mod scan;
#[cfg(feature = "score")]
pub mod score;
mod strain;
mod synth;
mod timeline;
mod transpose;
mod tune;
mod voice;
mod xml;

pub use check::{Report, check};
pub use diagnostic::{Diagnostic, Place, Problem, Severity};
pub use fraction::Fraction;
pub use grammar::{Constraints, Grammar, GrammarError, Rules};
pub use harmony::{Harmony, Kind};
pub use key::{Key, Mode, Tonic};
pub use meter::{Meter, Tempo};
pub use midi::{MidiOptions, TICKS, midi};
pub use musicxml::musicxml;
pub use order::{Section, TooLong, playing_order};
pub use page::page;
pub use perform::{Player, Strike, perform};
pub use pitch::{LETTERS, Pitch, SEMITONES, accidental};
pub use reader::read;
pub use roll::roll;
pub use scan::fields;
pub(crate) use scan::is_field;
pub use strain::{Strain, strains};
pub use synth::{RATE, Stereo, TooMuchSound, pluck, samples};
pub use timeline::{Measure, Sound, Timeline};
pub use transpose::{Interval, transpose};
pub use tune::{
    Bar, BarLine, Ending, Event, EventKind, Field, Head, Header, Note, Rest, Style, Tune, Tuplet, Voice,
};
