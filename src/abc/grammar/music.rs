//! The music of a tune, a character at a time: what may follow.

use super::form::{Form, Frame};
use super::lengths::Length;
use super::measure::Measure;
use super::token::{Line, MOST_MARKS, Symbol, Token, Within, group, is_mark, note};
use super::words::LINES;

/// Decorations of one character. Some are letters of fields too, and so stand on no line's beginning.
const SHORT: &str = "~.uvHLMOPST";

/// Where in its line of text the next character stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// At its beginning.
    Start,
    /// Behind nothing but a space.
    Blank,
    Inside,
}

/// A slur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slur {
    None,
    /// It has no note yet.
    Begun,
    Open,
}

/// What stands before a note and belongs to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    pub symbol: bool,
    pub grace: bool,
    pub decoration: bool,
}

/// The music so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Music {
    pub(super) token: Token,
    pub(super) measure: Measure,
    pub(super) form: Form,
    pub(super) before: Before,
    /// The letter and the octave marks of the note that a tie leads to.
    pub(super) tie: Option<(char, u8)>,
    /// The same of the bar's last note, if nothing else came after it: a tie may begin there.
    pub(super) last: Option<(char, u8)>,
    pub(super) slur: Slur,
    pub(super) column: Column,
    /// Whether the line before goes on here: it ended in `\`.
    pub(super) continued: bool,
    /// Whether a space stands right before.
    pub(super) spaced: bool,
    /// Whether only space stands between here and the last bar line, on its line.
    pub(super) after_line: bool,
    /// Whether a bar line by itself has begun a line since the last note.
    pub(super) line_alone: bool,
    /// Whether there is a note.
    pub(super) sounded: bool,
    /// Whether the text is given, not chosen: it may have more in it.
    pub(super) given: bool,
}

impl Music {
    /// After the header. `ordered` says that it gives an order of parts.
    pub fn new(ordered: bool) -> Self {
        Music {
            token: Token::Gap,
            measure: Measure::default(),
            form: Form::new(ordered),
            before: Before::default(),
            tie: None,
            last: None,
            slur: Slur::None,
            column: Column::Start,
            continued: false,
            spaced: false,
            after_line: false,
            line_alone: false,
            sounded: false,
            given: false,
        }
    }

    pub fn set_given(&mut self, given: bool) {
        self.given = given;
    }

    /// Whether a line begins here.
    pub fn begins_line(&self) -> bool {
        self.column == Column::Start
    }

    /// Whether nothing has been written that lasts, so that meter and unit may still change.
    pub fn is_empty(&self) -> bool {
        self.form.is_empty() && self.is_between_bars() && !self.sounded
    }

    /// Whether no bar is being written, and nothing is pending.
    pub fn is_between_bars(&self) -> bool {
        self.measure.elapsed == 0
            && self.measure.is_settled()
            && !self.wants_note()
            && self.tie.is_none()
            && self.slur == Slur::None
            && !self.form.awaits_ending()
    }

    /// With a part beginning.
    pub fn part(self) -> Option<Music> {
        let form = self.form.between_bars(false)?;
        self.is_between_bars().then_some(Music { form, ..self })
    }

    /// Behind a line of its own, such as a field.
    pub fn next_line(self) -> Music {
        Music { column: Column::Start, continued: false, spaced: false, after_line: false, ..self }
    }

    /// Whether a line feed ends the tune.
    pub fn may_end(&self, frame: Frame<'_>) -> bool {
        self.begins_line() && !self.continued && self.is_whole(frame)
    }

    pub(super) fn is_whole(&self, frame: Frame<'_>) -> bool {
        matches!(self.token, Token::Gap) && self.is_between_bars() && self.sounded && self.form.may_end(frame)
    }

    /// Whether something waits for a note, whose line or bar cannot end before.
    pub(super) fn wants_note(&self) -> bool {
        let Before { symbol, grace, decoration } = self.before;
        symbol || grace || decoration || self.slur == Slur::Begun
    }

    /// With the token that these characters were part of complete.
    pub(super) fn settled(self, frame: Frame<'_>) -> Option<Music> {
        let gap = Music { token: Token::Gap, ..self };
        match self.token {
            Token::Gap | Token::Number => Some(gap),
            Token::Note { letter, marks, length } => {
                if self.tie.is_some_and(|tie| tie != (letter, marks)) {
                    return None;
                }
                let music = Music { tie: None, sounded: true, ..gap }.timed(length.grains(), frame)?;
                Some(Music { last: Some((letter, marks)), ..music })
            }
            Token::Rest { length } => gap.timed(length.grains(), frame),
            Token::Notes { length } => Music { sounded: true, ..gap }.timed(length.grains(), frame),
            Token::Paren => {
                let slur = self.slur == Slur::None && frame.alphabet.has(')');
                slur.then_some(Music { slur: Slur::Begun, ..gap })
            }
            Token::Broken { longer, marks } => {
                let measure = self.measure.break_rhythm(longer, marks)?;
                Some(Music { measure, ..gap })
            }
            Token::Line(line) => {
                let text = std::str::from_utf8(line.text()).ok()?;
                gap.ended(LINES.into_iter().find(|l| *l == text)?, frame)
            }
            _ => None,
        }
    }

    pub(super) fn timed(self, grains: u32, frame: Frame<'_>) -> Option<Music> {
        let measure = self.measure.note(grains)?;
        let slur = if self.slur == Slur::Begun { Slur::Open } else { self.slur };
        let before = Before::default();
        let fits = measure.elapsed <= self.form.longest(frame);
        fits.then_some(Music { measure, slur, before, last: None, line_alone: false, ..self })
    }

    /// Behind a bar line.
    pub(super) fn ended(self, line: &str, frame: Frame<'_>) -> Option<Music> {
        if !self.measure.is_settled() || self.wants_note() || self.form.awaits_ending() {
            return None;
        }
        if line != "|" && (self.tie.is_some() || self.slur != Slur::None) {
            return None;
        }
        let after = Music { measure: Measure::default(), last: None, after_line: true, ..self };
        if self.measure.elapsed > 0 {
            return Some(Music { form: self.form.bar_line(line, self.measure.elapsed, frame)?, ..after });
        }
        // At the beginning of a line it belongs to the bar line before.
        match line {
            "|" => Some(after),
            "|:" => Some(Music { form: self.form.between_bars(true)?, ..after }),
            _ => None,
        }
    }

    /// With one more character; none where no tune with full bars could go on like that.
    pub fn step(self, character: char, frame: Frame<'_>) -> Option<Music> {
        let next = match self.longer(character, frame) {
            Longer::Token(token) => Music { token, ..self },
            Longer::Complete(music) => music,
            Longer::Over => self.settled(frame)?.begin(character, self.token, frame)?,
            Longer::No => return None,
        };
        let column = match (character, next.column) {
            ('\n', column) => column,
            (' ', Column::Start | Column::Blank) => Column::Blank,
            _ => Column::Inside,
        };
        Some(Music { column, spaced: character == ' ', ..next })
    }

    /// The token with one more character.
    fn longer(&self, c: char, frame: Frame<'_>) -> Longer {
        let gap = Music { token: Token::Gap, ..*self };
        let before = |before: Before| Longer::Complete(Music { before, ..gap });
        match self.token {
            Token::Gap | Token::Number => Longer::Over,
            Token::Accidental { sign, double } => match c {
                _ if c == sign && !double && sign != '=' => {
                    Longer::Token(Token::Accidental { sign, double: true })
                }
                'A'..='G' | 'a'..='g' => Longer::Token(note(c)),
                _ => Longer::No,
            },
            Token::Note { letter, marks, length } => match length.step(c) {
                Some(length) => Longer::Token(Token::Note { letter, marks, length }),
                None if !is_mark(letter, c) => Longer::Over,
                None if length == Length::default() && marks < MOST_MARKS => {
                    Longer::Token(Token::Note { letter, marks: marks + 1, length })
                }
                None => Longer::No,
            },
            Token::Rest { length } => {
                length.step(c).map_or(Longer::Over, |l| Longer::Token(Token::Rest { length: l }))
            }
            Token::Notes { length } => {
                length.step(c).map_or(Longer::Over, |l| Longer::Token(Token::Notes { length: l }))
            }
            Token::Bracket => match c {
                '1' | '2' => self.ending(c).map_or(Longer::No, Longer::Complete),
                _ if self.form.awaits_ending() => Longer::No,
                _ => Longer::token(group(']', 0, Within::Start, c)),
            },
            Token::Group { close, notes, within } => match within {
                Within::Letter { .. } if c == ']' && close == c => {
                    Longer::Token(Token::Notes { length: Length::default() })
                }
                Within::Letter { .. } if c == close => before(Before { grace: true, ..self.before }),
                _ => Longer::token(group(close, notes, within, c)),
            },
            Token::Paren => match c.to_digit(10) {
                Some(notes) => {
                    let measure = self.measure.begin_tuplet(notes);
                    measure.map_or(Longer::No, |measure| Longer::Complete(Music { measure, ..gap }))
                }
                None => Longer::Over,
            },
            Token::Broken { longer, marks } => match c {
                '>' | '<' if marks == 1 && (c == '>') == longer => {
                    Longer::Token(Token::Broken { longer, marks: 2 })
                }
                '>' | '<' => Longer::No,
                _ => Longer::Over,
            },
            Token::Symbol(symbol) => match c {
                '"' if symbol.rest(frame) == Some(1) => before(Before { symbol: !self.given, ..self.before }),
                _ => Longer::token(symbol.step(c, self.given, frame).map(Token::Symbol)),
            },
            Token::Decoration(prefix) => match c {
                '!' if frame.decorations.whole(prefix).is_some() => {
                    before(Before { decoration: true, ..self.before })
                }
                _ => Longer::token(frame.decorations.step(prefix, c).map(Token::Decoration)),
            },
            Token::Line(line) => match line.with(c) {
                Some(longer) if longer.completions().next().is_some() => {
                    Longer::token(gap.begun_line(longer, frame).map(Token::Line))
                }
                // Right behind a bar line, these would be part of it.
                _ if matches!(c, '|' | ':' | ']') => Longer::No,
                _ => Longer::Over,
            },
            Token::Backslash => match c {
                '\n' => Longer::Complete(Music { continued: true, ..gap.next_line() }),
                _ => Longer::No,
            },
        }
    }

    /// The line, if it can become one that may stand here.
    fn begun_line(&self, line: Line, frame: Frame<'_>) -> Option<Line> {
        line.completions().any(|l| frame.alphabet.spells(l) && self.ended(l, frame).is_some()).then_some(line)
    }

    /// The first or the second ending begins.
    pub(super) fn ending(&self, number: char) -> Option<Music> {
        let form = self.form.ending(number)?;
        let between = Music { form, token: Token::Number, ..*self };
        between.is_between_bars().then_some(between)
    }

    /// A token begins behind another that is complete.
    fn begin(self, c: char, after: Token, frame: Frame<'_>) -> Option<Music> {
        let Before { symbol, grace, decoration } = self.before;
        let (free, broken) = (self.tie.is_none(), self.measure.is_broken());
        // Where a bar or a line of text may end.
        let complete = self.measure.is_settled() && !self.wants_note();
        let next = Music { after_line: false, ..self };
        let token = |token: Token| Some(Music { token, ..next });
        if self.form.awaits_ending() && !matches!(c, '2' | '[' | ' ' | '\n' | '\\') {
            return None;
        }
        match c {
            'A'..='G' | 'a'..='g' if self.tie.is_none_or(|(letter, _)| letter == c) => token(note(c)),
            '^' | '_' | '=' if free => token(Token::Accidental { sign: c, double: false }),
            'z' | 'x' if free && self.slur == Slur::None && !grace && !decoration => {
                token(Token::Rest { length: Length::default() })
            }
            '1' | '2' if self.after_line => next.ending(c),
            '[' if free => token(Token::Bracket),
            '"' if !symbol => token(Token::Symbol(if self.given { Symbol::Free } else { Symbol::Start })),
            '(' if !broken => token(Token::Paren),
            ')' if self.slur == Slur::Open && !broken && !self.wants_note() => {
                Some(Music { slur: Slur::None, ..next })
            }
            '{' if free && !grace => token(Token::Group { close: '}', notes: 0, within: Within::Start }),
            '!' if !decoration => token(Token::Decoration(frame.decorations.start())),
            // A text that is given may slur two notes like that.
            '-' if self.last.is_some() && !broken => {
                let tie = self.last.filter(|_| !self.given);
                Some(Music { tie, last: None, ..next })
            }
            '>' | '<' if matches!(after, Token::Note { .. } | Token::Rest { .. } | Token::Notes { .. }) => {
                token(Token::Broken { longer: c == '>', marks: 1 })
            }
            ' ' if !self.spaced && !broken && self.column != Column::Blank => {
                Some(Music { after_line: self.after_line, ..next })
            }
            '\n' if complete && self.column == Column::Inside => Some(next.next_line()),
            '\\' if complete && self.column == Column::Inside => token(Token::Backslash),
            '|' | ':' => {
                let alone = self.measure.elapsed == 0;
                if alone && (self.line_alone || self.column != Column::Start) {
                    return None;
                }
                let line = next.begun_line(Line::new(c), frame)?;
                Some(Music { token: Token::Line(line), line_alone: alone, ..next })
            }
            _ if SHORT.contains(c) && !decoration => {
                let field = self.column == Column::Start && c.is_ascii_uppercase();
                let number = c == '.' && matches!(after, Token::Number);
                let before = Before { decoration: true, ..self.before };
                (!field && !number).then_some(Music { before, ..next })
            }
            _ => None,
        }
    }
}

/// What one more character makes of a token.
enum Longer {
    /// It goes on.
    Token(Token),
    /// The character completes it.
    Complete(Music),
    /// It was complete; the character is part of the next one.
    Over,
    /// It cannot go on like that.
    No,
}

impl Longer {
    fn token(token: Option<Token>) -> Longer {
        token.map_or(Longer::No, Longer::Token)
    }
}
