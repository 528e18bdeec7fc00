//! A text to its tunes: where each begins and ends, and what its header says.

use super::diagnostic::{Diagnostic, Place, Problem};
use super::key::Key;
use super::meter::{self, Meter, Tempo};
use super::music::MusicReader;
use super::scan::{Line, lines};
use super::tune::{Field, Header, Tune};

/// Reads all tunes of a text.
///
/// A tune begins with a line that starts with `X:`. A blank line after its music ends it, unless more music or fields follow; what
/// else stands between tunes is passed over. Fields before the first `X:` hold for all tunes that do not have them themselves. Never fails: each tune says in its
/// [`diagnostics`](Tune::diagnostics) what was wrong with it.
pub fn read(text: &str) -> Vec<Tune> {
    let mut preface: Vec<Field> = Vec::new();
    let mut tunes = Vec::new();
    let mut tune: Vec<Line<'_>> = Vec::new();
    for line in lines(text) {
        if line.text.starts_with("X:") {
            if !tune.is_empty() {
                tunes.push(read_tune(&preface, &tune));
            }
            tune = vec![line];
        } else if !tune.is_empty() {
            tune.push(line);
        } else if let Some((name, text)) = line.without_comment().field() {
            preface.push(Field { place: line.place, name, text: text.to_string() });
        }
    }
    if !tune.is_empty() {
        tunes.push(read_tune(&preface, &tune));
    }
    tunes
}

/// Reads one tune; its first line is its `X:`.
fn read_tune(preface: &[Field], all: &[Line<'_>]) -> Tune {
    let mut said = Vec::new();
    let mut fields: Vec<Field> = Vec::new();
    let mut music = all.len();
    for (at, line) in all.iter().enumerate() {
        // Directives for programs, `%%`, are comments here.
        let line = line.without_comment();
        if line.is_blank() {
            continue;
        }
        if let Some((name, text)) = line.field() {
            if name != '+' {
                fields.push(Field { place: line.place, name, text: text.to_string() });
            }
            if name == 'K' {
                music = at + 1;
                break;
            }
        } else if line.text.contains('|') {
            music = at;
            break;
        } else {
            said.push(Diagnostic { place: line.place, problem: Problem::HeaderText });
        }
    }
    let place = all[0].place;
    let own = |name: char| fields.iter().any(|f| f.name == name);
    let inherited: Vec<Field> = preface.iter().filter(|f| !own(f.name)).cloned().collect();
    fields.splice(0..0, inherited);
    let header = header(fields, place, &mut said);
    let mut reader = MusicReader::new(&header, said);
    let mut blank: Option<Place> = None;
    for &line in &all[music..] {
        if line.is_blank() {
            blank = blank.or(Some(line.place));
        }
        let line = line.without_comment();
        // A line with nothing but a comment ends no tune.
        if line.is_blank() {
            continue;
        }
        let field = line.field();
        if let Some(place) = blank {
            // Words between tunes, which belong to none.
            if field.is_none() && !line.text.contains('|') {
                continue;
            }
            reader.said.push(Diagnostic { place, problem: Problem::BlankLine });
            blank = None;
        }
        match field {
            Some((name, text)) => reader.field(line.place, name, text),
            None => reader.line(line),
        }
    }
    let last = all.last().map_or(place, |l| l.place);
    let (voices, diagnostics) = reader.finish(last);
    let mut tune = Tune { place, header, voices, diagnostics };
    if tune.notes().next().is_none() {
        tune.diagnostics.push(Diagnostic { place, problem: Problem::NoNotes });
    }
    tune
}

/// What the fields of a header say; the last of each letter counts.
fn header(fields: Vec<Field>, place: Place, said: &mut Vec<Diagnostic>) -> Header {
    let last = |name: char| fields.iter().rfind(|f| f.name == name);
    let mut bad = |field: &Field, what| {
        let problem = Problem::BadField { name: field.name, text: field.text.clone(), what };
        said.push(Diagnostic { place: field.place, problem });
    };
    let meter = last('M').and_then(|field| {
        Meter::parse(&field.text).unwrap_or_else(|| {
            bad(field, "meter");
            None
        })
    });
    let unit = last('L').and_then(|field| {
        let unit = meter::unit(&field.text);
        if unit.is_none() {
            bad(field, "unit of length");
        }
        unit
    });
    let unit = unit.unwrap_or_else(|| Meter::default_unit(meter));
    let parts = last('P').filter(|f| !f.text.is_empty()).and_then(|field| {
        let parts = meter::parts(&field.text);
        if parts.is_none() && meter::part(&field.text).is_none() {
            bad(field, "order of parts");
        }
        parts
    });
    let key = last('K').map(|field| {
        Key::parse(&field.text).unwrap_or_else(|| {
            bad(field, "key");
            Key::NONE
        })
    });
    if key.is_none() {
        said.push(Diagnostic { place, problem: Problem::NoKey });
    }
    let tempo = last('Q').and_then(|field| Tempo::parse(&field.text, unit));
    Header { meter, unit, tempo, parts: parts.unwrap_or_default(), key: key.unwrap_or(Key::NONE), fields }
}
