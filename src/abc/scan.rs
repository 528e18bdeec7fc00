//! Lines of a text, and a cursor that walks along one of them.

use super::diagnostic::Place;

/// One line without its line feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Its text.
    pub text: &'a str,
    /// Where it begins.
    pub place: Place,
}

/// The lines of a text; LF, CRLF and CR end a line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    let mut place = Place { offset: 0, line: 1, column: 1 };
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = Line { text: &rest[..end], place };
        let after = &rest[end..];
        let ending = if after.starts_with("\r\n") { 2 } else { after.len().min(1) };
        rest = &after[ending..];
        place = Place { offset: place.offset + end + ending, line: place.line + 1, column: 1 };
        Some(line)
    })
}

/// The texts of all fields of this letter in a tune, or in any text, in order: `G` for `K:G`.
pub fn fields(text: &str, name: char) -> impl Iterator<Item = &str> {
    let fields = lines(text).filter_map(|line| line.without_comment().field());
    fields.filter(move |(letter, _)| *letter == name).map(|(_, text)| text)
}

/// Whether a line is a field.
pub(crate) fn is_field(line: &str) -> bool {
    lines(line).next().is_some_and(|line| line.field().is_some())
}

impl<'a> Line<'a> {
    /// The line without its comment: from a `%` on that no `\` escapes.
    pub fn without_comment(self) -> Line<'a> {
        let escaped = |at: usize| self.text[..at].ends_with('\\');
        match self.text.match_indices('%').find(|&(at, _)| !escaped(at)) {
            Some((at, _)) => Line { text: &self.text[..at], ..self },
            None => self,
        }
    }

    /// The letter and the text of a field, if the line is one.
    ///
    /// `A:|` is music: a note and a bar line.
    pub fn field(self) -> Option<(char, &'a str)> {
        let mut chars = self.text.chars();
        let name = chars.next().filter(|c| c.is_ascii_alphabetic() || *c == '+')?;
        let text = chars.as_str().strip_prefix(':')?;
        let music = "ABCDEFGabcdefgxyz".contains(name) && text.starts_with(['|', ':']);
        (!music).then(|| (name, text.trim()))
    }

    /// Whether there is nothing to see.
    pub fn is_blank(self) -> bool {
        self.text.trim().is_empty()
    }

    /// A cursor before its first character.
    pub fn cursor(self) -> Cursor<'a> {
        Cursor { rest: self.text, place: self.place }
    }
}

/// A place within a line, and what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    /// What follows.
    pub rest: &'a str,
    /// Where that begins.
    pub place: Place,
}

impl<'a> Cursor<'a> {
    /// The next character.
    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The character after the next.
    pub fn peek_second(&self) -> Option<char> {
        self.rest.chars().nth(1)
    }

    /// Takes the next character.
    pub fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.place.offset += c.len_utf8();
        self.place.column += 1;
        Some(c)
    }

    /// Takes the next character if it is this one.
    pub fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.bump();
        }
        there
    }

    /// Takes characters as long as they are wanted, and gives them.
    pub fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let before = self.rest;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        &before[..before.len() - self.rest.len()]
    }

    /// Takes what stands up to `end` and `end` itself, and gives it without `end`; takes nothing where `end` does not follow.
    pub fn take_until(&mut self, end: char) -> Option<&'a str> {
        let text = &self.rest[..self.rest.find(end)?];
        self.take_while(|c| c != end);
        self.bump();
        Some(text)
    }

    /// Takes a number of at most six digits.
    pub fn number(&mut self) -> Option<u32> {
        let mut ahead = *self;
        let number = ahead.take_while(|c| c.is_ascii_digit()).parse().ok().filter(|n| *n < 1_000_000);
        if number.is_some() {
            *self = ahead;
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_places() {
        let text = "X:1\r\nT:é\n\nab\rc";
        let found: Vec<_> = lines(text).map(|l| (l.text, l.place.offset, l.place.line)).collect();
        assert_eq!(found, [("X:1", 0, 1), ("T:é", 5, 2), ("", 10, 3), ("ab", 11, 4), ("c", 14, 5)]);
        let mut cursor = lines("é♯c").next().unwrap().cursor();
        cursor.take_while(|c| c != 'c');
        assert_eq!((cursor.place.offset, cursor.place.column, cursor.rest), (5, 3, "c"));
    }

    #[test]
    fn fields_and_comments() {
        let line = |text| lines(text).next().unwrap().without_comment();
        assert_eq!(line("K: D % two sharps").field(), Some(('K', "D")));
        assert_eq!(line("T:100\\% sure").field(), Some(('T', "100\\% sure")));
        assert_eq!(line("A:|").field(), None);
        assert_eq!(line("d::").field(), None);
        assert_eq!(line("A:Donegal").field(), Some(('A', "Donegal")));
        assert_eq!(line("GAB").field(), None);
        assert!(line("% all").is_blank());
    }

    #[test]
    fn numbers_are_small() {
        let number = |text: &'static str| {
            let mut cursor = Cursor { rest: text, place: Place::default() };
            (cursor.number(), cursor.rest)
        };
        assert_eq!(number("12/"), (Some(12), "/"));
        assert_eq!(number("99999999999"), (None, "99999999999"));
        assert_eq!(number("x"), (None, "x"));
    }
}
