//! Tokens of music, so far as they are written.

use super::form::Frame;
use super::lengths::Length;
use super::words::{LINES, Prefix};

/// Notes of the largest chord, and of the longest run of grace notes.
pub(super) const MOST_NOTES: u8 = 4;

/// Marks of the highest and lowest octave.
pub(super) const MOST_MARKS: u8 = 2;

/// What the last characters are part of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    /// Nothing.
    Gap,
    /// An ending's number, after which some signs would be part of it.
    Number,
    /// `^`, `_`, `=`, `^^`
    Accidental {
        sign: char,
        double: bool,
    },
    Note {
        letter: char,
        marks: u8,
        length: Length,
    },
    Rest {
        length: Length,
    },
    /// A chord, behind its `]`.
    Notes {
        length: Length,
    },
    /// `[`: a chord or an ending.
    Bracket,
    /// Within a chord or grace notes, up to `close`.
    Group {
        close: char,
        notes: u8,
        within: Within,
    },
    /// `(`: a slur or a tuplet.
    Paren,
    /// `>` or `<`
    Broken {
        longer: bool,
        marks: u32,
    },
    Symbol(Symbol),
    /// Within `!…!`
    Decoration(Prefix),
    Line(Line),
    /// `\`
    Backslash,
}

/// Where a group's next character stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Start,
    Accidental { sign: char, double: bool },
    Letter { letter: char, marks: u8 },
}

/// Within a chord symbol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Symbol {
    Start,
    Root,
    Suffix(Prefix),
    Slash,
    Bass,
    BassSign,
    /// In a text that is given, quotation marks hold anything.
    Free,
}

/// A bar line so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    text: [u8; 4],
    pub length: u8,
}

impl Line {
    pub fn new(first: char) -> Self {
        Line { text: [first as u8, 0, 0, 0], length: 1 }
    }

    pub fn with(self, next: char) -> Option<Line> {
        let Line { mut text, length } = self;
        *text.get_mut(usize::from(length))? = next as u8;
        Some(Line { text, length: length + 1 })
    }

    pub fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    /// The bar lines that begin like this.
    pub fn completions(&self) -> impl Iterator<Item = &'static str> + '_ {
        LINES.into_iter().filter(|line| line.as_bytes().starts_with(self.text()))
    }
}

impl Symbol {
    pub fn step(self, c: char, given: bool, frame: Frame<'_>) -> Option<Symbol> {
        let suffix = |prefix| frame.suffixes.step(prefix, c).map(Symbol::Suffix);
        match (self, c) {
            (Symbol::Start, 'A'..='G') => Some(Symbol::Root),
            (Symbol::Root, '#' | 'b') => Some(Symbol::Suffix(frame.suffixes.start())),
            (Symbol::Root, '/') => Some(Symbol::Slash),
            (Symbol::Root, _) => suffix(frame.suffixes.start()),
            (Symbol::Suffix(prefix), '/') if frame.suffixes.whole(prefix).is_some() => Some(Symbol::Slash),
            (Symbol::Suffix(prefix), _) => suffix(prefix),
            (Symbol::Slash, 'A'..='G' | 'a'..='g') => Some(Symbol::Bass),
            (Symbol::Bass, '#' | 'b' | '+') => Some(Symbol::BassSign),
            // A comment would begin there.
            (Symbol::Free, _) if given && !c.is_control() && c != '%' => Some(self),
            _ => None,
        }
    }

    /// The fewest characters that end it, its quotation mark included.
    pub fn rest(self, frame: Frame<'_>) -> Option<u32> {
        match self {
            Symbol::Start => ('A'..='G').any(|c| frame.alphabet.has(c)).then_some(2),
            Symbol::Suffix(prefix) => Some(frame.suffixes.shortest(prefix)? + 1),
            Symbol::Slash => Some(2),
            Symbol::Root | Symbol::Bass | Symbol::BassSign | Symbol::Free => Some(1),
        }
    }
}

pub(super) fn note(letter: char) -> Token {
    Token::Note { letter, marks: 0, length: Length::default() }
}

/// Whether this puts that letter into a further octave.
pub(super) fn is_mark(letter: char, c: char) -> bool {
    c == if letter.is_ascii_uppercase() { ',' } else { '\'' }
}

/// The notes of a chord or the grace notes with one more character.
pub(super) fn group(close: char, notes: u8, within: Within, c: char) -> Option<Token> {
    let (notes, within) = match (c, within) {
        ('A'..='G' | 'a'..='g', Within::Accidental { .. }) => (notes, Within::Letter { letter: c, marks: 0 }),
        ('A'..='G' | 'a'..='g', _) => (notes + 1, Within::Letter { letter: c, marks: 0 }),
        ('^' | '_', Within::Accidental { sign, double: false }) if c == sign => {
            (notes, Within::Accidental { sign, double: true })
        }
        (_, Within::Accidental { .. }) => return None,
        ('^' | '_' | '=', _) => (notes + 1, Within::Accidental { sign: c, double: false }),
        (_, Within::Letter { letter, marks }) if is_mark(letter, c) && marks < MOST_MARKS => {
            (notes, Within::Letter { letter, marks: marks + 1 })
        }
        _ => return None,
    };
    (notes <= MOST_NOTES).then_some(Token::Group { close, notes, within })
}
