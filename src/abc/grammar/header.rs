//! The fields of a tune, a character at a time.

use super::rules::{LONGEST_TEXT, Rules, Time};
use super::words::{Prefix, Words};

/// Fields with any text that a writer may choose.
const TEXTS: &str = "TRCOSNHZQ";

/// A line with a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: char,
    pub value: Value,
}

/// What stands behind the field's letter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// Nothing: the colon comes next.
    Colon,
    /// One of some words.
    Word {
        prefix: Prefix,
        spaced: bool,
    },
    Number {
        digits: u32,
    },
    Text {
        length: u32,
        solid: bool,
    },
}

impl Rules {
    /// The words that a field is limited to.
    fn words(&self, name: char) -> Option<&Words> {
        match name {
            'K' => Some(&self.keys),
            'M' => Some(&self.meters),
            'L' => Some(&self.units),
            'T' => self.title.as_ref(),
            'R' => self.rhythm.as_ref(),
            'P' => Some(&self.parts),
            _ => None,
        }
    }
}

impl Field {
    pub fn new(name: char) -> Self {
        Field { name, value: Value::Colon }
    }

    /// With one more character. `given` texts may hold more than chosen ones.
    pub fn step(self, c: char, rules: &Rules, given: bool) -> Option<Field> {
        let value = match self.value {
            Value::Colon => match rules.words(self.name) {
                _ if c != ':' => return None,
                Some(words) => Value::Word { prefix: words.start(), spaced: false },
                None if self.name == 'X' => Value::Number { digits: 0 },
                None => Value::Text { length: 0, solid: false },
            },
            Value::Word { prefix, spaced } => {
                let words = rules.words(self.name)?;
                match words.step(prefix, c) {
                    Some(prefix) => Value::Word { prefix, spaced: true },
                    None if c == ' ' && !spaced => Value::Word { prefix, spaced: true },
                    None => return None,
                }
            }
            Value::Number { digits } => match c {
                ' ' if digits == 0 => Value::Number { digits },
                '0'..='9' if digits < 6 && (c != '0' || digits > 0) => Value::Number { digits: digits + 1 },
                _ => return None,
            },
            Value::Text { length, solid } => {
                // A text that is given may be as long as it likes, and still wants something that can be seen.
                let fits = given || (length < LONGEST_TEXT || !solid && c != ' ') && !matches!(c, '%' | '\\');
                // `C:|` is music: a note and a bar line.
                let music = length == 0 && matches!(c, '|' | ':');
                if c.is_control() || music || !fits {
                    return None;
                }
                Value::Text { length: length + 1, solid: solid || c != ' ' }
            }
        };
        Some(Field { value, ..self })
    }

    /// The word that the field says, or none where it says something else; outside none where it cannot end here.
    pub fn end(&self, rules: &Rules, given: bool) -> Option<Option<usize>> {
        match self.value {
            Value::Word { prefix, .. } => rules.words(self.name)?.whole(prefix).map(Some),
            Value::Number { digits } => (digits > 0).then_some(None),
            Value::Text { solid, .. } => (solid || given).then_some(None),
            Value::Colon => None,
        }
    }

    /// The words that it can still say, or none where it can say anything, each with how many characters that needs, the line feed
    /// included.
    pub fn ends<'a>(&self, rules: &'a Rules) -> impl Iterator<Item = (Option<usize>, u32)> + 'a {
        let colon = u32::from(matches!(self.value, Value::Colon));
        let words = rules.words(self.name);
        let prefix = match self.value {
            Value::Word { prefix, .. } => Some(prefix),
            _ => words.map(Words::start),
        };
        let said = words
            .zip(prefix)
            .into_iter()
            .flat_map(|(words, prefix)| words.completions(prefix).map(|(word, more)| (Some(word), more)));
        let free = match self.value {
            Value::Number { digits } => u32::from(digits == 0),
            Value::Text { solid, .. } => u32::from(!solid),
            _ => 1,
        };
        let free = words.is_none().then_some((None, free));
        said.chain(free).map(move |(word, more)| (word, colon + more + 1))
    }
}

/// The header so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    line: HeaderLine,
    /// Letters of the fields that there are, as bits from `A` on.
    seen: u64,
    meter: Option<usize>,
    unit: Option<usize>,
    /// Whether a line of one space has come.
    spaced: bool,
    /// The parts that `P:` gives an order of.
    order: Parts,
}

/// Letters of parts, as bits from `A` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts(u32);

impl Parts {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn has(self, letter: char) -> bool {
        self.with(letter) == self
    }

    /// With one more, if it is a part's letter.
    pub fn with(self, letter: char) -> Parts {
        let bit = if letter.is_ascii_uppercase() { 1 << (letter as u32 - 'A' as u32) } else { 0 };
        Parts(self.0 | bit)
    }
}

#[derive(Clone, Copy, Debug, Default)]
enum HeaderLine {
    #[default]
    Start,
    /// Behind a space that is all of its line.
    Space,
    Field(Field),
}

/// What one more character makes of a header.
pub(super) enum HeaderStep {
    /// It goes on.
    Header(Header),
    /// `K:` ended it.
    Music { time: Time, order: Parts },
}

impl Header {
    fn has(&self, name: char) -> bool {
        self.seen & bit(name) != 0
    }

    /// Fields that must come before `K:`.
    fn missing(self, rules: &Rules) -> impl Iterator<Item = char> + '_ {
        let wanted =
            [Some('X'), rules.title.as_ref().map(|_| 'T'), rules.rhythm.as_ref().map(|_| 'R'), Some('M')];
        wanted.into_iter().flatten().filter(move |&name| !self.has(name))
    }

    fn may_begin(&self, name: char, rules: &Rules, given: bool) -> bool {
        match name {
            'X' => !self.has('X'),
            _ if !self.has('X') => false,
            'K' => self.missing(rules).next().is_none(),
            'V' => false,
            'M' | 'L' => given || !self.has(name),
            _ if TEXTS.contains(name) => given || !self.has(name),
            _ => given && name.is_ascii_alphabetic(),
        }
    }

    pub fn step(self, c: char, rules: &Rules, given: bool) -> Option<HeaderStep> {
        let mut next = self;
        match self.line {
            HeaderLine::Start => {
                next.line = match c {
                    ' ' if self.has('X') && (!self.spaced || given) => HeaderLine::Space,
                    '%' if given && self.has('X') => {
                        HeaderLine::Field(Field { name: '%', value: Value::Text { length: 1, solid: true } })
                    }
                    _ if self.may_begin(c, rules, given) => HeaderLine::Field(Field::new(c)),
                    _ => return None,
                };
            }
            HeaderLine::Space => {
                (next.line, next.spaced) = (HeaderLine::Start, true);
                if c != '\n' {
                    return None;
                }
            }
            HeaderLine::Field(field) if c == '\n' => {
                let word = field.end(rules, given)?;
                if field.name == 'K' {
                    let (time, _) = rules.times_of(self.meter, self.unit).next()?;
                    return Some(HeaderStep::Music { time, order: self.order });
                }
                next = self.with(field.name, word);
            }
            HeaderLine::Field(field) => {
                // The order of parts is no word.
                let field = if field.name == 'P' {
                    next.order = self.order.with(c);
                    field.text_step(c)
                } else {
                    field.step(c, rules, given)
                };
                next.line = HeaderLine::Field(field?);
            }
        }
        Some(HeaderStep::Header(next))
    }

    /// With a field that says this.
    fn with(self, name: char, word: Option<usize>) -> Header {
        let mut next = Header { line: HeaderLine::Start, seen: self.seen | bit(name), ..self };
        match name {
            'M' => next.meter = word,
            'L' => next.unit = word,
            _ => {}
        }
        next
    }

    /// The fewest characters that bring the tune to its end.
    pub fn shortest(&self, rules: &Rules) -> Option<u32> {
        match self.line {
            HeaderLine::Start => self.ahead(rules),
            HeaderLine::Space => Some(1 + self.ahead(rules)?),
            HeaderLine::Field(field) if field.name == 'K' => {
                let key = field.ends(rules).map(|(_, characters)| characters).min()?;
                Some(key + rules.times_of(self.meter, self.unit).map(|(_, music)| music).min()?)
            }
            HeaderLine::Field(field) => {
                let ways = field.ends(rules).filter_map(|(word, characters)| {
                    Some(characters + self.with(field.name, word).ahead(rules)?)
                });
                ways.min()
            }
        }
    }

    /// The same where a line begins.
    fn ahead(&self, rules: &Rules) -> Option<u32> {
        let line = |name: char| 1 + Field::new(name).ends(rules).map(|(_, more)| more).min().unwrap_or(0);
        let fields: u32 = self.missing(rules).filter(|&name| name != 'M').map(line).sum();
        let meter = |meter: usize| match self.meter {
            None => "M:\n".len() as u32 + rules.meters.word(meter).chars().count() as u32,
            Some(_) => 0,
        };
        let times = rules.times_of(self.meter, self.unit);
        let music = times.map(|(time, music)| meter(time.meter) + music).min()?;
        Some(fields + line('K') + music)
    }
}

impl Field {
    fn text_step(self, c: char) -> Option<Field> {
        let value = match self.value {
            Value::Colon if c == ':' => Value::Text { length: 0, solid: false },
            Value::Text { length, .. } if !c.is_control() => Value::Text { length: length + 1, solid: true },
            _ => return None,
        };
        Some(Field { value, ..self })
    }
}

fn bit(name: char) -> u64 {
    1u64.checked_shl((name as u32).wrapping_sub('A' as u32)).unwrap_or(0)
}
