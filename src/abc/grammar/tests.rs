//! Whatever writes within the grammar, its tunes pass the check.

use super::*;
use crate::abc::{Tune, check, read, strains};
use crate::random::{Purpose, below, generator, uniform};
use proptest::prelude::*;

const CHARACTERS: &str =
    "\n !\"#%'(),-./0123456789:<=>ABCDEFGHIKLMNOPQRSTVXZ[\\]^_abcdefghijklmnoprstuvwxyz{|}~";

fn rules(constraints: &Constraints, characters: &str) -> Arc<Rules> {
    Arc::new(Rules::new(constraints, characters.chars(), &[]).unwrap())
}

/// Writes a tune: always the first allowed character in the order that `prefer` puts them in, given the last one.
fn write(mut grammar: Grammar, room: usize, mut prefer: impl FnMut(char, &mut Vec<char>)) -> String {
    let mut text = String::new();
    let mut written = 0;
    while !grammar.is_finished() {
        written += 1;
        let left = room.checked_sub(written).expect("a tune ends within its room");
        let mut order = Vec::new();
        prefer(text.chars().last().unwrap_or('\n'), &mut order);
        let next = order.iter().find_map(|&c| Some((c, grammar.after(c, left)?)));
        let (c, after) = next.unwrap_or_else(|| panic!("nothing may follow {text:?}, {left} left"));
        text.push(c);
        grammar = after;
    }
    text
}

/// A writer with habits: by chance, and sharply so, it likes some characters better after some others.
fn habits(characters: &str, seed: u64) -> impl FnMut(char, &mut Vec<char>) {
    let mut rng = generator(seed, Purpose::Sampling { tune: 0 });
    let characters: Vec<char> = characters.chars().collect();
    let sharpness = [0.0, 0.3, 1.0, 5.0][below(&mut rng, 4) as usize];
    let table: Vec<f32> = (0..128 * 128).map(|_| uniform(&mut rng)).collect();
    move |last, order| {
        let place = |c: char| c as usize % 128;
        let mut keyed: Vec<(f32, char)> = characters
            .iter()
            .map(|&c| (sharpness * table[place(last) * 128 + place(c)] + uniform(&mut rng), c))
            .collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
        order.extend(keyed.iter().map(|(_, c)| *c));
    }
}

/// The tune of a text that must pass, with nothing at all said of it.
fn right(text: &str) -> Tune {
    assert!(text.ends_with("\n\n") && !text.trim_end().contains("\n\n"), "{text}");
    let tunes = read(text);
    assert_eq!(tunes.len(), 1, "{text}");
    let report = check(&tunes[0]);
    assert!(report.passes() && report.diagnostics.is_empty(), "{text}\n{:?}", report.diagnostics);
    assert_eq!(report.bars, report.full + report.completed, "{text}");
    tunes[0].clone()
}

/// Bars as they are played without repeats: second endings and pick-ups do not count.
fn bars(tune: &Tune) -> usize {
    let bars = &tune.voices[0].bars;
    let full = |i: usize| bars[i].length() == bars[i].meter.unwrap().length();
    strains(bars)
        .iter()
        .map(|strain| {
            let last = strain.endings.first().map_or(strain.bars.end, |e| e.end);
            last - strain.bars.start - usize::from(!full(strain.bars.start))
        })
        .sum()
}

const METERS: [&str; 16] = [
    "4/4", "3/4", "6/8", "9/8", "2/4", "12/8", "3/8", "2/2", "C", "C|", "5/4", "7/8", "3/2", "6/4", "5/8",
    "15/8",
];

fn constraints() -> impl Strategy<Value = Constraints> {
    let keys =
        proptest::option::of(proptest::sample::select(vec!["G", "F#m", "Ador", "Bb", "D mixolydian", "Em"]));
    let meters = proptest::option::of(proptest::sample::select(METERS.to_vec()));
    let texts = proptest::option::of(proptest::sample::select(vec!["reel", "slow air"]));
    (keys, meters, texts, proptest::option::of(1u32..40)).prop_map(|(key, meter, rhythm, bars)| Constraints {
        key: key.map(str::to_string),
        meter: meter.map(str::to_string),
        title: rhythm.map(|r| format!("The {r} at midnight")),
        rhythm: rhythm.map(str::to_string),
        bars,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_tune_passes(constraints in constraints(), spare in 0usize..600, seed: u64) {
        let grammar = Grammar::new(rules(&constraints, CHARACTERS));
        let room = grammar.shortest().unwrap() as usize + spare;
        let text = write(grammar, room, habits(CHARACTERS, seed));
        let tune = right(&text);
        if let Some(key) = &constraints.key {
            prop_assert_eq!(Some(tune.header.key), crate::abc::Key::parse(key));
        }
        if let Some(meter) = &constraints.meter {
            for bar in &tune.voices[0].bars {
                prop_assert_eq!(bar.meter, crate::abc::Meter::parse(meter).unwrap());
            }
        }
        for (name, wanted) in [('R', &constraints.rhythm), ('T', &constraints.title)] {
            prop_assert!(wanted.is_none() || tune.header.text(name) == wanted.as_deref());
        }
        prop_assert!(constraints.bars.is_none_or(|wanted| bars(&tune) == wanted as usize), "{}", text);
    }

    #[test]
    fn with_few_characters_too(characters in "[ 0-9/()\\[\\]>{}\"'^,~2:]{0,8}[A-Ga-g]", meter in 0usize..METERS.len(), seed: u64) {
        let characters: String = format!("X1:\nMK|/48CDEG{}{characters}", METERS[meter]);
        let constraints = Constraints { meter: Some(METERS[meter].to_string()), ..Constraints::default() };
        // Some cannot fill a bar, and say so.
        if let Ok(rules) = Rules::new(&constraints, characters.chars(), &[]) {
            right(&write(Grammar::new(Arc::new(rules)), 300, habits(&characters, seed)));
        }
    }

    #[test]
    fn a_tune_goes_on_from_wherever_it_stands(tune in 0usize..400, at in 0.0f64..1.0, seed: u64) {
        let text = crate::corpus::composer::BUILT_IN.split("\n\n").nth(tune).unwrap().trim_end();
        let at = (text.len() as f64 * at) as usize;
        let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
        grammar.read(&text[..at]).unwrap();
        right(&format!("{}{}", &text[..at], write(grammar, 400, habits(CHARACTERS, seed))));
    }
}

/// Where the header gives an order of parts, what is played before a strain is not what stands before it.
#[test]
fn a_tune_with_an_order_of_parts_passes() {
    // A pick-up by itself, which the order of parts leads back to.
    for (order, fine) in [("", true), ("P:AABB\n", false)] {
        let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
        let begun = format!("X:1\nM:4/4\nL:1/4\n{order}K:C\nP:A\nC|:CDEF|CDEF:|\n");
        assert_eq!(grammar.read(&begun).is_ok(), fine, "{begun}");
    }
    for (at, order) in ["AABB", "ABAC", "BA", "A2(BC)2", "A"].iter().cycle().take(300).enumerate() {
        for begun in ["", "P:A\n", "P:B\nc|"] {
            let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
            let given = format!("X:1\nM:4/4\nL:1/4\nP:{order}\nK:C\n{begun}");
            if grammar.read(&given).is_err() {
                assert!(begun.contains('B') && !order.contains('B'), "{given}");
                continue;
            }
            let mut liked = habits(CHARACTERS, at as u64);
            // A writer that likes parts, repeats and pick-ups.
            let written = write(grammar, 300, |last, order| {
                liked(last, order);
                let first = if last == '\n' { "P" } else { "|:" };
                order.sort_by_key(|c| !(first.contains(*c) && at % 2 == 0));
            });
            let text = given + &written;
            let tune = &read(&text)[0];
            assert!(check(tune).passes(), "{text}\n{:?}", check(tune).diagnostics);
            let missing =
                |d: &crate::abc::Diagnostic| matches!(d.problem, crate::abc::Problem::MissingPart(_));
            assert!(tune.diagnostics.iter().all(missing), "{text}\n{:?}", tune.diagnostics);
            // What is chosen begins only parts that the order plays, each once.
            let begun: Vec<&str> =
                text.lines().filter_map(|line| line.strip_prefix("P:")).map(str::trim).skip(1).collect();
            let chosen = &begun[begun.len() - written.matches("P:").count()..];
            for (place, letter) in chosen.iter().enumerate() {
                assert!(order.contains(letter) && !chosen[..place].contains(letter), "{text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is given, however odd: it is refused, or a tune goes on from it within the least room.
    #[test]
    fn what_is_given_is_refused_or_goes_on(
        tune in 0usize..400, at in 0.0f64..1.0, odd in "[ A-Za-z:|\"!%(){}\\[\\]0-9/\\\\\n'+-]{0,3}", blank in 0usize..200, spare in 0usize..40, seed: u64,
    ) {
        let text = crate::corpus::composer::BUILT_IN.split("\n\n").nth(tune).unwrap().trim_end();
        let given = format!("{}{odd}{}", &text[..(text.len() as f64 * at) as usize], if blank > 90 { " ".repeat(blank) } else { String::new() });
        let rules = Rules::new(&Constraints::default(), CHARACTERS.chars(), &[&given]).unwrap();
        let mut grammar = Grammar::new(Arc::new(rules));
        if grammar.read(&given).is_ok() && grammar.allows_any(&given, 10_000).is_ok() {
            let room = grammar.shortest().unwrap() as usize + spare;
            let text = given + &write(grammar, room, habits(CHARACTERS, seed));
            prop_assert!(check(&read(&text)[0]).passes(), "{}\n{:?}", text, check(&read(&text)[0]).diagnostics);
        }
    }
}

/// A title of nothing but spaces wants more, however long it is; with less room than that a text is refused.
#[test]
fn a_given_text_may_stop_anywhere() {
    let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
    let given = format!("X:1\nT:{}", " ".repeat(90));
    grammar.read(&given).unwrap();
    assert_eq!(grammar.allows_any(&given, 1000), Ok(()));
    write(grammar.clone(), 200, habits(CHARACTERS, 1));
    assert!(matches!(grammar.allows_any(&given, 3), Err(GrammarError::Room { room: 3, .. })));
    let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
    // Part A is there, so that no part A can follow.
    let given = "X:1\nM:4/4\nL:1/4\nK:C\nP:A\nCDEF|\nP:A";
    grammar.read(given).unwrap();
    let error = grammar.allows_any(given, 1000).unwrap_err().to_string();
    assert!(error.contains("end of the given text (line 7, column 4)"), "{error}");
}

/// How many of these texts the grammar reads to the end, of those that pass the check.
fn readable<'a>(texts: impl Iterator<Item = &'a str>) -> (usize, usize, Vec<String>) {
    let (mut all, mut whole, mut refusals) = (0, 0, Vec::new());
    for text in texts {
        let text = format!("{}\n", text.trim());
        let tunes = read(&text);
        if tunes.len() != 1 || !check(&tunes[0]).passes() {
            continue;
        }
        all += 1;
        let characters: Vec<char> = text.chars().collect();
        let rules =
            Rules::new(&Constraints::default(), characters.into_iter().chain(CHARACTERS.chars()), &[&text]);
        match Grammar::new(Arc::new(rules.unwrap())).read(&format!("{text}\n")) {
            Ok(()) => whole += 1,
            Err(error) => refusals.push(format!("{} {error}", text.lines().next().unwrap_or_default())),
        }
    }
    (all, whole, refusals)
}

#[test]
fn every_built_in_tune_is_in_the_grammar() {
    let (all, whole, refusals) = readable(crate::corpus::composer::BUILT_IN.split("\n\n"));
    assert_eq!((all, whole), (400, 400), "{refusals:#?}");
}

#[test]
fn most_of_nottingham_is_in_the_grammar() {
    let Ok(path) = std::env::var("HORNPIPE_NOTTINGHAM") else {
        eprintln!("HORNPIPE_NOTTINGHAM is not set; skipped");
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let (all, whole, refusals) = readable(text.split("\n\n\n"));
    println!("{whole} of {all}");
    refusals.iter().take(80).for_each(|r| println!("{r}"));
    assert!(all > 500 && whole * 4 >= all * 3, "{whole} of {all}");
}

/// Whether the grammar reads this body of a tune in 4/4 and 1/4 to its end.
fn reads(body: &str) -> bool {
    let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
    grammar.read(&format!("X:1\nM:4/4\nL:1/4\nK:C\n{body}\n\n")).is_ok()
}

#[test]
fn what_is_right_is_read_and_nothing_else() {
    for body in [
        "CDEF|",
        "CDEF",
        "CDEF|]",
        "|:CDEF:|",
        "CDEF:|",
        "|:CDEF::CDEF:|",
        "C|CDEF|CDE:|",
        "C|CDEF|CDE||C|CDEF|CDE||",
        "C|CDEF|CDE||",
        "|:CDEF|1C4:|2D4|",
        "|:CDEF| [1C4:|\n [2D4||",
        "C|CDEF|CDEF||",
        "C|:CDEF|CDE:|",
        "(3CDEF2>D/2E/2-|E4|",
        "\"Am7\"C2(3DEF|",
        "{ag}[CEG]2~A2|",
        "(CD)EF|",
        "P:A\nCDEF|\nP:B\nCDEF|",
        "C3/D/ E//F///G2|",
    ] {
        let fine = check(&read(&format!("X:1\nM:4/4\nL:1/4\nK:C\n{body}\n\n"))[0]).passes();
        assert_eq!((body, reads(body)), (body, fine && body.contains('|') && !body.contains("///")));
    }
    for body in [
        "CDE|",
        "CDEFG|",
        "|:CDEF|",
        "|:CDEF|:CDEF:|",
        "CDEF|1C4|",
        "CDEF|1C4:|",
        "C|CDEF|CDEF:|",
        "C|CDEF|CD:|",
        "(3CD EF|",
        "C>|",
        "CD(EF|",
        "{ag}|",
        "CDEF",
        "[CE|",
        "^|",
        "",
        "z4|",
        ":|",
        "CDEF|2C4|",
    ] {
        assert!(!reads(body), "{body}");
    }
}

/// A text that is given may slur two notes with the sign of a tie, as people do; what is chosen ties the same pitch.
#[test]
fn a_tie_leads_to_the_same_pitch() {
    assert!(reads("CDEF-|F4|") && reads("CDEF-|G4|"));
    let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
    grammar.read("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|").unwrap();
    for c in "CDEF-|".chars() {
        grammar = grammar.after(c, 1000).unwrap();
    }
    assert!(grammar.after('F', 1000).is_some() && grammar.after('G', 1000).is_none());
}

/// A text that is given may hold anything between quotation marks; what is chosen names a chord.
#[test]
fn a_chosen_symbol_is_a_chord() {
    assert!(reads("\"H\"CDEF|"));
    let mut grammar = Grammar::new(rules(&Constraints::default(), CHARACTERS));
    grammar.read("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|").unwrap();
    grammar = grammar.after('"', 1000).unwrap();
    assert!(grammar.after('C', 1000).is_some() && grammar.after('H', 1000).is_none());
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |constraints: Constraints, characters: &str| {
        Rules::new(&constraints, characters.chars(), &[]).unwrap_err().to_string()
    };
    let text = |text: &str| Some(text.to_string());
    let with = Constraints::default;
    assert!(
        refused(Constraints { bars: Some(0), ..with() }, CHARACTERS)
            .contains("number of bars \"0\" does not do")
    );
    assert!(
        refused(Constraints { key: text("H"), ..with() }, CHARACTERS)
            .contains("give a key such as G, F#m or Ador")
    );
    for meter in ["4/5", "none", "6", ""] {
        assert!(
            refused(Constraints { meter: text(meter), ..with() }, CHARACTERS)
                .contains("give a meter such as")
        );
    }
    assert!(refused(Constraints { title: text("50 %"), ..with() }, CHARACTERS).contains("title"));
    assert!(
        refused(Constraints { title: text("Ä"), ..with() }, CHARACTERS)
            .contains("its training text has no 'Ä'")
    );
    assert!(refused(with(), "X:1\nMK").contains("no '|'"));
    assert!(refused(with(), "X:1\nMK|").contains("a letter from A to G"));
    // Nothing that fills a bar of 6/8.
    assert!(refused(Constraints { meter: text("6/8"), ..with() }, "X:1\nMK|/G").contains("6/8"));
    let long = Constraints { bars: Some(100), ..with() };
    assert!(Grammar::new(rules(&long, CHARACTERS)).shortest().unwrap() > 200);
}

#[test]
fn a_given_text_must_be_right_as_far_as_it_goes() {
    let read =
        |constraints: Constraints, text: &str| Grammar::new(rules(&constraints, CHARACTERS)).read(text);
    let text = "X:1\nT:A\nM:4/4\nL:1/4\nK:C\nCDEF|CDE|";
    let error = read(Constraints::default(), text).unwrap_err();
    assert!(matches!(error, GrammarError::Given { line: 6, column: 9, .. }), "{error}");
    assert!(error.to_string().contains("line 6, column 9 of the given text ('|')"), "{error}");
    assert!(read(Constraints { bars: Some(1), ..Constraints::default() }, "X:1\nM:4/4\nK:C\nC8|C").is_err());
    assert!(
        read(Constraints { key: Some("D".into()), ..Constraints::default() }, "X:1\nM:4/4\nK:C\n").is_err()
    );
    assert!(read(Constraints::default(), "X:1\nM:4/4\nK:C\nC8|\n\nX:2").is_err());
    assert_eq!(read(Constraints::default(), ""), Ok(()));
}
