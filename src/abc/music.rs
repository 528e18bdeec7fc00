//! The music of a tune: characters to events. Every character is taken exactly once, so it ends.

use super::diagnostic::{Diagnostic, Place, Problem};
use super::key::Key;
use super::meter::{self, Meter, Tempo};
use super::scan::{Cursor, Line};
use super::tune::{Ending, EventKind, Header, Style, Voice};
use super::voice::{self, VoiceReader};

/// Decorations of one character.
const SHORT: [(char, &str); 10] = [
    ('~', "roll"),
    ('.', "staccato"),
    ('H', "fermata"),
    ('L', "accent"),
    ('M', "lowermordent"),
    ('O', "coda"),
    ('P', "uppermordent"),
    ('S', "segno"),
    ('T', "trill"),
    ('u', "upbow"),
];

/// Decorations that older texts write between plus signs.
const BETWEEN_PLUSES: [&str; 19] = [
    "trill",
    "roll",
    "fermata",
    "accent",
    "coda",
    "segno",
    "turn",
    "upbow",
    "downbow",
    "mordent",
    "lowermordent",
    "uppermordent",
    "pralltriller",
    "emphasis",
    "fine",
    "tenuto",
    "D.C.",
    "D.S.",
    "breath",
];

/// Takes `!trill!` or `+trill+`, and gives the name; takes nothing where no decoration stands there.
pub(super) fn take_decoration<'a>(at: &mut Cursor<'a>) -> Option<&'a str> {
    let mark = at.peek().filter(|c| matches!(c, '!' | '+'))?;
    // No name is longer.
    let end = at.rest.char_indices().skip(1).take(LONGEST_NAME + 1).find(|(_, c)| *c == mark)?.0;
    let name = &at.rest[1..end];
    let is_name = match mark {
        '!' => !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".()<>+^-/".contains(c)),
        _ => BETWEEN_PLUSES.contains(&name),
    };
    is_name.then(|| {
        at.bump();
        at.take_until(mark);
        name
    })
}

/// Characters of the longest name of a decoration.
const LONGEST_NAME: usize = 20;

/// The greatest number of an ending.
const MOST_ENDINGS: u32 = 32;

/// Reads music line by line.
#[derive(Debug)]
pub(super) struct MusicReader<'a> {
    header: &'a Header,
    pub(super) voices: Vec<VoiceReader>,
    pub(super) voice: usize,
    part: Option<char>,
    parts: usize,
    /// Where the last character that means nothing ended.
    unknown_end: usize,
    /// Where in the text the line's last `]` stands.
    last_bracket: Option<usize>,
    pub said: Vec<Diagnostic>,
}

impl<'a> MusicReader<'a> {
    /// A reader for the music below a header; `said` is what has been said of it.
    pub fn new(header: &'a Header, said: Vec<Diagnostic>) -> Self {
        let mut reader = MusicReader {
            header,
            voices: Vec::new(),
            voice: 0,
            part: None,
            parts: 0,
            unknown_end: 0,
            last_bracket: None,
            said,
        };
        for field in header.fields.iter().filter(|f| f.name == 'V') {
            reader.switch_voice(field.place, &field.text);
        }
        reader.voice = 0;
        // `P:A part` in the header names the part that comes first: it is no order of parts.
        if let Some(field) = header.fields.iter().rfind(|f| f.name == 'P').filter(|_| header.parts.is_empty())
            && let Some(part) = meter::part(&field.text)
        {
            reader.begin_part(field.place, part);
        }
        reader
    }

    fn begin_part(&mut self, place: Place, part: char) {
        self.part = Some(part);
        self.parts += 1;
        let parts = self.parts;
        self.voice().enter_part(place, Some(part), parts);
    }

    /// The voices, and what was said.
    pub fn finish(mut self, place: Place) -> (Vec<Voice>, Vec<Diagnostic>) {
        self.voice();
        let said = &mut self.said;
        let voices: Vec<Voice> = self.voices.into_iter().map(|v| v.finish(place, said)).collect();
        let has = |part: char| voices.iter().flat_map(|v| &v.bars).any(|b| b.part == Some(part));
        let mut missing: Vec<char> = self.header.parts.iter().copied().filter(|p| !has(*p)).collect();
        missing.sort_unstable();
        missing.dedup();
        let field = self.header.fields.iter().rfind(|f| f.name == 'P');
        if let Some(field) = field.filter(|_| self.parts > 0) {
            let missing = missing.into_iter().map(Problem::MissingPart);
            self.said.extend(missing.map(|problem| Diagnostic { place: field.place, problem }));
        }
        self.said.sort_by_key(|d| d.place);
        (voices, self.said)
    }

    pub(super) fn say(&mut self, place: Place, problem: Problem) {
        self.said.push(Diagnostic { place, problem });
    }

    /// The voice that is being read.
    pub(super) fn voice(&mut self) -> &mut VoiceReader {
        if self.voices.is_empty() {
            self.voices.push(new_voice("1", None, self.header));
        }
        &mut self.voices[self.voice]
    }

    fn switch_voice(&mut self, place: Place, text: &str) {
        let (id, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let name = ["name=", "nm="].iter().find_map(|key| {
            let value = &rest[rest.find(key)? + key.len()..];
            let value = value.strip_prefix('"').map_or(value.split(' ').next(), |v| v.split('"').next())?;
            Some(value.to_string())
        });
        // What was read before any V: is voice 1.
        match self.voices.iter().position(|v| v.id() == id) {
            Some(voice) => self.voice = voice,
            None => {
                self.voices.push(new_voice(id, name.clone(), self.header));
                self.voice = self.voices.len() - 1;
            }
        }
        let (part, parts) = (self.part, self.parts);
        let voice = self.voice();
        voice.set_name(name);
        voice.enter_part(place, part, parts);
    }

    /// A field in the music, on its own line or in brackets.
    pub fn field(&mut self, place: Place, name: char, text: &str) {
        let bad = |what| Problem::BadField { name, text: text.to_string(), what };
        match name {
            'K' => match Key::parse(text) {
                Some(key) => {
                    let voice = self.voice();
                    if voice.key != key {
                        voice.key = key;
                        voice.push(place, EventKind::Key(key));
                    }
                }
                None => self.say(place, bad("key")),
            },
            'M' => match Meter::parse(text) {
                Some(meter) => {
                    let voice = self.voice();
                    if voice.meter != meter {
                        voice.meter = meter;
                        voice.push(place, EventKind::Meter(meter));
                    }
                }
                None => self.say(place, bad("meter")),
            },
            'L' => match meter::unit(text) {
                Some(unit) => self.voice().unit = unit,
                None => self.say(place, bad("unit of length")),
            },
            'Q' => {
                let unit = self.voice().unit;
                match Tempo::parse(text, unit) {
                    Some(tempo) => self.voice().push(place, EventKind::Tempo(tempo)),
                    None => self.voice().push(place, EventKind::Text(text.replace('"', ""))),
                }
            }
            'P' => match meter::part(text) {
                Some(part) => self.begin_part(place, part),
                None => self.voice().push(place, EventKind::Text(text.to_string())),
            },
            'V' => self.switch_voice(place, text),
            // Words, notes, history and the like take no time.
            _ => {}
        }
    }

    /// One line of music.
    pub fn line(&mut self, line: Line<'_>) {
        self.voice();
        let mut at = line.cursor();
        self.last_bracket = line.text.rfind(']').map(|bytes| at.place.offset + bytes);
        let mut goes_on = false;
        while let Some(c) = at.peek() {
            goes_on = false;
            let place = at.place;
            match c {
                'A'..='G' | 'a'..='g' | '^' | '_' | '=' => self.note(&mut at),
                ' ' | '\t' => {
                    at.bump();
                    self.voice().break_beam();
                }
                '|' | ':' => self.bar_line(&mut at),
                '.' if at.peek_second() == Some('|') => self.bar_line(&mut at),
                '.' if matches!(at.peek_second(), Some('(' | '-')) => _ = at.bump(),
                '[' => match at.peek_second() {
                    Some('|') => self.bar_line(&mut at),
                    Some('0'..='9') => {
                        at.bump();
                        self.ending(&mut at, place);
                    }
                    Some(name) if name.is_ascii_alphabetic() && at.rest[2..].starts_with(':') => {
                        self.inline_field(&mut at, name);
                    }
                    _ => self.chord(&mut at, ']'),
                },
                '"' => self.quoted(&mut at),
                'z' | 'x' | 'Z' | 'X' => self.rest(&mut at),
                '(' => self.open_bracket(&mut at),
                ')' => {
                    at.bump();
                    self.voice().end_slur();
                }
                '-' => {
                    at.bump();
                    if !self.voice().tie() {
                        self.say(place, Problem::LoneTie);
                    }
                }
                '>' | '<' => {
                    let marks = at.take_while(|m| m == c).len().min(99) as i32;
                    let marks = if c == '>' { marks } else { -marks };
                    let (voice, said) = (&mut self.voices[self.voice], &mut self.said);
                    voice.break_rhythm(marks, place, said);
                }
                '{' => self.grace(&mut at),
                '!' => self.decoration(&mut at),
                '+' => self.plus(&mut at),
                'v' => {
                    at.bump();
                    self.voice().decorate("downbow");
                }
                '&' => {
                    self.say(place, Problem::Overlay);
                    at.take_while(|c| !matches!(c, '|' | ':'));
                }
                'y' => {
                    at.bump();
                    at.number();
                }
                '\\' => {
                    at.bump();
                    goes_on = at.rest.trim().is_empty();
                    if goes_on {
                        at.take_while(|_| true);
                    } else {
                        self.unknown(place, c);
                    }
                }
                '$' => {
                    at.bump();
                    self.voice().push(place, EventKind::LineEnd);
                }
                '`' | '*' => _ = at.bump(),
                _ => {
                    at.bump();
                    match SHORT.iter().find(|(short, _)| *short == c) {
                        Some((_, name)) => self.voice().decorate(name),
                        None => self.unknown(place, c),
                    }
                }
            }
        }
        let voice = self.voice();
        voice.break_beam();
        if !goes_on && voice.has_music() {
            voice.push(at.place, EventKind::LineEnd);
        }
    }

    /// Of a run of characters that mean nothing, the first is named.
    fn unknown(&mut self, place: Place, c: char) {
        let last = self.said.last().filter(|d| matches!(d.problem, Problem::UnknownCharacter(_)));
        let goes_on = last.is_some_and(|d| d.place.line == place.line && self.unknown_end == place.offset);
        self.unknown_end = place.offset + c.len_utf8();
        if !goes_on {
            self.say(place, Problem::UnknownCharacter(c));
        }
    }

    /// `|`, `||`, `|]`, `[|`, `|:`, `:|`, `::`, `:||:`, `.|`, `[|]`, and an ending's number right after.
    fn bar_line(&mut self, at: &mut Cursor<'_>) {
        let place = at.place;
        let before = at.take_while(|c| c == ':').len();
        // `: |`, as some write it.
        let mut ahead = *at;
        ahead.take_while(|c| c == ' ');
        if before > 0 && ahead.peek() == Some('|') {
            *at = ahead;
        }
        let dotted = at.eat('.');
        let start = at.rest;
        while match at.peek() {
            Some('|') => true,
            Some(']') => start.len() > at.rest.len(),
            Some('[') => at.peek_second() == Some('|') || at.rest.starts_with("[|]"),
            _ => false,
        } {
            at.bump();
        }
        let strokes = &start[..start.len() - at.rest.len()];
        let after = at.take_while(|c| c == ':').len();
        if strokes.is_empty() && before < 2 {
            // A colon by itself.
            at.take_while(|c| c == ':');
            return self.unknown(place, ':');
        }
        let style = match strokes {
            "[|]" => Style::Invisible,
            _ if dotted => Style::Dotted,
            _ if strokes.ends_with("|]") => Style::Final,
            _ if strokes.starts_with("[|") => Style::Heavy,
            _ if strokes.len() > 1 => Style::Double,
            _ => Style::Single,
        };
        // `::` is `:|:`.
        let double = strokes.is_empty();
        let repeats = if double { before / 2 } else { before };
        let line = voice::Line { style, repeats: repeats.min(9) as u32, begins: double || after > 0 };
        let (voice, said) = (&mut self.voices[self.voice], &mut self.said);
        voice.bar_line(place, line, said);
        let mut ahead = *at;
        ahead.take_while(|c| c == ' ');
        if ahead.peek().is_some_and(|c| c.is_ascii_digit()) {
            *at = ahead;
            let place = at.place;
            self.ending(at, place);
        }
    }

    /// `1`, `1,3`, `1-3`
    fn ending(&mut self, at: &mut Cursor<'_>, place: Place) {
        let text = at.take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '-' | '.'));
        let mut numbers = Vec::new();
        for range in text.trim_end_matches(['.', ',', '-']).split([',', '.']) {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            match (from.parse::<u32>(), to.parse::<u32>()) {
                (Ok(from), Ok(to)) if 1 <= from && from <= to && to <= MOST_ENDINGS => {
                    numbers.extend(from..=to)
                }
                _ => return self.say(place, Problem::BadEnding(text.to_string())),
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        self.voice().ending(Ending { place, numbers });
    }

    fn inline_field(&mut self, at: &mut Cursor<'_>, name: char) {
        let place = at.place;
        // Whether it is closed is not looked up for each of many.
        let closed = self.last_bracket.is_some_and(|last| place.offset < last);
        match closed.then(|| at.take_until(']')).flatten() {
            // After `[K:`.
            Some(text) => self.field(place, name, text[3..].trim()),
            None => {
                at.bump();
                self.unknown(place, '[');
            }
        }
    }

    fn quoted(&mut self, at: &mut Cursor<'_>) {
        let place = at.place;
        at.bump();
        let Some(text) = at.take_until('"') else {
            at.take_while(|_| true);
            return self.say(place, Problem::UnclosedQuote);
        };
        let text = text.trim();
        let kind = match text.strip_prefix(['^', '_', '<', '>', '@']) {
            Some(text) => EventKind::Text(text.to_string()),
            None => EventKind::Chord(text.to_string()),
        };
        if !text.is_empty() {
            self.voice().push(place, kind);
        }
    }

    /// `!trill!`, or `!` alone, which once was the end of a line of the score.
    fn decoration(&mut self, at: &mut Cursor<'_>) {
        let place = at.place;
        match take_decoration(at) {
            Some(name) => self.voice().decorate(name),
            None => {
                at.bump();
                self.voice().push(place, EventKind::LineEnd);
            }
        }
    }

    /// `+CE+` or `+trill+`
    fn plus(&mut self, at: &mut Cursor<'_>) {
        match take_decoration(at) {
            Some(name) => self.voice().decorate(name),
            None => self.chord(at, '+'),
        }
    }
}

fn new_voice(id: &str, name: Option<String>, header: &Header) -> VoiceReader {
    VoiceReader::new(id, name, header.key, header.meter, header.unit)
}
