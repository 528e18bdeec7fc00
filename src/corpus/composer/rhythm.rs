//! The dances: their metres, the rhythmic cells of a beat group, and how strains open and close.
//!
//! Durations are whole *ticks*, 12 to an eighth note: 6 is a sixteenth, 8 an eighth of a triplet,
//! 18 a dotted eighth. A bar is a row of *groups* (the two halves of a reel's bar, the threes of a
//! jig), and each group is filled with one cell.

use rand_chacha::ChaCha8Rng;

use super::pick::{chance, pick, weighted};

/// Ticks in an eighth note.
pub(super) const EIGHTH: u32 = 12;

/// Ticks of each note of an eighth-note triplet.
pub(super) const TRIPLET: u32 = 8;

/// A cell: the durations that fill one group.
pub(super) type Cell = &'static [u32];

/// What a dance is, apart from its notes.
#[derive(Debug)]
pub(super) struct Dance {
    /// As the `R:` line says it.
    pub name: &'static str,
    /// As it may stand in a title.
    pub title: &'static str,
    /// What the `M:` line may say.
    pub meters: &'static [&'static str],
    /// Ticks in a bar.
    pub bar: u32,
    /// Ticks in a group; a bar holds a whole number of them.
    pub group: u32,
    /// Ticks between the spaces that part the beams.
    pub beam: u32,
    /// The tick at which a second chord enters.
    pub half: u32,
    /// Bars a strain may have.
    pub strains: &'static [(u32, usize)],
    /// Cells in the flow of a strain.
    pub cells: &'static [(u32, Cell)],
    /// Cells that come to rest half way, for the last group of a question.
    pub rests: &'static [(u32, Cell)],
    /// Pick-ups; the empty one is none.
    pub pickups: &'static [(u32, Cell)],
    /// Heads of a strain's last bar: groups or shorter cells before the final tonic.
    pub heads: &'static [(u32, Cell)],
    /// The quietest head, for a second ending.
    pub last: Cell,
}

const JIG_CELLS: &[(u32, Cell)] = &[
    (16, &[12, 12, 12]),
    (9, &[24, 12]),
    (1, &[36]),
    (1, &[12, 24]),
    (1, &[6, 6, 12, 12]),
    (1, &[18, 6, 12]),
];

const JIG_PICKUPS: &[(u32, Cell)] = &[(6, &[12]), (2, &[6, 6]), (5, &[])];

/// The dances and how often each is drawn.
pub(super) static DANCES: [(u32, &Dance); 6] = [
    (
        26,
        &Dance {
            name: "jig",
            title: "Jig",
            meters: &["6/8"],
            bar: 72,
            group: 36,
            beam: 36,
            half: 36,
            strains: &[(1, 8)],
            cells: JIG_CELLS,
            rests: &[(3, &[36]), (4, &[24, 12]), (1, &[12, 12, 12])],
            pickups: JIG_PICKUPS,
            heads: &[(5, &[12, 12, 12]), (2, &[24, 12]), (1, &[36])],
            last: &[36],
        },
    ),
    (
        26,
        &Dance {
            name: "reel",
            title: "Reel",
            meters: &["4/4", "4/4", "2/2"],
            bar: 96,
            group: 48,
            beam: 48,
            half: 48,
            strains: &[(1, 8)],
            cells: &[
                (16, &[12, 12, 12, 12]),
                (7, &[24, 12, 12]),
                (2, &[12, 12, 24]),
                (1, &[24, 24]),
                (1, &[36, 12]),
                (1, &[8, 8, 8, 12, 12]),
                (1, &[12, 24, 12]),
            ],
            rests: &[(3, &[48]), (3, &[24, 24]), (3, &[24, 12, 12]), (2, &[12, 12, 24])],
            pickups: &[(3, &[12]), (4, &[12, 12]), (2, &[24]), (6, &[])],
            heads: &[(5, &[12, 12, 12, 12]), (3, &[24, 12, 12]), (1, &[24, 24])],
            last: &[24, 24],
        },
    ),
    (
        18,
        &Dance {
            name: "hornpipe",
            title: "Hornpipe",
            meters: &["4/4"],
            bar: 96,
            group: 48,
            beam: 48,
            half: 48,
            strains: &[(1, 8)],
            cells: &[
                (16, &[18, 6, 18, 6]),
                (5, &[24, 18, 6]),
                (2, &[18, 6, 24]),
                (3, &[8, 8, 8, 18, 6]),
                (2, &[18, 6, 8, 8, 8]),
                (1, &[24, 24]),
                (1, &[8, 8, 8, 8, 8, 8]),
            ],
            rests: &[(3, &[24, 24]), (4, &[24, 18, 6]), (1, &[48])],
            pickups: &[(6, &[18, 6]), (2, &[24]), (2, &[8, 8, 8]), (1, &[])],
            heads: &[(4, &[24, 24]), (4, &[18, 6, 18, 6]), (2, &[24, 18, 6]), (1, &[8, 8, 8, 18, 6])],
            last: &[24, 24],
        },
    ),
    (
        12,
        &Dance {
            name: "waltz",
            title: "Waltz",
            meters: &["3/4"],
            bar: 72,
            group: 72,
            beam: 24,
            half: 48,
            strains: &[(3, 8), (2, 16)],
            cells: &[
                (7, &[24, 24, 24]),
                (6, &[48, 24]),
                (4, &[36, 12, 24]),
                (4, &[24, 12, 12, 24]),
                (3, &[24, 24, 12, 12]),
                (2, &[24, 12, 12, 12, 12]),
                (2, &[48, 12, 12]),
                (1, &[12, 12, 12, 12, 12, 12]),
                (1, &[72]),
            ],
            rests: &[(3, &[72]), (3, &[48, 24]), (1, &[24, 24, 24])],
            pickups: &[(5, &[24]), (4, &[12, 12]), (4, &[])],
            heads: &[(3, &[]), (1, &[24]), (1, &[12, 12])],
            last: &[],
        },
    ),
    (
        11,
        &Dance {
            name: "polka",
            title: "Polka",
            meters: &["2/4"],
            bar: 48,
            group: 24,
            beam: 24,
            half: 24,
            strains: &[(1, 8)],
            cells: &[
                (10, &[12, 12]),
                (6, &[12, 6, 6]),
                (3, &[6, 6, 12]),
                (3, &[6, 6, 6, 6]),
                (2, &[24]),
                (2, &[18, 6]),
            ],
            rests: &[(3, &[24]), (3, &[12, 12]), (1, &[18, 6])],
            pickups: &[(3, &[12]), (3, &[6, 6]), (6, &[])],
            heads: &[(4, &[12, 12]), (2, &[12, 6, 6]), (2, &[6, 6, 6, 6]), (1, &[24])],
            last: &[24],
        },
    ),
    (
        7,
        &Dance {
            name: "slip jig",
            title: "Slip Jig",
            meters: &["9/8"],
            bar: 108,
            group: 36,
            beam: 36,
            half: 72,
            strains: &[(1, 4), (2, 8)],
            cells: JIG_CELLS,
            rests: &[(3, &[36]), (4, &[24, 12])],
            pickups: JIG_PICKUPS,
            heads: &[(4, &[12, 12, 12, 24, 12]), (3, &[24, 12, 24, 12]), (3, &[12, 12, 12, 12, 12, 12])],
            last: &[24, 12, 36],
        },
    ),
];

/// The habits of one tune: its dance, pick-up, and the few cells that make it sound like one piece.
pub(super) struct Style {
    /// The dance.
    pub dance: &'static Dance,
    /// The pick-up, the same before every strain.
    pub pickup: Cell,
    /// Hornpipes: played dotted, or as plain eighths in a slow reel's rhythm.
    even: bool,
    /// The cells in use.
    palette: Vec<Cell>,
}

impl Style {
    /// Draws the habits of a tune.
    pub fn draw(rng: &mut ChaCha8Rng, dance: &'static Dance) -> Style {
        let pickup = weighted(rng, dance.pickups);
        let even = dance.name == "hornpipe" && chance(rng, 20);
        // Four draws, the first from the commonest cell: some cells come twice and so are twice as likely.
        let mut palette = vec![dance.cells[0].1];
        palette.extend((0..4).map(|_| weighted(rng, dance.cells)));
        Style { dance, pickup, even, palette }
    }

    /// Ticks of the pick-up, which are missing from the bar that ends a strain.
    pub fn pickup_ticks(&self) -> u32 {
        self.pickup.iter().sum()
    }

    /// One group in the flow of a strain.
    pub fn cell(&self, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let cell = pick(rng, &self.palette);
        self.play(cell)
    }

    /// The group that a question rests on.
    pub fn rest(&self, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let cell = weighted(rng, self.dance.rests);
        self.play(cell)
    }

    /// A cell as this tune plays it: even hornpipes turn each dotted pair into two eighths.
    pub fn play(&self, cell: Cell) -> Vec<u32> {
        cell.iter().map(|&t| if self.even && (t == 18 || t == 6) { EIGHTH } else { t }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fill_their_groups() {
        for (_, dance) in &DANCES {
            let ticks = |cell: &[u32]| cell.iter().sum::<u32>();
            assert_eq!(dance.bar % dance.group, 0);
            for (_, cell) in dance.cells.iter().chain(dance.rests) {
                assert_eq!(ticks(cell), dance.group, "{} {cell:?}", dance.name);
            }
            for (_, head) in dance.heads {
                for (_, pickup) in dance.pickups {
                    assert!(ticks(head) + ticks(pickup) < dance.bar, "{} {head:?}", dance.name);
                }
            }
        }
    }
}
