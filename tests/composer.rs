//! The composed corpus is what it says: reproducible, every bar full, varied, and small in alphabet.

use std::collections::{BTreeSet, HashSet};

use hornpipe::corpus::composer::{BUILT_IN, BUILT_IN_LICENCE, compose, compose_tune};

/// Parts of a whole note that lengths are counted in: divisible by sixteenths and by triplet eighths.
const WHOLE: u32 = 96;

fn tunes(text: &str) -> Vec<&str> {
    text.split("\n\n").collect()
}

fn field(tune: &str, name: char) -> &str {
    tune.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).expect("the header is there")
}

/// The unit of length and the length of a bar.
fn lengths(tune: &str) -> (u32, u32) {
    let part = |text: &str| -> u32 {
        let (over, under) = text.split_once('/').expect("a fraction");
        over.parse::<u32>().unwrap() * WHOLE / under.parse::<u32>().unwrap()
    };
    (part(field(tune, 'L')), part(field(tune, 'M')))
}

/// What stands between two bar lines, and the bar line after it.
struct Segment {
    length: u32,
    close: String,
}

/// Reads the music of a tune: lengths between bar lines. Knows only what ABC says, nothing of how tunes are composed.
fn segments(tune: &str, unit: u32) -> Vec<Segment> {
    let music: String = tune
        .lines()
        .skip_while(|l| !l.starts_with("K:"))
        .skip(1)
        .flat_map(|l| l.chars().chain(['\n']))
        .collect();
    let chars: Vec<char> = music.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut length, mut triplet) = (0, 0, 0);
    // What a `>` took from the note after it.
    let mut owed = 0;
    while at < chars.len() {
        match chars[at] {
            '"' => at += 2 + chars[at + 1..].iter().position(|&c| c == '"').expect("a closing quote"),
            '|' | ':' | ']' | '[' => {
                let from = at;
                while at < chars.len() && "|:[] 12".contains(chars[at]) {
                    at += 1;
                }
                let close: String = chars[from..at].iter().collect();
                found.push(Segment { length, close: close.trim().to_string() });
                assert_eq!((triplet, owed), (0, 0), "a triplet or broken pair crosses a bar line: {tune}");
                length = 0;
            }
            '(' => {
                assert_eq!(chars[at + 1], '3', "{tune}");
                triplet = 3;
                at += 2;
            }
            '^' | '_' | '=' => {
                at += 1;
                assert!(chars[at].is_ascii_alphabetic());
            }
            'A'..='G' | 'a'..='g' => {
                at += 1;
                while at < chars.len() && (chars[at] == '\'' || chars[at] == ',') {
                    at += 1;
                }
                let number = |at: &mut usize| {
                    let from = *at;
                    while chars[*at].is_ascii_digit() {
                        *at += 1;
                    }
                    chars[from..*at].iter().collect::<String>().parse::<u32>().ok()
                };
                let over = number(&mut at).unwrap_or(1);
                let mut under = 1;
                if chars[at] == '/' {
                    at += 1;
                    under = number(&mut at).unwrap_or(2);
                }
                assert_eq!(over * unit % under, 0, "{tune}");
                let mut note = over * unit / under;
                if triplet > 0 {
                    triplet -= 1;
                    note = note * 2 / 3;
                }
                note -= std::mem::take(&mut owed);
                if chars[at] == '>' {
                    at += 1;
                    owed = note / 2;
                    note += note / 2;
                }
                length += note;
            }
            ' ' | '\n' => at += 1,
            other => panic!("{other:?} in {tune}"),
        }
    }
    found
}

/// Asserts that all bars are full, and returns the bars of each strain.
fn check_bars(tune: &str) -> Vec<usize> {
    let (unit, bar) = lengths(tune);
    let segments = segments(tune, unit);
    assert_eq!(segments[0].close, "|:", "{tune}");
    let mut strains = Vec::new();
    let (mut pickup, mut bars, mut opening, mut endings) = (0, 0, true, 0);
    for segment in &segments[1..] {
        let Segment { length, close } = segment;
        if close == "|:" && opening {
            assert_eq!(*length, 0, "{tune}");
            continue;
        }
        // The bar before a repeat or before the end of a strain is completed by the pick-up.
        let completing = close.starts_with(":|") || close.starts_with("||") || close.starts_with("|]");
        if opening && *length < bar && !completing {
            pickup = *length;
        } else if completing {
            assert_eq!(length + pickup, bar, "the end of a strain in {tune}");
            bars += 1;
            endings += 1;
        } else {
            assert_eq!(*length, bar, "bar {} in {tune}", bars + 1);
            bars += 1;
        }
        opening = false;
        let two = close.ends_with('2');
        if completing && !two {
            strains.push(bars + 1 - endings);
            (pickup, bars, opening, endings) = (0, 0, true, 0);
        }
    }
    assert!(opening, "the last strain is closed: {tune}");
    strains
}

#[test]
fn the_built_in_corpus_is_composed_again_byte_for_byte() {
    let again = compose(400, 1);
    // Not assert_eq: nobody reads 120 kB of difference.
    let differs = again.lines().zip(BUILT_IN.lines()).position(|(a, b)| a != b);
    assert_eq!(differs, None, "the first line that differs from data/hornpipe.abc");
    assert!(again == BUILT_IN);
    assert!((100_000..140_000).contains(&BUILT_IN.len()), "{} bytes", BUILT_IN.len());
    assert!(BUILT_IN_LICENCE.contains("CC0 1.0"));
}

#[test]
fn every_bar_is_full() {
    let mut strains_seen = BTreeSet::new();
    for seed in 2..12 {
        for number in 1..=400 {
            let tune = compose_tune(number, seed);
            let strains = check_bars(&tune);
            assert!((2..=3).contains(&strains.len()), "{tune}");
            assert!(strains.iter().all(|&bars| bars == strains[0]), "{strains:?} {tune}");
            strains_seen.insert((strains.len(), strains[0]));
        }
    }
    let expected = [(2, 4), (2, 8), (2, 16), (3, 4), (3, 8), (3, 16)];
    assert_eq!(strains_seen, BTreeSet::from(expected));
}

#[test]
fn the_bar_counter_finds_wrong_bars() {
    let tune = |music: &str| format!("X: 1\nM:6/8\nL:1/8\nK:G\n{music}\n");
    let right = "|:D|\"G\"GAB d>ed/2(3efg|1G3 G2:|2GBd g2||\n|:d|g3 d3|[1G3 G2:|[2G3 G2|]";
    // A sixth of the first bar's six eighths are the triplet's own.
    let right = right.replace("d>ed/2(3efg", "d>ed/2e/2").replace("|1", "|(3ABcd f3|1");
    assert_eq!(check_bars(&tune(&right)), [3, 2]);
    for wrong in [
        right.replacen("G2:|", "G3:|", 1),
        right.replacen("g2|", "g|", 1),
        right.replacen("GAB", "GABc", 1),
        right.replacen("f3", "f2", 1),
        right.replacen("|:D|", "|:", 1),
    ] {
        assert!(std::panic::catch_unwind(|| check_bars(&tune(&wrong))).is_err(), "{wrong}");
    }
}

#[test]
fn the_alphabet_is_modest() {
    let vocabulary: BTreeSet<char> = BUILT_IN.chars().chain(compose(2000, 77).chars()).collect();
    assert!(vocabulary.iter().all(|c| c.is_ascii_graphic() || " \n".contains(*c)), "{vocabulary:?}");
    assert!(vocabulary.len() < 93, "{}", vocabulary.len());
}

#[test]
fn titles_and_music_are_unique() {
    let titles: HashSet<&str> = tunes(BUILT_IN).into_iter().map(|t| field(t, 'T')).collect();
    let music: HashSet<&str> = tunes(BUILT_IN).into_iter().map(|t| t.split_once("K:").unwrap().1).collect();
    assert_eq!((titles.len(), music.len()), (400, 400));
}

#[test]
fn all_dances_metres_modes_and_endings_are_there() {
    let values = |name| -> BTreeSet<&str> { tunes(BUILT_IN).into_iter().map(|t| field(t, name)).collect() };
    assert_eq!(values('R'), BTreeSet::from(["hornpipe", "jig", "polka", "reel", "slip jig", "waltz"]));
    assert_eq!(values('M'), BTreeSet::from(["2/2", "2/4", "3/4", "4/4", "6/8", "9/8"]));
    assert_eq!(values('L'), BTreeSet::from(["1/4", "1/8"]));
    let keys = values('K');
    for key in ["G", "D", "A", "C", "F", "Bb", "Em", "Am", "Dm", "Bm", "Ador", "Edor", "Dmix", "Amix"] {
        assert!(keys.contains(key), "{key}");
    }
    for mark in ["|1", ":|2", "[1", ":|[2", "(3", ">", "3/2", "^", "=", "_"] {
        assert!(BUILT_IN.contains(mark), "{mark}");
    }
    let two = tunes(BUILT_IN).iter().filter(|t| t.contains(":|2") || t.contains(":|[2")).count();
    assert!((80..320).contains(&two), "{two} tunes with first and second endings");
}

#[test]
fn tunes_are_numbered_from_one() {
    for (i, tune) in tunes(BUILT_IN).into_iter().enumerate() {
        assert_eq!(field(tune, 'X'), format!(" {}", i + 1));
    }
}
