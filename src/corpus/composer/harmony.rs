//! Chord progressions: what the dances of the repertoire stand on.
//!
//! A strain is a question and an answer. The question is four bars that come to rest on the dominant
//! (or, in the modal scales, on the flat seventh); the answer opens like the question and closes with a
//! cadence on the tonic. A plan is written one word a bar, one letter a chord (see `Key::chord`).

use rand_chacha::ChaCha8Rng;

use super::pick::{chance, pick};
use super::theory::Mode;

/// Four bars of question, then the two bars of cadence that end an answer.
struct Plans {
    questions: &'static [&'static str],
    cadences: &'static [&'static str],
}

const MAJOR: Plans = Plans {
    questions: &[
        "1 1 4 5",
        "1 4 1 5",
        "1 5 1 5",
        "1 6 4 5",
        "1 4 2 5",
        "1 1 2 D",
        "1 1 5 5",
        "1 1 S 5",
        "1 6 2 D",
        "1 4 1S 5",
        "4 1 4 5",
        "6 6 4 5",
        "1 3 4 5",
        "1 I 4 5",
        "1 4 15 1D",
        "14 1 4 5",
        "15 1 4 D",
        "1 2 1 5",
        "1 5 6 5",
        "14 15 1 D",
    ],
    cadences: &[
        "1D 1", "4D 1", "2D 1", "D 1", "1 D1", "4 D1", "2 D1", "6 D1", "45 1", "14 D1", "41 D1", "1 D1",
    ],
};

const MINOR: Plans = Plans {
    questions: &[
        "1 1 7 7", "1 4 1 V", "1 6 7 V", "1 7 1 V", "1 1 4 D", "1 7 6 V", "3 7 1 V", "1 4 7 3", "6 7 1 V",
        "1 1 7 V", "3 3 7 7", "17 1 4 V",
    ],
    cadences: &["4D 1", "1 D1", "4 D1", "6D 1", "7 1", "17 1", "6 71", "1D 1"],
};

const DORIAN: Plans = Plans {
    questions: &[
        "1 1 7 7", "1 7 1 7", "1 4 1 7", "1 7 3 7", "1 1 4 7", "3 7 1 7", "1 5 1 7", "1 1 1 7", "3 3 7 7",
    ],
    cadences: &["7 1", "17 1", "1 71", "15 1", "4 71", "3 71", "37 1"],
};

const MIXOLYDIAN: Plans = Plans {
    questions: &[
        "1 1 7 7", "1 7 1 7", "1 4 1 7", "1 1 4 7", "4 1 4 7", "1 7 4 7", "1 5 4 7", "1 1 1 7", "7 1 4 7",
    ],
    cadences: &["7 1", "47 1", "1 71", "4 71", "17 1"],
};

fn plans(mode: Mode) -> &'static Plans {
    match mode {
        Mode::Major => &MAJOR,
        Mode::Minor => &MINOR,
        Mode::Dorian => &DORIAN,
        Mode::Mixolydian => &MIXOLYDIAN,
    }
}

/// The chord letters of each of a strain's bars: 4, 8 or 16 of them. A first strain opens on the tonic.
///
/// # Panics
/// For another number of bars.
pub(super) fn progression(rng: &mut ChaCha8Rng, mode: Mode, bars: usize, first: bool) -> Vec<&'static str> {
    let plans = plans(mode);
    let question = |rng: &mut ChaCha8Rng| -> Vec<&'static str> {
        loop {
            let plan = pick(rng, plans.questions);
            if !first || plan.starts_with('1') {
                return plan.split(' ').collect();
            }
        }
    };
    let asked = question(rng);
    let answered = if chance(rng, 25) { question(rng) } else { asked.clone() };
    let cadence: Vec<&str> = pick(rng, plans.cadences).split(' ').collect();
    let eight = [&asked[..4], &answered[..2], &cadence].concat();
    match bars {
        4 => [&asked[..2], &cadence].concat(),
        8 => eight,
        // Each chord lasts two bars; where a bar had two chords, each gets one. The last bar is the tonic alone.
        16 => {
            let mut plan: Vec<&str> = eight
                .iter()
                .flat_map(|bar| if bar.len() == 2 { [&bar[..1], &bar[1..]] } else { [*bar; 2] })
                .collect();
            if plan[14] == "1" {
                plan[14] = plan[13];
            }
            plan
        }
        _ => panic!("no strain has {bars} bars"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};

    #[test]
    fn every_strain_ends_on_the_tonic() {
        let mut rng = generator(1, Purpose::Composer { tune: 0 });
        for mode in [Mode::Major, Mode::Minor, Mode::Dorian, Mode::Mixolydian] {
            for bars in [4, 8, 16] {
                for _ in 0..200 {
                    let plan = progression(&mut rng, mode, bars, true);
                    assert_eq!(plan.len(), bars);
                    assert!(plan[0].starts_with('1') && plan[bars - 1].ends_with('1'), "{plan:?}");
                }
            }
        }
    }
}
