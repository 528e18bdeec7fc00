//! The shortest end of some music.

use super::form::Frame;
use super::lengths::Length;
use super::music::{Before, Column, Music, Slur};
use super::token::{Token, Within};

impl Music {
    /// The fewest characters that bring the tune to its end, the blank line included.
    pub fn shortest(&self, frame: Frame<'_>) -> Option<u32> {
        let gap = Music { token: Token::Gap, ..*self };
        let has = |c| frame.alphabet.has(c);
        // A note, or the notes of a chord, of which so much of the length is written.
        let lengths = |music: Music, length: Length| {
            let ways = frame.table.completions(length);
            ways.filter_map(|(grains, more)| Some(more + music.timed(grains, frame)?.rest(frame)?)).min()
        };
        let sounded = Music { sounded: true, tie: None, ..gap };
        match self.token {
            Token::Gap | Token::Number => self.rest(frame),
            Token::Accidental { .. } => Some(1 + lengths(sounded, Length::default())?),
            Token::Note { marks, length, .. } => {
                let missing = self.tie.map_or(Some(0), |(_, wanted)| wanted.checked_sub(marks))?;
                let fine = missing == 0 || length == Length::default();
                Some(u32::from(missing) + lengths(sounded, length).filter(|_| fine)?)
            }
            Token::Rest { length } => lengths(gap, length),
            Token::Notes { length } => lengths(sounded, length),
            Token::Bracket => {
                let chord = || Some(2 + lengths(sounded, Length::default())?);
                let endings = ['1', '2'].into_iter().filter(|&c| has(c));
                let endings = endings.filter_map(|c| Some(1 + self.ending(c)?.rest(frame)?));
                let chord = (has(']') && !self.form.awaits_ending()).then(chord).flatten();
                endings.chain(chord).min()
            }
            Token::Group { close, within, .. } => {
                let after = match close {
                    ']' => lengths(sounded, Length::default())?,
                    _ => Music { before: Before { grace: true, ..self.before }, ..gap }.rest(frame)?,
                };
                let letter = u32::from(!matches!(within, Within::Letter { .. }));
                has(close).then_some(letter + 1 + after)
            }
            Token::Paren => {
                let slur = self.settled(frame).and_then(|m| m.rest(frame));
                let tuplets = (2..=4).filter(|&n| char::from_digit(n, 10).is_some_and(has)).filter_map(|n| {
                    Some(1 + Music { measure: self.measure.begin_tuplet(n)?, ..gap }.rest(frame)?)
                });
                tuplets.chain(slur).min()
            }
            Token::Broken { longer, marks } => {
                let ways = (marks..=2).filter_map(|m| {
                    let measure = self.measure.break_rhythm(longer, m)?;
                    Some(m - marks + Music { measure, ..gap }.rest(frame)?)
                });
                ways.min()
            }
            Token::Symbol(symbol) => {
                let after = Music { before: Before { symbol: true, ..self.before }, ..gap };
                Some(symbol.rest(frame)? + after.rest(frame)?)
            }
            Token::Decoration(prefix) => {
                let after = Music { before: Before { decoration: true, ..self.before }, ..gap };
                Some(frame.decorations.shortest(prefix)? + 1 + after.rest(frame)?)
            }
            Token::Line(line) => {
                let lines = line.completions().filter(|l| frame.alphabet.spells(l));
                let ways = lines.filter_map(|l| {
                    Some(l.len() as u32 - u32::from(line.length) + gap.ended(l, frame)?.rest(frame)?)
                });
                ways.min()
            }
            Token::Backslash => Some(1 + Music { continued: true, ..gap.next_line() }.rest(frame)?),
        }
    }

    /// The same between two tokens.
    fn rest(&self, frame: Frame<'_>) -> Option<u32> {
        let ends = match self.column {
            Column::Start => (!self.continued).then_some(1),
            Column::Blank => None,
            Column::Inside => Some(2),
        };
        let ends = ends.filter(|_| self.is_whole(frame));
        let fill = |target: u32, last: bool| {
            let silent = self.measure.is_settled() && self.measure.elapsed == target;
            let waits = self.wants_note() || last && (self.tie.is_some() || !self.sounded);
            self.measure.fill(frame.table, target).filter(|_| !(silent && waits))
        };
        let marks = self.tie.map_or(0, |(_, marks)| u32::from(marks)) + u32::from(self.slur != Slur::None);
        let on = self.form.finish(frame, self.after_line, fill).map(|characters| characters + marks);
        ends.into_iter().chain(on).min()
    }
}
