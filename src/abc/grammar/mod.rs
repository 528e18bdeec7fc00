//! Tunes that are right by construction: which characters may come next, so that a tune with full bars comes out.
//!
//! A [`Grammar`] follows a text character by character. It accepts less than [`read`](super::read) does: the ABC of dance tunes, in
//! one voice, with nothing in it that [`check`](super::check) would find fault with. Bars are full, or pick-ups with the bars that
//! complete them; repeats close; endings come in pairs; chord symbols can be read; ties lead to the same pitch.
//!
//! A character is allowed where the text can be finished behind it, with the characters that there are, in the bars and in the room
//! that are left. For that the grammar knows the length of the shortest end of every state: what fills the rest of the
//! bar (`lengths`), then the bars and bar lines that the form still needs (`form`, `finish`). The first character of that end is
//! always allowed, so a writer that keeps to what is allowed never comes to a place where it cannot go on, and always ends.
//!
//! ```text
//! rules    what is asked for, the characters that there are          words     lists of which one word is being written
//! header   fields: X, T, R, M, L, …, K                               lengths   notes that fill a time
//! music    tokens: notes, chords, bar lines, …                       measure   time within a bar: tuplets, broken rhythm
//!                                                                    form      strains, repeats, endings, pick-ups
//! ```

mod finish;
mod form;
mod header;
mod lengths;
mod measure;
mod music;
mod rules;
#[cfg(test)]
mod tests;
mod token;
mod words;

pub use rules::{Constraints, Rules};

use header::{Field, Header, HeaderStep, Parts, Value};
use music::Music;
use rules::Time;
use std::sync::Arc;
use thiserror::Error;

/// Why no tune can be written by the rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// A constraint that means nothing.
    #[error("the {name} {found:?} does not do: give {allowed}")]
    Constraint {
        /// What is constrained.
        name: &'static str,
        /// To what.
        found: String,
        /// What would do.
        allowed: &'static str,
    },
    /// The model lacks characters.
    #[error("the model cannot write {what}: its training text has no {missing}")]
    Characters {
        /// What they are needed for.
        what: String,
        /// The characters.
        missing: String,
    },
    /// There is not enough room.
    #[error("no tune like that is so short: it needs {needed} characters at least, and {room} are allowed")]
    Room {
        /// Characters of the shortest.
        needed: u32,
        /// Characters there may be.
        room: usize,
    },
    /// A given text that no tune of these rules begins with.
    #[error(
        "no tune with full bars, and with the key, meter and number of bars that are asked for, goes on from line {line}, \
         column {column} of the given text ({found}); hornpipe abc check says what is wrong with a tune"
    )]
    Given {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// The character there, quoted.
        found: String,
    },
    /// A given text after whose last character nothing may be chosen.
    #[error(
        "nothing that makes a valid tune can follow the end of the given text (line {line}, column {column}) within {room} \
         characters: end it behind a bar line or a whole line, or allow more characters"
    )]
    GivenEnd {
        /// The last line, counted from 1.
        line: usize,
        /// The column behind its last character, counted from 1.
        column: usize,
        /// Characters there may be.
        room: usize,
    },
}

/// A text so far, and what may follow.
#[derive(Clone, Debug)]
pub struct Grammar {
    rules: Arc<Rules>,
    stage: Stage,
    /// Whether the text is given, not chosen.
    given: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Header(Header),
    Body(Body),
    /// The blank line has come.
    Done,
}

/// What comes behind the header.
#[derive(Clone, Copy, Debug)]
struct Body {
    music: Music,
    time: Time,
    /// A field on a line of its own.
    field: Option<Field>,
    /// Letters of the fields since the last note.
    fields: [bool; 4],
    /// The parts that the header gives an order of.
    order: Parts,
    /// The parts that have begun.
    begun: Parts,
}

/// Fields between bars.
const BETWEEN: [char; 4] = ['K', 'P', 'M', 'L'];

impl Grammar {
    /// Before the first character.
    pub fn new(rules: Arc<Rules>) -> Self {
        Grammar { rules, stage: Stage::Header(Header::default()), given: false }
    }

    /// Behind a text that is given; see [`allows_any`](Self::allows_any) for what may follow it.
    ///
    /// # Errors
    /// Names the first character at which no tune with full bars goes on.
    pub fn read(&mut self, text: &str) -> Result<(), GrammarError> {
        self.set_given(true);
        let (mut line, mut column) = (1, 1);
        for c in text.chars() {
            let next = self.step(c).filter(|next| next.shortest().is_some());
            let found = if c == '\n' { "the end of the line".to_string() } else { format!("{c:?}") };
            *self = next.ok_or(GrammarError::Given { line, column, found })?;
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        self.set_given(false);
        Ok(())
    }

    fn set_given(&mut self, given: bool) {
        self.given = given;
        if let Stage::Body(body) = &mut self.stage {
            body.music.set_given(given);
        }
    }

    /// With one more character, which leaves `room` characters; none where no tune ends within them.
    pub fn after(&self, character: char, room: usize) -> Option<Grammar> {
        let next = self.step(character)?;
        let fits = next.shortest().is_some_and(|needed| needed as usize <= room);
        fits.then_some(next)
    }

    /// Whether a tune can go on from the given text that it stands behind, with `room` characters.
    ///
    /// # Errors
    /// Where nothing may follow, or too much has to.
    pub fn allows_any(&self, given: &str, room: usize) -> Result<(), GrammarError> {
        if let Some(needed) = self.shortest().filter(|needed| *needed as usize > room) {
            return Err(GrammarError::Room { needed, room });
        }
        let mut characters = self.rules.alphabet.all();
        if room > 0 && characters.any(|c| self.after(c, room - 1).is_some()) {
            return Ok(());
        }
        let last = given.rsplit('\n').next().unwrap_or_default();
        let (line, column) = (1 + given.matches('\n').count(), 1 + last.chars().count());
        Err(GrammarError::GivenEnd { line, column, room })
    }

    /// The fewest characters with which the tune can end; none where it cannot.
    pub fn shortest(&self) -> Option<u32> {
        match &self.stage {
            Stage::Header(header) => header.shortest(&self.rules),
            Stage::Body(body) => body.shortest(&self.rules),
            Stage::Done => Some(0),
        }
    }

    /// Whether the tune has ended.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    fn step(&self, c: char) -> Option<Grammar> {
        let rules = &*self.rules;
        let stage = match &self.stage {
            Stage::Header(header) => match header.step(c, rules, self.given)? {
                HeaderStep::Header(header) => Stage::Header(header),
                HeaderStep::Music { time, order } => {
                    let mut music = Music::new(!order.is_empty());
                    music.set_given(self.given);
                    Stage::Body(Body {
                        music,
                        time,
                        field: None,
                        fields: [false; 4],
                        order,
                        begun: Parts::default(),
                    })
                }
            },
            Stage::Body(body) => body.step(c, rules, self.given)?,
            Stage::Done => return None,
        };
        Some(Grammar { rules: Arc::clone(&self.rules), stage, given: self.given })
    }
}

impl Body {
    fn step(&self, c: char, rules: &Rules, given: bool) -> Option<Stage> {
        let frame = rules.frame(rules.table(self.time)?);
        let next = match self.field {
            Some(field) if c == '\n' => self.ended(field, field.end(rules, given)?, rules)?,
            Some(field) => Body { field: Some(field.step(c, rules, given)?), ..*self },
            None if c == '\n' && self.music.may_end(frame) => return Some(Stage::Done),
            None => match self.begun_field(c, given) {
                Some(field) => Body { field: Some(field), ..*self },
                None => {
                    let music = self.music.step(c, frame)?;
                    let fields = if music.is_between_bars() { self.fields } else { [false; 4] };
                    Body { music, fields, ..*self }
                }
            },
        };
        Some(Stage::Body(next))
    }

    /// The field that begins with this character, where one may.
    fn begun_field(&self, c: char, given: bool) -> Option<Field> {
        let music = &self.music;
        if !music.begins_line() {
            return None;
        }
        if let Some(place) = BETWEEN.iter().position(|&name| name == c) {
            let fits = match c {
                'K' => music.is_between_bars(),
                'P' => music.part().is_some(),
                _ => music.is_empty(),
            };
            return (fits && (given || !self.fields[place])).then(|| Field::new(c));
        }
        let free = given && (c == '%' || "wWNHSRTOZQI".contains(c));
        free.then(|| match c {
            '%' => Field { name: c, value: Value::Text { length: 1, solid: true } },
            _ => Field::new(c),
        })
    }

    /// Behind a field that says this.
    fn ended(&self, field: Field, word: Option<usize>, rules: &Rules) -> Option<Body> {
        let (mut music, mut time, mut begun) = (self.music, self.time, self.begun);
        match (field.name, word) {
            ('M', Some(meter)) => time.meter = meter,
            ('L', Some(unit)) => time.unit = unit,
            ('P', Some(part)) => {
                let letter = rules.part(part)?;
                // Only the first writing of a part is played, and only where the order asks for it.
                let plays = !begun.has(letter) && (self.order.is_empty() || self.order.has(letter));
                (music, begun) = (music.part().filter(|_| plays || music.given)?, begun.with(letter));
            }
            _ => {}
        }
        let mut fields = self.fields;
        if let Some(place) = BETWEEN.iter().position(|&name| name == field.name) {
            fields[place] = true;
        }
        Some(Body { music: music.next_line(), time, field: None, fields, begun, ..*self })
    }

    fn shortest(&self, rules: &Rules) -> Option<u32> {
        let Some(field) = self.field else {
            return self.music.shortest(rules.frame(rules.table(self.time)?));
        };
        let ways = field.ends(rules).filter_map(|(word, characters)| {
            let Body { music, time, .. } = self.ended(field, word, rules)?;
            Some(characters + music.shortest(rules.frame(rules.table(time)?))?)
        });
        ways.min()
    }
}
