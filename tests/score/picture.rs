//! SVG, PNG and PDF: what they are, and what the command writes and refuses.

use super::support::{Folder, hornpipe, refused_with, succeeds};
use super::{tune_of, turn};
use hornpipe::abc::score::{Book, Engraver};
use hornpipe::abc::{Tune, read};
use hornpipe::corpus::composer::BUILT_IN;
use resvg::tiny_skia::Pixmap;
use std::fs;
use std::ops::Range;

const TUNE: &str = "X:1\nT:A & B\nC:Trad.\nM:4/4\nL:1/8\nK:G\n|:D2|\"G\"G2 GA B2 BA|\"Am7\"A2 AB \"D/F#\"A2 B^c|[1\"F#m\"f2 z2 G4:|\
    [2\"Bb\"_B4 G4|]\n";

/// How many staves of a picture go through its middle: five dark rows at equal distances.
fn staves(picture: &Pixmap) -> usize {
    let middle = picture.width() * 2 / 5..picture.width() * 3 / 5;
    let dark = |y: u32| middle.clone().all(|x| picture.pixel(x, y).is_some_and(|p| p.red() < 160));
    let mut lines: Vec<(u32, u32)> = Vec::new();
    for y in (0..picture.height()).filter(|y| dark(*y)) {
        match lines.last_mut() {
            Some((_, last)) if *last + 1 == y => *last = y,
            _ => lines.push((y, y)),
        }
    }
    assert_eq!(lines.len() % 5, 0, "{lines:?}");
    for staff in lines.chunks(5) {
        assert!(staff.windows(2).all(|w| (14..=18).contains(&(w[1].0 - w[0].0))), "{staff:?}");
    }
    lines.len() / 5
}

/// How many pixels of a part of the picture are dark.
fn ink(picture: &Pixmap, columns: Range<u32>, rows: Range<u32>) -> usize {
    let pixels = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
    pixels.filter(|(x, y)| picture.pixel(*x, *y).is_some_and(|p| p.red() < 100)).count()
}

/// How often a page object stands in a PDF.
fn pages(pdf: &[u8]) -> usize {
    assert!(pdf.starts_with(b"%PDF-1.") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type /Page\n").count()
}

fn built_in() -> Vec<Tune> {
    read(BUILT_IN).into_iter().take(12).collect()
}

#[test]
fn pictures_have_staves_and_text() {
    let _turn = turn();
    let mut engraver = Engraver::new().unwrap();
    for tune in built_in().iter().chain([&tune_of(TUNE)]) {
        let page = engraver.page(tune).unwrap();
        let svg = page.svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let title = document.descendants().find(|n| n.has_tag_name("title")).and_then(|n| n.text());
        assert_eq!(title, Some(tune.header.title()));
        // Letters are shapes.
        assert!(!document.descendants().any(|n| n.has_tag_name("text") || n.has_tag_name("style")));
        assert!(svg.len() < 500_000, "{}", svg.len());
        let picture = Pixmap::decode_png(&page.png().unwrap()).unwrap();
        assert_eq!(picture.width(), 2100);
        assert!((1..=16).contains(&staves(&picture)), "{title:?}: {}", staves(&picture));
        assert!(picture.pixels().iter().all(|p| p.alpha() == 255));
        // The title, above the first staff and in the middle.
        let title = |columns| ink(&picture, columns, 30..100);
        assert!(title(800..1300) > 200 && title(0..300) == 0, "{}", tune.header.title());
    }
}

/// The same picture each time, and whatever was engraved before.
#[test]
fn pictures_come_out_the_same() {
    let _turn = turn();
    let tune = tune_of(TUNE);
    let mut engraver = Engraver::new().unwrap();
    let first = engraver.page(&tune).unwrap().svg();
    engraver.page(&built_in()[0]).unwrap();
    assert_eq!(engraver.page(&tune).unwrap().svg(), first);
    assert_eq!(Engraver::new().unwrap().page(&tune).unwrap().svg(), first);
}

/// Sharps and flats of chord names are signs that letters have not.
#[test]
fn chord_names_have_their_sharps() {
    let _turn = turn();
    let mut engraver = Engraver::new().unwrap();
    let mut above = |chord: &str| {
        let tune = tune_of(&format!("X:1\nM:4/4\nL:1/4\nK:C\n\"{chord}\"BBBB|]\n"));
        let picture = Pixmap::decode_png(&engraver.page(&tune).unwrap().png().unwrap()).unwrap();
        ink(&picture, 0..picture.width(), 0..picture.height())
    };
    let (plain, sharp, flat, minor) = (above("F"), above("F#"), above("Fb"), above("F#m"));
    assert!(plain + 30 < sharp && plain + 30 < flat && sharp + 30 < minor, "{plain} {sharp} {flat} {minor}");
}

#[test]
fn a_book_has_all_tunes() {
    let _turn = turn();
    let mut engraver = Engraver::new().unwrap();
    let mut book = Book::new();
    let tunes = built_in();
    for tune in &tunes {
        book.add(&mut engraver, tune).unwrap();
    }
    let pdf = book.pdf().unwrap();
    // Several on a page.
    assert_eq!(pages(&pdf), book.pages().len());
    assert!((2..tunes.len()).contains(&book.pages().len()), "{}", book.pages().len());
    for tune in &tunes {
        let title = tune.header.title();
        assert!(String::from_utf8_lossy(&pdf).contains(&format!("/Title ({title})")), "{title}");
    }
    // One that is longer than a page goes on on the next.
    let long = tune_of(&format!("X:1\nT:Long\nM:4/4\nL:1/8\nK:G\n{}\n", "GABc dedB|\n".repeat(200)));
    let mut book = Book::new();
    book.add(&mut engraver, &long).unwrap();
    book.add(&mut engraver, &tunes[0]).unwrap();
    assert!((2..20).contains(&book.pages().len()), "{}", book.pages().len());
    let page = engraver.page(&long).unwrap();
    assert!(staves(&Pixmap::decode_png(&page.png().unwrap()).unwrap()) >= 40);
}

#[test]
fn what_the_command_writes() {
    let folder = Folder::new();
    let tune = folder.file("tune.abc", TUNE);
    let two =
        folder.file("two.abc", format!("{TUNE}\nX:2\nT:Silent\nK:C\n\n{}", TUNE.replace("T:A & B", "T:C")));
    for (name, magic) in [("a.svg", &b"<svg"[..]), ("a.PNG", b"\x89PNG"), ("a.pdf", b"%PDF")] {
        succeeds(&mut hornpipe(["abc", "score", &tune, "-o", &folder.arg(name)]));
        assert!(fs::read(folder.path(name)).unwrap().starts_with(magic), "{name}");
    }
    // All tunes on the page, but for one without notes; or the one that is asked for.
    for (name, more, count) in [("all.pdf", &[][..], 2), ("one.pdf", &["--tune", "3"], 1)] {
        let output = hornpipe(["abc", "score", &two, "-o", &folder.arg(name)]).args(more).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && told.contains("left out tune 2") == more.is_empty(), "{told}");
        let pdf = fs::read(folder.path(name)).unwrap();
        assert_eq!((pages(&pdf), String::from_utf8_lossy(&pdf).matches("/Title").count()), (1, count));
    }
    for format in ["svg", "png", "pdf"] {
        let into = folder.arg(&format!("{format}/"));
        succeeds(&mut hornpipe(["abc", "score", &two, "-o", &into, "--format", format]));
        assert_eq!(fs::read_dir(folder.path(format)).unwrap().count(), 2);
        assert!(folder.path(&format!("{format}/0003-c.{format}")).is_file());
    }
    let printed = hornpipe(["abc", "score", &tune, "-o", "-", "--format", "png"]).output().unwrap();
    assert!(printed.stdout.starts_with(b"\x89PNG"));
    let roll = succeeds(&mut hornpipe(["abc", "score", &tune, "-o", "-", "--roll"]));
    assert!(roll.starts_with("<svg") && roll.contains(">A &amp; B<"));
}

#[test]
fn what_the_command_refuses() {
    let folder = Folder::new();
    let tune = folder.file("tune.abc", TUNE);
    let silent = folder.file("silent.abc", "X:1\nT:Silent\nK:C\nz4|\n");
    let score = |file: &str, output: &str, more: &[&str]| {
        let mut command = hornpipe(["abc", "score", file, "-o", &folder.arg(output)]);
        command.args(more);
        command
    };
    for output in ["a.jpg", "a"] {
        refused_with(&mut score(&tune, output, &[]), "ends in none of .svg, .png and .pdf");
    }
    refused_with(&mut score(&tune, "a.svg", &["--format", "pdf"]), "is to be .pdf");
    refused_with(&mut score(&tune, "a.png", &["--roll"]), "drawn as .svg, not as .png");
    refused_with(&mut score(&tune, "a.svg", &["--tune", "2"]), "there is no tune 2");
    for output in ["a.svg", "a.png"] {
        refused_with(&mut score(&silent, output, &[]), "it has no notes");
    }
    refused_with(&mut score(&silent, "a.pdf", &[]), "none of the tunes could be converted");
    assert!(fs::read_dir(folder.path("")).unwrap().count() == 3, "nothing was written");
    // Fonts need a place.
    refused_with(
        score(&tune, "a.svg", &[]).env("TMPDIR", folder.path("nowhere")),
        "folder of temporary files",
    );
}
