//! Many tunes as one ABC file.

/// Joins tunes as one ABC file: their `X:` lines count 1, 2, 3, … and one blank line follows each.
///
/// What stands behind `X:` on such a line is replaced; every line that begins so counts, since a text may hold several
/// tunes. A text without one gets one put in front, and an empty text is left out. Line feeds at the beginning and the
/// end of a text make way for the one blank line; everything else stays as it is.
pub fn number_tunes<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let mut file = String::new();
    let mut number = 0u64;
    for text in texts {
        let text = text.as_ref().trim_matches('\n');
        if text.is_empty() {
            continue;
        }
        if !text.lines().any(|line| line.starts_with(FIELD)) {
            number += 1;
            file.push_str(&format!("{FIELD}{number}\n"));
        }
        for line in text.split('\n') {
            match line.strip_prefix(FIELD) {
                Some(value) => {
                    number += 1;
                    let space = &value[..value.len() - value.trim_start_matches([' ', '\t']).len()];
                    file.push_str(&format!("{FIELD}{space}{number}\n"));
                }
                None => {
                    file.push_str(line);
                    file.push('\n');
                }
            }
        }
        file.push('\n');
    }
    file
}

/// The field that begins a tune and holds its number.
const FIELD: &str = "X:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::parse;
    use proptest::prelude::*;

    #[test]
    fn numbers_run_and_the_rest_stays() {
        let texts = ["X: 12\nT:A X:7\nK:G\nG|\n\n", "X:7x\nK:D\nd |", "\n\nT:B\nK:G\n\n\n", "", "\n", "X:"];
        assert_eq!(
            number_tunes(texts),
            "X: 1\nT:A X:7\nK:G\nG|\n\nX:2\nK:D\nd |\n\nX:3\nT:B\nK:G\n\nX:4\n\n"
        );
        assert_eq!(number_tunes([String::new()]), "");
    }

    #[test]
    fn a_text_may_hold_several_tunes() {
        assert_eq!(number_tunes(["X:5\nG|\n\nX:9\nA|\n", "X:1\nB|"]), "X:1\nG|\n\nX:2\nA|\n\nX:3\nB|\n\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_corpus_reads_as_many_tunes(bodies in proptest::collection::vec("[A-GX:| ]{1,9}(\n[A-G:|]{1,9}){0,4}\n{0,3}", 1..6)) {
            let tunes = parse("file", number_tunes(&bodies).as_bytes()).unwrap();
            let numbers = tunes.iter().map(|tune| tune.text.lines().next().unwrap().trim_start_matches([':', 'X', ' ']));
            let numbers: Vec<usize> = numbers.map(|n| n.parse().unwrap()).collect();
            prop_assert!(numbers.iter().copied().eq(1..=tunes.len()));
            prop_assert!(tunes.len() >= bodies.len());
        }
    }
}
