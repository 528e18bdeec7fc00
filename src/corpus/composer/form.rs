//! Form: bars that repeat, answer and vary one another, made into strains, and strains into a tune.
//!
//! The bar that ends a strain is short by the pick-up, so that it and the pick-up of the repeat (or
//! of the next strain) make one full bar.

use rand_chacha::ChaCha8Rng;

use super::harmony::progression;
use super::melody::{Bar, Note, RANGE, Singer, chord_at, smooth_minor};
use super::pick::{chance, pick, weighted};
use super::rhythm::{DANCES, Dance, EIGHTH, Style};
use super::theory::{Chord, KEYS, Key, Mode};

/// How a bar of a strain comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// New notes in a new rhythm.
    New,
    /// Bar `n` again, chords and all.
    Same(usize),
    /// Bar `n` with another last group.
    Vary(usize),
    /// Bar `n` moved along the scale to this bar's chord.
    Move(usize),
    /// The rhythm of bar `n` with new notes.
    Rhythm(usize),
    /// The rest at the end of a question.
    Rest,
    /// The cadence.
    End,
}
use Op::{End, Move, New, Rest, Rhythm, Same, Vary};

/// The shapes of a strain of eight bars.
const SHAPES: &[(u32, [Op; 8])] = &[
    (5, [New, New, New, Rest, Same(0), Same(1), New, End]),
    (4, [New, New, Same(0), Rest, Same(0), Same(1), New, End]),
    (4, [New, Move(0), New, Rest, Same(0), Same(1), New, End]),
    (3, [New, New, Move(0), Rest, Same(0), Same(1), New, End]),
    (2, [New, Vary(0), New, Rest, Same(0), Vary(0), New, End]),
    (3, [New, Rhythm(0), New, Rest, Same(0), Same(1), Rhythm(2), End]),
    (3, [New, New, Same(0), Rest, New, New, New, End]),
    (2, [New, New, New, Rest, Same(0), Vary(1), New, End]),
    (2, [New, New, Rhythm(0), Rest, New, Move(4), New, End]),
    (2, [New, Move(0), Rhythm(0), Rest, Same(0), Same(1), Same(2), End]),
    (2, [New, Rhythm(0), Vary(0), Rest, Same(0), Rhythm(0), New, End]),
];

/// The shapes of a strain of four bars.
const SHORT_SHAPES: &[(u32, [Op; 4])] =
    &[(3, [New, New, Same(0), End]), (2, [New, Move(0), New, End]), (2, [New, Rhythm(0), Same(0), End])];

/// How far above or below its resting height a strain goes, by eighths of its length.
const CONTOURS: &[[i32; 8]] = &[
    [0, 1, 2, 1, 0, 1, 2, 0],
    [2, 1, 1, 0, 2, 1, 0, -1],
    [0, 0, 1, 2, 1, 0, 0, -1],
    [-1, 0, 2, 3, -1, 0, 1, 0],
    [1, 0, 2, 0, 1, 0, 1, -1],
    [0, 2, 0, 1, 0, 2, 1, 0],
];

/// How a strain closes.
pub(super) enum Ending {
    /// The same bar both times.
    Plain(Bar),
    /// A first and a second ending.
    Two(Bar, Bar),
}

/// One strain, played twice.
pub(super) struct Strain {
    /// The pick-up's notes, perhaps none.
    pub pickup: Vec<Note>,
    /// All bars but the last.
    pub bars: Vec<Bar>,
    /// The last.
    pub ending: Ending,
}

/// A whole tune without its title.
pub(super) struct Tune {
    /// The dance.
    pub dance: &'static Dance,
    /// As the `M:` line says it.
    pub meter: &'static str,
    /// The key.
    pub key: Key,
    /// The strains in order.
    pub strains: Vec<Strain>,
}

/// Composes a tune.
pub(super) fn tune(rng: &mut ChaCha8Rng) -> Tune {
    let dance = weighted(rng, &DANCES);
    let key = weighted(rng, &KEYS);
    let meter = pick(rng, dance.meters);
    let style = Style::draw(rng, dance);
    let bars = weighted(rng, dance.strains);
    let count = weighted(rng, &[(9, 2), (1, 3)]);
    let chromatic = chance(rng, 25);
    let shares_end = chance(rng, 45);
    let home = 6 + pick(rng, &[0, 0, 1, 2]);
    let mut strains: Vec<Strain> = Vec::new();
    for number in 0..count {
        // The second strain lies higher; a third comes back half way.
        let height = home + [0, 3, 2][number];
        let singer = Singer {
            rng: &mut *rng,
            key: &key,
            chromatic,
            last: key.tonic_near(height, RANGE.0, RANGE.1),
            leap: 0,
        };
        let mut writer = Writer { singer, style: &style, height };
        let strain = writer.strain(bars, number == 0, strains.first().filter(|_| shares_end));
        strains.push(strain);
    }
    Tune { dance, meter, key, strains }
}

/// Writes one strain.
struct Writer<'a> {
    singer: Singer<'a>,
    style: &'a Style,
    height: i32,
}

impl Writer<'_> {
    /// A strain; where `shared` is given its last bars are those of that strain.
    fn strain(&mut self, length: usize, first: bool, shared: Option<&Strain>) -> Strain {
        let ops = self.shape(length);
        let plan = progression(self.singer.rng, self.singer.key.mode, length, first);
        let contour = pick(self.singer.rng, CONTOURS);
        // Bars that an earlier strain lends before its last one.
        let lent = if length == 4 { 1 } else { length / 4 - 1 };
        let mut bars: Vec<Bar> = Vec::new();
        for (i, &op) in ops[..length - 1].iter().enumerate() {
            let centre = self.height + contour[i * 8 / length];
            let chords = self.chords(plan[i]);
            let bar = match shared {
                Some(other) if i + lent + 1 >= length => other.bars[i].clone(),
                _ => self.bar(op, &bars, chords, centre),
            };
            self.singer.follow(&bar);
            bars.push(bar);
        }
        let opening = bars[0].notes[0].step;
        let pickup = self.pickup(opening);
        let ending = match shared {
            Some(Strain { ending: Ending::Plain(bar), .. }) => Ending::Plain(bar.clone()),
            // A first ending leads back to its own strain's opening, so it is written again.
            _ => self.ending(plan[length - 1], opening),
        };
        Strain { pickup, bars, ending }
    }

    fn shape(&mut self, length: usize) -> Vec<Op> {
        match length {
            4 => weighted(self.singer.rng, SHORT_SHAPES).to_vec(),
            8 => weighted(self.singer.rng, SHAPES).to_vec(),
            // Two bars where the short shape has one.
            _ => weighted(self.singer.rng, SHAPES)
                .iter()
                .flat_map(|&op| match op {
                    New => [New, New],
                    Same(n) => [Same(2 * n), Same(2 * n + 1)],
                    Vary(n) => [Same(2 * n), Vary(2 * n + 1)],
                    Move(n) => [Move(2 * n), Move(2 * n + 1)],
                    Rhythm(n) => [Rhythm(2 * n), Rhythm(2 * n + 1)],
                    Rest => [New, Rest],
                    End => [New, End],
                })
                .collect(),
        }
    }

    /// The chords of one bar of a plan, each with its tick.
    fn chords(&self, symbols: &str) -> Vec<(u32, Chord)> {
        let at = [0, self.style.dance.half];
        symbols.chars().zip(at).map(|(symbol, at)| (at, self.singer.key.chord(symbol))).collect()
    }

    fn groups(&mut self) -> Vec<Vec<u32>> {
        let dance = self.style.dance;
        (0..dance.bar / dance.group).map(|_| self.style.cell(self.singer.rng)).collect()
    }

    fn bar(&mut self, op: Op, bars: &[Bar], chords: Vec<(u32, Chord)>, centre: i32) -> Bar {
        match op {
            New => {
                let groups = self.groups();
                self.singer.bar(groups, chords, centre)
            }
            Same(n) => bars[n].clone(),
            Rhythm(n) => self.singer.bar(bars[n].groups.clone(), chords, centre),
            Vary(n) => self.vary(&bars[n], centre),
            Move(n) => self.shifted(&bars[n], &chords).unwrap_or_else(|| self.vary(&bars[n], centre)),
            Rest => {
                let mut groups = self.groups();
                *groups.last_mut().expect("a bar has groups") = self.style.rest(self.singer.rng);
                self.singer.bar(groups, chords, centre)
            }
            End => unreachable!("the last bar is written by `ending`"),
        }
    }

    /// A bar that begins like `bar` and ends otherwise.
    fn vary(&mut self, bar: &Bar, centre: i32) -> Bar {
        let mut groups = bar.groups.clone();
        let last = groups.pop().expect("a bar has groups");
        if groups.is_empty() {
            return self.singer.bar(vec![last], bar.chords.clone(), centre);
        }
        let kept = groups.iter().map(Vec::len).sum();
        let mut varied = Bar { groups, notes: bar.notes[..kept].to_vec(), chords: bar.chords.clone() };
        self.singer.follow(&varied);
        self.singer.group(&mut varied, last, centre);
        varied
    }

    /// `bar` moved along the scale so that its first chord becomes the first of `chords`; none where the chord is
    /// the same or the notes leave the range.
    fn shifted(&self, bar: &Bar, chords: &[(u32, Chord)]) -> Option<Bar> {
        let key = self.singer.key;
        let (from, to) = (&bar.chords[0].1, &chords[0].1);
        let up = (to.degrees[0] - from.degrees[0]).rem_euclid(7);
        let distance = if up > 3 { up - 7 } else { up };
        let fits = |note: &Note| (RANGE.0..=RANGE.1).contains(&(note.step + distance));
        if distance == 0 || bar.chords.len() > 1 || !bar.notes.iter().all(fits) {
            return None;
        }
        let chords = vec![(0, to.clone())];
        let mut notes: Vec<Note> = bar
            .notes
            .iter()
            .map(|n| {
                let step = n.step + distance;
                Note { step, shift: to.shift(key.degree(step)), ..*n }
            })
            .collect();
        smooth_minor(key, &mut notes);
        Some(Bar { groups: bar.groups.clone(), notes, chords })
    }

    /// Notes that lead to the strain's first one.
    fn pickup(&mut self, target: i32) -> Vec<Note> {
        let durations = self.style.play(self.style.pickup);
        let steps = self.approach(target, durations.len() as i32);
        let key = self.singer.key;
        let leading = |step| key.mode == Mode::Minor && key.degree(step) == 6 && step == target - 1;
        let note = |(&ticks, step)| Note { ticks, step, shift: i32::from(leading(step)) };
        let mut notes: Vec<Note> = durations.iter().zip(steps).map(note).collect();
        smooth_minor(key, &mut notes);
        notes
    }

    /// `count` steps that lead to `target`: along the scale, or for one note perhaps from the fifth below.
    fn approach(&mut self, target: i32, count: i32) -> Vec<i32> {
        let rng = &mut *self.singer.rng;
        if count == 1 {
            let fifth =
                (1..=7).map(|d| target - d).find(|&s| self.singer.key.degree(s) == 4).expect("one in seven");
            let step = pick(rng, &[target - 1, target + 1, target, fifth, fifth]);
            return vec![if step < RANGE.0 { target } else { step }];
        }
        let below = target - count >= RANGE.0 && (target + count > RANGE.1 || chance(rng, 55));
        (1..=count).rev().map(|d| if below { target - d } else { target + d }).collect()
    }

    /// The last bar, once or twice.
    fn ending(&mut self, symbols: &str, opening: i32) -> Ending {
        let dance = self.style.dance;
        let room = dance.bar - self.style.pickup_ticks();
        let low_enough = self.singer.last.min(self.height + 3);
        let tonic = self.singer.key.tonic_near(low_enough, RANGE.0 + 2, RANGE.1 - 2);
        let head = self.style.play(weighted(self.singer.rng, dance.heads));
        let plain = self.cadence(symbols, &head, room, tonic);
        if !chance(self.singer.rng, 45) {
            return Ending::Plain(plain);
        }
        let second = self.cadence("1", &self.style.play(dance.last), room, tonic);
        let first = if self.style.pickup.is_empty() { self.lead_back(&plain, opening) } else { plain };
        if first.notes == second.notes { Ending::Plain(second) } else { Ending::Two(first, second) }
    }

    /// A head over the cadence's chords, then the tonic for the rest of the bar.
    fn cadence(&mut self, symbols: &str, head: &[u32], room: u32, tonic: i32) -> Bar {
        let dance = self.style.dance;
        let head_ticks: u32 = head.iter().sum();
        let mut chords = self.chords(symbols);
        // The tonic chord belongs to the tonic note.
        if chords.len() == 2 {
            chords[1].0 = head_ticks;
            if head.is_empty() {
                chords.remove(0);
                chords[0].0 = 0;
            }
        }
        let dominant = chords.len() == 2;
        let shapes: &[&[i32]] = match (head.len(), dominant) {
            (0, _) => &[&[]],
            (1, false) => &[&[0], &[2], &[0]],
            (1, true) => &[&[1], &[-1], &[1]],
            (2, false) => &[&[2, 0], &[4, 2], &[0, 0], &[2, 1], &[0, 2]],
            (2, true) => &[&[1, -1], &[-1, 1], &[1, 1], &[4, 1]],
            (3, false) => {
                &[&[2, 0, 0], &[0, -1, 0], &[2, 1, 0], &[4, 2, 0], &[0, 0, 0], &[0, 2, 0], &[0, 1, 0]]
            }
            (3, true) => &[&[1, 0, -1], &[-1, 0, 1], &[1, 1, -1], &[3, 1, -1]],
            (4, false) => &[&[2, 0, 1, -1], &[0, 2, 1, -1], &[4, 2, 0, 2], &[2, 1, 0, -1], &[0, -1, 0, 2]],
            (4, true) => &[&[4, 3, 1, -1], &[1, 2, 1, -1], &[1, 0, -1, 1], &[1, -1, 0, 1]],
            (5, false) => &[&[4, 3, 2, 1, -1], &[2, 1, 0, 1, -1], &[0, 1, 2, 1, 0], &[2, 1, 0, 2, 0]],
            (5, true) => &[&[4, 3, 2, 1, -1], &[1, 2, 1, -1, 1]],
            (_, false) => &[&[4, 3, 2, 2, 1, 0], &[2, 3, 2, 1, 0, 1], &[0, 1, 2, 1, 0, -1]],
            (_, true) => &[&[4, 3, 2, 1, 0, -1], &[1, 2, 1, 0, -1, 1]],
        };
        let reachable: Vec<&[i32]> = shapes
            .iter()
            .copied()
            .filter(|shape| shape.iter().all(|offset| tonic + offset <= RANGE.1))
            .collect();
        let shape = pick(self.singer.rng, &reachable);
        let mut notes: Vec<Note> = Vec::new();
        let mut at = 0;
        for (&ticks, offset) in head.iter().zip(shape) {
            let step = tonic + offset;
            let shift = chord_at(&chords, at).shift(self.singer.key.degree(step));
            notes.push(Note { ticks, step, shift });
            at += ticks;
        }
        smooth_minor(self.singer.key, &mut notes);
        let mut tail = room - head_ticks;
        // A long tonic may be struck twice.
        if tail == dance.bar / 2 && dance.name == "reel" && chance(self.singer.rng, 30) {
            notes.push(Note { ticks: tail / 2, step: tonic, shift: 0 });
            tail /= 2;
        }
        notes.push(Note { ticks: tail, step: tonic, shift: 0 });
        let groups = vec![notes.iter().map(|n| n.ticks).collect()];
        Bar { groups, notes, chords }
    }

    /// A last bar whose final note is cut short for notes that lead back to the opening.
    fn lead_back(&mut self, bar: &Bar, opening: i32) -> Bar {
        let mut led = bar.clone();
        let last = led.notes.last_mut().expect("a cadence has notes");
        let lead: &[u32] = match last.ticks {
            0..=12 => &[],
            18..=36 => &[EIGHTH],
            _ => &[EIGHTH, EIGHTH],
        };
        last.ticks -= lead.iter().sum::<u32>();
        let steps = self.approach(opening, lead.len() as i32);
        led.notes.extend(lead.iter().zip(steps).map(|(&ticks, step)| Note { ticks, step, shift: 0 }));
        led.groups = vec![led.notes.iter().map(|n| n.ticks).collect()];
        led
    }
}
