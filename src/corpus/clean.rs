//! The corpus's doctor: what is wrong with a collection of tunes, and the collection without it.
//!
//! | found | told as | in the cleaned text |
//! |---|---|---|
//! | tags and entities of HTML | [`Kind::Html`] | gone, entities as the characters they stand for |
//! | a header without its `X:` | [`Kind::Number`] | has one, a number that no other tune has |
//! | words between tunes | [`Kind::Text`] | gone |
//! | text that means nothing to the reader, or no notes | [`Kind::Broken`] | the tune is left out |
//! | bars of the wrong length | [`Kind::Bars`] | the tune is left out |
//! | repeats and endings that do not close | [`Kind::Repeats`] | the tune is left out |
//! | the notes of an earlier tune, in whatever key | [`Kind::Duplicate`] | the tune is left out |
//! | fields before a file's first tune, which hold for all of its tunes | | in each tune that has none of that letter |

use super::Tune;
use super::melody::is_field;
use crate::abc::{self, EventKind, Problem, Severity, check};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Tags and entities of HTML.
    Html,
    /// A header without `X:`.
    Number,
    /// Words between tunes.
    Text,
    /// A tune that cannot be read.
    Broken,
    /// Bars of the wrong length.
    Bars,
    /// Repeats and endings that do not close.
    Repeats,
    /// The notes of an earlier tune.
    Duplicate,
}

impl Kind {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Kind; 7] =
        [Kind::Html, Kind::Number, Kind::Text, Kind::Broken, Kind::Bars, Kind::Repeats, Kind::Duplicate];
}

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// What kind of fault.
    pub kind: Kind,
    /// A sentence.
    pub message: String,
}

/// What the doctor found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaning {
    /// Every fault, by file and line.
    pub findings: Vec<Finding>,
    /// Tunes that were found.
    pub tunes: usize,
    /// Tunes with a fault of each kind, or for [`Kind::Html`] and [`Kind::Text`] lines.
    pub counts: [usize; 7],
    /// The tunes that are left, each as [`parse`](super::parse()) would give it.
    pub kept: Vec<Tune>,
}

/// A tune with the number of each of its lines.
struct Numbered {
    text: String,
    lines: Vec<usize>,
}

/// Looks through files, each a name and its text. Tunes with faults of the kinds in `keep` are kept (of those that leave a tune out; a broken tune never is).
pub fn clean(files: &[(String, String)], keep: &[Kind]) -> Cleaning {
    let mut cleaning = Cleaning::default();
    let mut numbers: HashSet<u64> = files
        .iter()
        .flat_map(|(_, text)| text.split(['\n', '\r']))
        .filter_map(|line| line.strip_prefix("X:")?.trim().parse().ok())
        .collect();
    // Numbers below this one are taken.
    let mut free = 1;
    // Each melody that was kept: whose it is.
    let mut melodies: HashMap<String, (String, abc::Key)> = HashMap::new();
    for (file, text) in files {
        let mut doctor = Doctor { file, cleaning: &mut cleaning };
        let first = doctor.cleaning.findings.len();
        let mut number = || {
            while !numbers.insert(free) {
                free += 1;
            }
            free
        };
        for tune in doctor.tunes(text, &mut number) {
            doctor.tune(tune, keep, &mut melodies);
        }
        cleaning.findings[first..].sort_by_key(|finding| finding.line);
    }
    cleaning
}

struct Doctor<'a> {
    file: &'a str,
    cleaning: &'a mut Cleaning,
}

impl Doctor<'_> {
    fn say(&mut self, line: usize, kind: Kind, message: String) {
        self.cleaning.findings.push(Finding { file: self.file.to_string(), line, kind, message });
    }

    fn count(&mut self, kind: Kind) {
        self.cleaning.counts[kind as usize] += 1;
    }

    /// Cuts a text into tunes, without HTML and words between them.
    fn tunes(&mut self, text: &str, number_of: &mut dyn FnMut() -> u64) -> Vec<Numbered> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (number, line) in (1..).zip(text.split('\n')) {
            let plain = without_html(line);
            if plain != line {
                self.count(Kind::Html);
                let shown: String = line.trim().chars().take(60).collect();
                self.say(number, Kind::Html, format!("HTML in {shown:?}; it is taken out"));
                // A line that was nothing else is no blank line, which would end a tune.
                if plain.trim().is_empty() {
                    continue;
                }
            }
            lines.push((number, plain));
        }
        let headers = headers(&lines);
        let mut tunes: Vec<Numbered> = Vec::new();
        // Fields before the first tune.
        let mut preface: Vec<(usize, &str)> = Vec::new();
        // Whether a tune is under way, its music has begun, and a blank line stands before.
        let (mut open, mut music, mut blank) = (false, false, true);
        for (at, (number, line)) in lines.iter().enumerate() {
            if line.is_empty() {
                blank = true;
                continue;
            }
            let has_number = line.starts_with("X:");
            let header = headers[at];
            let headless =
                line.starts_with("T:") && (!open || music) && header.has_key && (blank || header.has_time);
            if has_number || headless {
                tunes.push(Numbered { text: String::new(), lines: Vec::new() });
                (open, music) = (true, false);
            }
            if headless {
                let new = number_of();
                self.count(Kind::Number);
                self.say(*number, Kind::Number, format!("a tune begins here without X:; it gets X:{new}"));
                tunes.iter_mut().rev().take(1).for_each(|tune| tune.push(*number, &format!("X:{new}")));
            }
            if !open && is_field(line) && !line.starts_with("T:") {
                preface.push((*number, line));
            }
            let words = !is_field(line) && !line.starts_with('%') && !line.trim().is_empty();
            if words && (!open || blank && music && !line.contains('|')) {
                self.count(Kind::Text);
                let shown: String = line.trim().chars().take(60).collect();
                self.say(*number, Kind::Text, format!("words between tunes, {shown:?}; they are taken out"));
                continue;
            }
            blank = false;
            // The header ends with K:, or where music begins without one.
            music |= open && (line.starts_with("K:") || words && line.contains('|'));
            tunes.iter_mut().rev().take(usize::from(open)).for_each(|tune| tune.push(*number, line));
        }
        if !preface.is_empty() {
            tunes.iter_mut().for_each(|tune| tune.inherit(&preface));
        }
        tunes
    }

    /// Looks at one tune, and keeps it where there is nothing against that.
    fn tune(&mut self, tune: Numbered, keep: &[Kind], melodies: &mut HashMap<String, (String, abc::Key)>) {
        self.cleaning.tunes += 1;
        let text = tune.text.trim_end().to_string() + "\n\n";
        let line =
            |line: usize| tune.lines.get(line.saturating_sub(1)).or(tune.lines.last()).copied().unwrap_or(1);
        let read = abc::read(&text);
        let Some(read) = read.first() else { return };
        let name = match read.header.title() {
            "" => format!("X:{}", read.header.text('X').unwrap_or_default()),
            title => format!("X:{} {title}", read.header.text('X').unwrap_or_default()),
        };
        let mut kinds: Vec<Kind> = Vec::new();
        for diagnostic in check(read).diagnostics {
            use Problem::*;
            let kind = match diagnostic.problem {
                _ if diagnostic.problem.severity() == Severity::Error => Kind::Broken,
                NoNotes => Kind::Broken,
                WrongBar { .. } | OpenPickUp { .. } | OpenEnd { .. } => Kind::Bars,
                UnclosedRepeat | NothingToRepeat | MissingEnding(..) | LoneEnding(_)
                | EndingNotRepeated(_) => Kind::Repeats,
                _ => continue,
            };
            kinds.push(kind);
            self.say(line(diagnostic.place.line), kind, format!("{name}: {}", diagnostic.problem));
        }
        kinds.sort_unstable();
        kinds.dedup();
        kinds.iter().for_each(|kind| self.count(*kind));
        if kinds.iter().any(|kind| *kind == Kind::Broken || !keep.contains(kind)) {
            return;
        }
        let melody = melody(read);
        let key = read.header.key;
        if let Some((first, its_key)) = melodies.get(&melody) {
            let other = if *its_key == key { "" } else { ", in another key" };
            let message = format!("{name}: the same notes as {first}{other}");
            self.count(Kind::Duplicate);
            self.say(line(1), Kind::Duplicate, message);
            if !keep.contains(&Kind::Duplicate) {
                return;
            }
        } else {
            melodies.insert(melody, (format!("{name} ({}:{})", self.file, line(1)), key));
        }
        self.cleaning.kept.push(Tune { text });
    }
}

impl Numbered {
    fn push(&mut self, number: usize, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines.push(number);
    }

    /// Puts fields that hold for a whole file before the tune's `K:`, or its music, where it has none of their letter.
    fn inherit(&mut self, preface: &[(usize, &str)]) {
        let lines: Vec<&str> = self.text.lines().collect();
        let header = lines.iter().position(|l| l.starts_with("K:") || l.contains('|') && !is_field(l));
        let header = header.unwrap_or(lines.len());
        let own =
            |field: &str| lines[..=header.min(lines.len() - 1)].iter().any(|l| l.starts_with(&field[..2]));
        let new: Vec<(usize, &str)> = preface.iter().copied().filter(|(_, field)| !own(field)).collect();
        let at = lines[..header].iter().map(|l| l.len() + 1).sum();
        self.text.insert_str(at, &new.iter().map(|(_, field)| format!("{field}\n")).collect::<String>());
        self.lines.splice(header..header, new.iter().map(|(number, _)| *number));
    }
}

/// The notes and rests of a tune as they are written, voice after voice: lengths, and distances from its first note. Grace notes, ties, bar
/// lines and repeats do not count.
fn melody(tune: &abc::Tune) -> String {
    let mut text = String::new();
    let mut first = None;
    for voice in &tune.voices {
        for event in voice.bars.iter().flat_map(|bar| &bar.events) {
            match &event.kind {
                EventKind::Note(note) => {
                    for head in &note.heads {
                        let pitch = head.pitch.midi();
                        let _ = write!(text, "{} ", pitch - *first.get_or_insert(pitch));
                    }
                    let _ = write!(text, "{},", note.length);
                }
                EventKind::Rest(rest) => _ = write!(text, "z{},", rest.length),
                _ => {}
            }
        }
        text.push('\n');
    }
    text
}

/// What the lines of a header from one of them on have among them.
#[derive(Clone, Copy, Default)]
struct HeaderLines {
    has_key: bool,
    /// A meter or a unit.
    has_time: bool,
}

/// For each line what the header says from there on: nothing where the line belongs to none.
fn headers(lines: &[(usize, String)]) -> Vec<HeaderLines> {
    let mut headers = vec![HeaderLines::default(); lines.len()];
    let mut after = HeaderLines::default();
    for ((_, line), header) in lines.iter().zip(&mut headers).rev() {
        let space = line.trim().is_empty() && !line.is_empty();
        let belongs = is_field(line) && !line.starts_with("X:") || line.starts_with('%') || space;
        let here = HeaderLines {
            has_key: after.has_key || line.starts_with("K:"),
            has_time: after.has_time || line.starts_with("M:") || line.starts_with("L:"),
        };
        after = if belongs { here } else { HeaderLines::default() };
        *header = after;
    }
    headers
}

/// Tags that a page has. Those of one letter could be notes between signs of broken rhythm, `A<b>c`.
const TAGS: [&str; 32] = [
    "html", "head", "body", "title", "meta", "link", "script", "style", "pre", "br", "hr", "div", "span",
    "table", "tbody", "tr", "td", "th", "ul", "ol", "li", "font", "center", "img", "code", "tt", "em",
    "strong", "h1", "h2", "h3", "h4",
];
const SHORT_TAGS: [&str; 6] = ["a", "b", "i", "p", "u", "s"];

const ENTITIES: [(&str, &str); 7] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&nbsp;", " "),
    ("&#39;", "'"),
    ("&apos;", "'"),
    ("&amp;", "&"),
];

/// A line without tags, its entities as the characters they stand for.
fn without_html(line: &str) -> String {
    let surely = is_field(line) || line.contains("</");
    // Nothing behind the last of these ends a tag, so that many of the others are not each looked through.
    let tags = line.rfind('>').map_or(0, |at| at + 1);
    let (line, behind) = line.split_at(tags);
    let last_comment = line.rfind("-->").unwrap_or(0);
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('<') {
        plain.push_str(&rest[..start]);
        let tag = &rest[start..];
        let commented = line.len() - tag.len() < last_comment;
        match tag_length(tag, surely, commented) {
            Some(length) => rest = &tag[length..],
            None => {
                plain.push('<');
                rest = &tag[1..];
            }
        }
    }
    plain.push_str(rest);
    plain.push_str(behind);
    if plain.contains('&') {
        for (entity, character) in ENTITIES {
            plain = plain.replace(entity, character);
        }
    }
    plain
}

/// The length of the tag that a text begins with, if it is one; `commented` says that the end of a comment follows.
fn tag_length(text: &str, surely: bool, commented: bool) -> Option<usize> {
    if text.starts_with("<!--") {
        return Some(text.find("-->").filter(|_| commented)? + 3);
    }
    let inner = text[1..].trim_start_matches(['/', '!']);
    let length = inner.bytes().take(8).take_while(u8::is_ascii_alphanumeric).count();
    let (name, after) = inner.split_at(length);
    let name = name.to_ascii_lowercase();
    let known = TAGS.contains(&name.as_str())
        || name == "doctype"
        || SHORT_TAGS.contains(&name.as_str()) && (surely || after.starts_with(' ') && after.contains('='));
    let tag = known && after.starts_with(['>', ' ', '/', '\t']);
    tag.then(|| text.find('>')).flatten().map(|end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doctor(text: &str) -> (Vec<(usize, Kind, String)>, Vec<String>) {
        let Cleaning { findings, kept, .. } = clean(&[("a.abc".into(), text.into())], &[]);
        let findings = findings.into_iter().map(|f| (f.line, f.kind, f.message)).collect();
        (findings, kept.into_iter().map(|tune| tune.text).collect())
    }

    const FINE: &str = "X:1\nT:One\nM:2/4\nL:1/8\nK:G\n|:GABc:|\n\n";

    #[test]
    fn what_is_fine_stays_as_it_is() {
        assert_eq!(doctor(FINE), (vec![], vec![FINE.to_string()]));
        let broken_rhythm = "X:1\nM:4/4\nL:1/8\nK:G\nA<B c>d e<f g>a|\n\n";
        assert_eq!(doctor(broken_rhythm), (vec![], vec![broken_rhythm.to_string()]));
    }

    #[test]
    fn html_goes() {
        let (found, kept) = doctor(
            "<html><body>\n<pre>\nX:1\nT:<b>One</b> &amp; all\nM:2/4\nL:1/8\nK:G\n|:GABc:|<br>\n</pre>\n\n<!-- end --></body>\n",
        );
        assert_eq!(kept, ["X:1\nT:One & all\nM:2/4\nL:1/8\nK:G\n|:GABc:|\n\n"]);
        assert_eq!(
            found.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>(),
            [1, 2, 4, 8, 9, 11].map(|line| (line, Kind::Html))
        );
        assert_eq!(found[2].2, "HTML in \"T:<b>One</b> &amp; all\"; it is taken out");
    }

    #[test]
    fn a_tune_without_its_number_gets_one() {
        let (found, kept) = doctor(
            "T:Two\nM:2/4\nL:1/8\nK:G\nGABd|\n\nX:1\nT:One\nT:also\nM:2/4\nL:1/8\nK:D\ndddf|\nT:Three\nM:2/4\nL:1/8\nK:D\ndd df|\nT:The end\nK:G\nd4|\n",
        );
        assert_eq!(
            found[..2].iter().map(|f| (f.0, f.1)).collect::<Vec<_>>(),
            [(1, Kind::Number), (14, Kind::Number)]
        );
        assert_eq!(found[0].2, "a tune begins here without X:; it gets X:2");
        assert_eq!(kept.iter().map(|k| &k[..3]).collect::<Vec<_>>(), ["X:2", "X:1", "X:3"]);
        // A title within the music begins no tune.
        assert!(kept[2].ends_with("dd df|\nT:The end\nK:G\nd4|\n\n"));
    }

    #[test]
    fn words_broken_tunes_and_wrong_bars_are_told_by_file_line_and_sentence() {
        let text = format!(
            "A collection\n\n{FINE}Played by ear.\n\nX:2\nM:2/4\nL:1/8\nK:G\nGABc|GAB|GABc|\n\nX:3\nM:2/4\nL:1/8\nK:G\nGA?c|\n\nX:4\nK:G\n\nX:5\nM:2/4\nL:1/8\nK:G\n|:GAGA|\n\n"
        );
        let (found, kept) = doctor(&text);
        let places: Vec<_> = found.iter().map(|f| (f.0, f.1)).collect();
        assert_eq!(kept, [FINE]);
        let line = |of: &str| 1 + text.lines().position(|l| l == of).unwrap();
        assert_eq!(places[..2], [(1, Kind::Text), (line("Played by ear."), Kind::Text)]);
        assert!(places.contains(&(line("GABc|GAB|GABc|"), Kind::Bars)), "{found:?}");
        assert!(places.contains(&(line("GA?c|"), Kind::Broken)), "{found:?}");
        assert!(places.contains(&(line("X:4"), Kind::Broken)), "{found:?}");
        assert!(places.contains(&(line("|:GAGA|"), Kind::Repeats)), "{found:?}");
        let (_, _, repeat) = found.iter().find(|f| f.1 == Kind::Repeats).unwrap();
        assert!(repeat.starts_with("X:5: "), "{repeat}");
    }

    #[test]
    fn wrong_bars_are_left_out_unless_kept() {
        let text = "X:1\nM:2/4\nL:1/8\nK:G\nGABc|GABcd|GABc|]\n\n";
        let files = [("a.abc".to_string(), text.to_string())];
        let Cleaning { findings, counts, kept, .. } = clean(&files, &[]);
        assert_eq!((findings.len(), findings[0].line, findings[0].kind, kept.len()), (1, 5, Kind::Bars, 0));
        assert_eq!(counts, [0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(clean(&files, &[Kind::Bars]).kept.len(), 1);
    }

    /// What stands between two marks that make no decoration is music.
    #[test]
    fn tunes_that_differ_between_marks_are_no_duplicates() {
        let tune = |x: u8, music: &str| format!("X:{x}\nM:2/4\nL:1/8\nK:G\n{music}|\n\n");
        let different = tune(1, "GA!B c!|G2G2") + &tune(2, "GA!d d!|G2G2") + &tune(3, "GA+Bd+d|G2G2");
        assert_eq!(doctor(&different).1.len(), 3, "{:?}", doctor(&different).0);
        let same = tune(1, "GA+fermata+B2|!accent!G2G2") + &tune(2, "GAB2|G2G2");
        assert_eq!(doctor(&same).1.len(), 1);
    }

    #[test]
    fn fields_before_the_first_tune_hold_for_all() {
        let music = "|:GAB:|";
        let (found, kept) = doctor(&format!(
            "M:3/8\nL:1/8\n% all\n\nX:1\nT:A\nK:G\n{music}\n\nX:2\nM:3/4\nL:1/4\nK:D\n{music}\n\nX:3\nK:G\nGABc|\n"
        ));
        let inherited = format!("X:1\nT:A\nM:3/8\nL:1/8\nK:G\n{music}\n\n");
        assert_eq!(kept, [inherited, format!("X:2\nM:3/4\nL:1/4\nK:D\n{music}\n\n")]);
        // By the file's meter the third tune's bar is too long, and told with its own line.
        assert_eq!(found.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>(), [(18, Kind::Bars)]);
    }

    #[test]
    fn long_files_take_no_longer_than_they_are() {
        let began = std::time::Instant::now();
        for text in ["T:x\n", "<a<br<!--", "T:x\nM:1/8\nK:C\nA|\n\n", "{[K:<\"\"", "\n\n|"] {
            doctor(&format!("X:1\nK:C\n{}", text.repeat(2_000_000 / text.len() / 10)));
        }
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    #[test]
    fn duplicates_are_found_in_other_keys_files_and_titles() {
        let again = FINE.replace("X:1\nT:One", "X:9\nT:Again");
        let higher = again.replace("K:G\n|:GABc:|", "K:A\n\"A\"AB cd|");
        let files = [("a.abc".to_string(), FINE.to_string()), ("b.abc".to_string(), again + &higher)];
        let Cleaning { findings, kept, tunes, counts } = clean(&files, &[]);
        assert_eq!((kept.len(), tunes, counts), (1, 3, [0, 0, 0, 0, 0, 0, 2]));
        let said: Vec<_> = findings.iter().map(|f| (f.file.as_str(), f.line, f.message.as_str())).collect();
        assert_eq!(
            said,
            [
                ("b.abc", 1, "X:9 Again: the same notes as X:1 One (a.abc:1)"),
                ("b.abc", 8, "X:9 Again: the same notes as X:1 One (a.abc:1), in another key")
            ]
        );
        assert_eq!(clean(&files, &[Kind::Duplicate]).kept.len(), 3);
    }
}
