//! What all tunes of a request have in common: the characters that there are, and what each field may say.

use super::GrammarError;
use super::form::Frame;
use super::lengths::{Table, UNIT};
use super::music::Music;
use super::words::{Alphabet, DECORATIONS, UNITS, Words, keys, meters};
use crate::abc::meter::{part, unit};
use crate::abc::{Fraction, Key, Meter, fields, harmony};
use std::sync::OnceLock;

/// What a tune shall be. What is left open, the writer chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// `K:`, as it says it or in other words: `Ador` is `A dorian`.
    pub key: Option<String>,
    /// `M:`
    pub meter: Option<String>,
    /// `R:`
    pub rhythm: Option<String>,
    /// `T:`
    pub title: Option<String>,
    /// So many bars, as they are played without repeats: pick-ups and second endings do not count.
    pub bars: Option<u32>,
}

/// The longest text of a field.
pub(super) const LONGEST_TEXT: u32 = 80;

/// The most bars that can be asked for.
const MOST_BARS: u32 = 10_000;

/// Constraints, and the words that meet them.
#[derive(Debug)]
pub struct Rules {
    pub(super) alphabet: Alphabet,
    pub(super) keys: Words,
    pub(super) meters: Words,
    pub(super) units: Words,
    pub(super) parts: Words,
    /// The title and the rhythm that are asked for.
    pub(super) title: Option<Words>,
    pub(super) rhythm: Option<Words>,
    suffixes: Words,
    decorations: Words,
    bars: Option<u32>,
    /// For each meter and unit, where a bar can be written so: what fills it, and the shortest tune.
    times: Vec<OnceLock<Option<(Table, u32)>>>,
}

/// A meter and a unit of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub meter: usize,
    pub unit: usize,
}

impl Rules {
    /// Rules for tunes of these characters, which may begin with one of the `given` texts.
    ///
    /// # Errors
    /// Names a constraint that no tune meets, or what the characters lack.
    pub fn new(
        constraints: &Constraints,
        characters: impl IntoIterator<Item = char>,
        given: &[&str],
    ) -> Result<Rules, GrammarError> {
        let alphabet = Alphabet::new(characters);
        let refuse =
            |name, found: &str, allowed| GrammarError::Constraint { name, found: found.to_string(), allowed };
        let need = |what: String, text: &str| match &alphabet.missing(text)[..] {
            [] => Ok(()),
            missing => Err(GrammarError::Characters { what, missing: quoted(missing) }),
        };
        if let Some(bars) = constraints.bars.filter(|bars| !(1..=MOST_BARS).contains(bars)) {
            return Err(refuse("number of bars", &bars.to_string(), "1 to 10000"));
        }
        let given = |name: char| given.iter().flat_map(move |text| fields(text, name)).map(str::to_string);
        let mut keys = Words::new(keys().chain(given('K').filter(|text| Key::parse(text).is_some())));
        if let Some(text) = &constraints.key {
            let Some(wanted) = Key::parse(text).filter(|_| !text.trim().is_empty()) else {
                return Err(refuse("key", text, "a key such as G, F#m or Ador"));
            };
            let alike = keys.all().filter(|k| Key::parse(k) == Some(wanted)).chain([text.trim().to_string()]);
            keys = Words::new(alike);
        }
        let is_meter = |text: &str| matches!(Meter::parse(text), Some(Some(_)));
        let mut meters =
            Words::new(meters().map(str::to_string).chain(given('M').filter(|text| is_meter(text))));
        if let Some(text) = &constraints.meter {
            if !is_meter(text) {
                return Err(refuse("meter", text, "a meter such as 4/4, 6/8, C or C|"));
            }
            meters = Words::new([text.trim()]);
        }
        let text = |name, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => {
                let plain = |c: char| !c.is_control() && !matches!(c, '%' | '\\');
                let text = text.trim();
                let length = text.chars().count() as u32;
                if length == 0 || length > LONGEST_TEXT || !text.chars().all(plain) {
                    let allowed = "1 to 80 characters without control characters, % and \\";
                    return Err(refuse(name, text, allowed));
                }
                need(format!("{name} {text:?}"), text)?;
                Ok(Some(Words::new([text])))
            }
        };
        let title = text("title", &constraints.title)?;
        let rhythm = text("rhythm", &constraints.rhythm)?;
        let mut fields = "X:MK\n|".to_string();
        fields.extend(title.as_ref().map(|_| 'T'));
        fields.extend(rhythm.as_ref().map(|_| 'R'));
        need("tunes in ABC".to_string(), &fields)?;
        let any = |mut characters: std::ops::RangeInclusive<char>| characters.any(|c| alphabet.has(c));
        if !any('1'..='9') || !any('A'..='G') && !any('a'..='g') {
            return Err(GrammarError::Characters {
                what: "tunes in ABC".to_string(),
                missing: "a digit above 0, and a letter from A to G".to_string(),
            });
        }
        let mut units =
            Words::new(UNITS.map(str::to_string).into_iter().chain(given('L').filter(|l| unit(l).is_some())));
        let mut suffixes = Words::new(harmony::suffixes());
        let mut decorations = Words::new(DECORATIONS);
        let labels = given('P').filter(|text| part(text).is_some());
        let mut parts = Words::new(('A'..='Z').map(|part| part.to_string()).chain(labels));
        // A default unit needs no characters, so that all are kept.
        for words in [&mut keys, &mut meters, &mut suffixes, &mut decorations, &mut parts] {
            words.retain(&alphabet);
        }
        let implied = [Fraction::new(1, 8), Fraction::new(1, 16)];
        units =
            Words::new(units.all().filter(|text| {
                alphabet.spells(text) || unit(text).is_some_and(|unit| implied.contains(&unit))
            }));
        if keys.len() == 0 {
            let key = constraints.key.as_deref().unwrap_or("G");
            need(format!("the key {key}"), key)?;
        }
        if meters.len() == 0 {
            let meter = constraints.meter.as_deref().unwrap_or("4/4");
            need(format!("the meter {meter}"), meter)?;
        }
        let times = (0..meters.len() * units.len()).map(|_| OnceLock::new()).collect();
        let bars = constraints.bars;
        let rules =
            Rules { alphabet, keys, meters, units, parts, title, rhythm, suffixes, decorations, bars, times };
        let writable = (0..rules.meters.len()).any(|m| rules.times_of(Some(m), None).next().is_some());
        if rules.keys.len() == 0 || !writable {
            return Err(GrammarError::Characters {
                what: "a tune like that".to_string(),
                missing: "numbers and slashes for its keys, meters or notes".to_string(),
            });
        }
        Ok(rules)
    }

    /// The letter of a part, of which this is the word.
    pub(super) fn part(&self, word: usize) -> Option<char> {
        part(&self.parts.word(word))
    }

    pub(super) fn frame<'a>(&'a self, table: &'a Table) -> Frame<'a> {
        let Rules { alphabet, suffixes, decorations, bars, .. } = self;
        Frame { table, alphabet, suffixes, decorations, bars: *bars }
    }

    /// What fills a bar, and how short a tune can be; none where no bar can be written.
    fn entry(&self, time: Time) -> Option<&(Table, u32)> {
        let entry = self.times[time.meter * self.units.len() + time.unit].get_or_init(|| {
            let meter = Meter::parse(&self.meters.word(time.meter))??;
            let grains =
                meter.length() / unit(&self.units.word(time.unit))? * Fraction::from(i64::from(UNIT));
            let whole = grains.denominator() == 1 && (1..=20_000).contains(&grains.numerator());
            let table = Table::new(grains.numerator() as u32, &self.alphabet).filter(|_| whole)?;
            let shortest = Music::new(false).shortest(self.frame(&table))?;
            Some((table, shortest))
        });
        entry.as_ref()
    }

    pub(super) fn table(&self, time: Time) -> Option<&Table> {
        Some(&self.entry(time)?.0)
    }

    /// The unit that a meter implies.
    fn implied(&self, meter: usize) -> Option<usize> {
        let default = Meter::default_unit(Meter::parse(&self.meters.word(meter))?);
        self.units.all().position(|text| unit(&text) == Some(default))
    }

    /// The times that a header can still come to, with this meter and this unit if they are given already. Each comes with the
    /// shortest music.
    pub(super) fn times_of(
        &self,
        meter: Option<usize>,
        unit: Option<usize>,
    ) -> impl Iterator<Item = (Time, u32)> + '_ {
        let meters = meter.map_or(0..self.meters.len(), |m| m..m + 1);
        meters.filter_map(move |meter| {
            let time = Time { meter, unit: unit.or_else(|| self.implied(meter))? };
            Some((time, self.entry(time)?.1))
        })
    }
}

/// `'a', 'b'`
fn quoted(characters: &[char]) -> String {
    let all: Vec<String> = characters.iter().map(|c| format!("{c:?}")).collect();
    all.join(", ")
}
