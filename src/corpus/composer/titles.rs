//! Titles of our own making, and no two alike.
//!
//! All titles stand in one long list that is never written down: each pattern owns a run of numbers, and
//! a number within the run picks the pattern's words. A tune's place in it follows from its own number by
//! a stride that shares no factor with the list's length, so no title comes again before all are used.

use crate::random::{Purpose, below, generator};

const PEOPLE: &[&str] = &[
    "Miller",
    "Weaver",
    "Ferryman",
    "Shepherd",
    "Cooper",
    "Fiddler",
    "Drover",
    "Blacksmith",
    "Widow",
    "Parson",
    "Tinker",
    "Piper",
    "Baker",
    "Sexton",
    "Thatcher",
    "Carter",
    "Fisherman",
    "Schoolmaster",
    "Lighthouse Keeper",
    "Postman",
    "Ploughboy",
    "Dairymaid",
    "Huntsman",
    "Gardener",
    "Bellringer",
    "Pedlar",
];
const OWNED: &[&str] = &[
    "Fancy",
    "Delight",
    "Daughter",
    "Lantern",
    "Goose",
    "Return",
    "Farewell",
    "Favourite",
    "Garden",
    "Apron",
    "Wedding",
    "Old Boots",
    "Grey Mare",
    "Ramble",
    "Supper",
    "Holiday",
    "Whim",
    "Complaint",
    "Welcome",
    "Kettle",
    "Frolic",
    "Hat",
];
const NAMES: &[&str] = &[
    "Nancy Hallam",
    "Tom Birkett",
    "Peggy Lorne",
    "Jack Ashby",
    "Biddy Crane",
    "Old Sam Ridley",
    "Molly Pascoe",
    "Ned Farrow",
    "Kitty Doyle",
    "Davy Thorne",
    "Rosie Quill",
    "Will Tanner",
    "Hannah Dean",
    "Barney Fox",
    "Jenny Marsh",
    "Miss Penrose",
    "Captain Hobbs",
    "Aunt Tabitha",
    "Lucy Wren",
    "Mrs Bramwell",
    "Robin Heath",
    "Alice Garth",
];
const PLACES: &[&str] = &[
    "Fernhill",
    "Corley",
    "Sandgate",
    "Ashbourne Lane",
    "Kilbrane",
    "Thornby",
    "Whitewater",
    "Langdale End",
    "Ballykeel",
    "Stonebridge",
    "Marlow Quay",
    "Harrowfield",
    "Ellerbeck",
    "Drumlin",
    "Netherby",
    "Oakhanger",
    "Withy Pool",
    "Skerry Point",
    "Cold Ash",
    "Longmire",
    "Saltmarsh",
    "Tilbrook",
    "Westerdale",
    "Inchmore",
];
const ADJECTIVES: &[&str] = &[
    "Merry",
    "Bonny",
    "Restless",
    "Rolling",
    "Golden",
    "Crooked",
    "Humble",
    "Idle",
    "Silver",
    "Laughing",
    "Wandering",
    "Frosty",
    "Jolly",
    "Lonesome",
    "Ragged",
    "Blooming",
    "Proud",
    "Hasty",
    "Sleepy",
    "Dusty",
];
const THINGS: &[&str] = &[
    "Haymakers",
    "Blackbird",
    "Hare",
    "Rowan Tree",
    "Milkmaid",
    "Cuckoo",
    "Barley",
    "Sailor",
    "Mill Wheel",
    "Heron",
    "Hedgehog",
    "Candle",
    "Turnpike",
    "Harvest",
    "Plover",
    "Primrose",
    "Swallow",
    "Otter",
    "Apple Cart",
    "Salmon",
    "Hobby Horse",
    "Bullfinch",
];
const WHERE: &[&str] = &[
    "in the Barn",
    "on the Green",
    "over the Hill",
    "by the River",
    "at the Fair",
    "in the Corn",
    "under the Bridge",
    "beyond the Gate",
    "in the Snow",
    "on the Strand",
    "at Midnight",
    "before Breakfast",
    "in April",
    "by Moonlight",
];
const COMING: &[&str] = &[
    "The Road to",
    "Farewell to",
    "The Lass of",
    "The Bells of",
    "The Lads of",
    "Leaving",
    "The Hills of",
    "Morning at",
    "The Banks of",
    "The Fair at",
    "Homeward to",
    "The Humours of",
];
const DOING: &[&str] = &[
    "Chasing",
    "Follow",
    "Catch",
    "Dance with",
    "Waiting for",
    "Good Night to",
    "Whistling for",
    "Remember",
];

/// Titles for each of a pattern's words, and how they are put together.
struct Pattern {
    first: &'static [&'static str],
    /// Words for the second place; an empty list means the dance's name.
    second: &'static [&'static str],
    join: fn(&str, &str) -> String,
}

const PATTERNS: &[Pattern] = &[
    Pattern { first: PEOPLE, second: OWNED, join: |a, b| format!("The {a}'s {b}") },
    Pattern { first: PEOPLE, second: &[], join: |a, b| format!("The {a}'s {b}") },
    Pattern { first: NAMES, second: OWNED, join: |a, b| format!("{a}'s {b}") },
    Pattern { first: NAMES, second: &[], join: |a, b| format!("{a}'s {b}") },
    Pattern { first: PLACES, second: &[], join: |a, b| format!("{a} {b}") },
    Pattern { first: PLACES, second: &[], join: |a, b| format!("The {a} {b}") },
    Pattern { first: ADJECTIVES, second: THINGS, join: |a, b| format!("The {a} {b}") },
    Pattern { first: COMING, second: PLACES, join: |a, b| format!("{a} {b}") },
    Pattern { first: THINGS, second: WHERE, join: |a, b| format!("The {a} {b}") },
    Pattern { first: DOING, second: NAMES, join: |a, b| format!("{a} {b}") },
];

/// A prime, and not a factor of the number of titles.
const STRIDE: u64 = 7919;

/// The title of tune `number` of a corpus, where its dance may be named.
pub(super) fn title(seed: u64, number: u32, dance: &str) -> String {
    let total: u64 = PATTERNS.iter().map(size).sum();
    // The stream of the last tune that a corpus could have says where in the list to begin.
    let start = below(&mut generator(seed, Purpose::Composer { tune: u32::MAX }), total as u32);
    let mut place = (u64::from(start) + u64::from(number) * STRIDE) % total;
    for pattern in PATTERNS {
        if place < size(pattern) {
            let count = pattern.first.len() as u64;
            let first = pattern.first[(place % count) as usize];
            let second = pattern.second.get((place / count) as usize).copied().unwrap_or(dance);
            return (pattern.join)(first, second);
        }
        place -= size(pattern);
    }
    unreachable!("the place is below the number of titles")
}

fn size(pattern: &Pattern) -> u64 {
    (pattern.first.len() * pattern.second.len().max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_title_comes_twice_in_two_thousand() {
        for seed in 0..20 {
            let titles: HashSet<String> = (1..=2000).map(|n| title(seed, n, "Reel")).collect();
            assert_eq!(titles.len(), 2000);
        }
    }
}
