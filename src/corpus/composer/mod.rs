//! A composer of folk-like tunes by rules, and the corpus it composed.
//!
//! The built-in corpus lets everything be tried, tested and learned from without a download, and it is
//! free of anybody's rights. Nothing in it is copied: harmony, rhythm and melody come from the rules here.
//!
//! Read in this order: `theory` (keys and chords), `harmony` (progressions), `rhythm` (dances and
//! their cells), `melody` (figures over chords), `form` (bars that answer one another), `write` (ABC text).
//! All decisions are made with whole numbers, so a seed gives the same text on every machine.

mod form;
mod harmony;
mod melody;
mod pick;
mod rhythm;
mod theory;
mod titles;
mod write;

use crate::random::{Purpose, generator};
use pick::chance;
use rhythm::EIGHTH;
use write::Spelling;

/// The built-in corpus: what [`compose`] makes of 400 tunes and seed 1.
pub const BUILT_IN: &str = include_str!("../../../data/hornpipe.abc");

/// The licence of [`BUILT_IN`].
pub const BUILT_IN_LICENCE: &str = include_str!("../../../data/LICENSE");

/// Composes a corpus of `tunes` tunes, numbered from 1, with a blank line between one and the next.
pub fn compose(tunes: u32, seed: u64) -> String {
    let texts: Vec<String> = (1..=tunes).map(|number| compose_tune(number, seed)).collect();
    texts.join("\n")
}

/// Composes tune `number` of the corpus with this seed, from its `X:` line to the end of its last line.
/// Tunes do not depend on one another.
///
/// # Panics
/// Where `number` is 0: tunes are numbered from 1.
pub fn compose_tune(number: u32, seed: u64) -> String {
    assert!(number > 0, "tunes are numbered from 1");
    let rng = &mut generator(seed, Purpose::Composer { tune: number - 1 });
    let tune = form::tune(rng);
    let slow = tune.dance.name == "waltz";
    let spelling = Spelling {
        unit: if slow && chance(rng, 50) { 2 * EIGHTH } else { EIGHTH },
        broken: chance(rng, 50),
        brackets: chance(rng, 50),
    };
    write::text(&tune, number, &titles::title(seed, number, tune.dance.title), spelling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tune_is_the_same_alone_and_in_its_corpus() {
        let corpus = compose(20, 9);
        let alone = compose_tune(13, 9);
        assert!(corpus.contains(&alone));
        assert!(corpus.starts_with("X: 1\nT:") && corpus.ends_with('\n') && !corpus.ends_with("\n\n"));
        assert_ne!(alone, compose_tune(13, 10));
    }
}
