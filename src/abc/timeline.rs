//! A tune as it sounds: repeats, endings and parts played out, ties joined, each note with its time.

use super::diagnostic::Place;
use super::fraction::Fraction;
use super::harmony::Harmony;
use super::key::Key;
use super::meter::{Meter, Tempo};
use super::order::{TooLong, playing_order};
use super::pitch::Pitch;
use super::tune::{Bar, EventKind, Note, Tune};

/// What sounds when. Times are parts of a whole note since the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// For each voice its notes, by their beginnings; those of a chord begin together.
    pub voices: Vec<Vec<Sound>>,
    /// The chords of the accompaniment, by their beginnings; each lasts until the next begins.
    pub chords: Vec<(Fraction, Harmony)>,
    /// The bars of the first voice that has any, as they are played.
    pub measures: Vec<Measure>,
    /// Tempo changes; the first stands at 0.
    pub tempos: Vec<(Fraction, Tempo)>,
    /// Seconds before each of them.
    seconds: Vec<f64>,
    /// How long everything is.
    pub length: Fraction,
}

/// A note that sounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// When it begins.
    pub start: Fraction,
    /// How long it lasts, with the notes that are tied to it.
    pub length: Fraction,
    /// Its pitch.
    pub pitch: Pitch,
    /// The grace notes that are played before it, in its time.
    pub grace: Vec<Pitch>,
    /// Where it stands in the text.
    pub place: Place,
}

/// A bar as it is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// When it begins.
    pub start: Fraction,
    /// How long it is.
    pub length: Fraction,
    /// How much of a full measure is over when it begins: not 0 for a pick-up, and for what follows a split measure's first half.
    pub phase: Fraction,
    /// The meter.
    pub meter: Option<Meter>,
    /// The key.
    pub key: Key,
    /// The bar, as a place in its voice's [`bars`](super::Voice::bars).
    pub bar: usize,
}

impl Timeline {
    /// Plays a tune out.
    ///
    /// # Errors
    /// [`TooLong`]
    pub fn new(tune: &Tune) -> Result<Timeline, TooLong> {
        let sections = playing_order(tune)?;
        let leading = tune.voices.iter().position(|v| !v.bars.is_empty()).unwrap_or(0);
        // The voice with chord symbols: the first that has some.
        let has_chords = |bar: &Bar| bar.events.iter().any(|e| matches!(e.kind, EventKind::Chord(_)));
        let accompanied = tune.voices.iter().position(|v| v.bars.iter().any(has_chords)).unwrap_or(0);
        let mut timeline = Timeline {
            voices: Vec::new(),
            chords: Vec::new(),
            measures: Vec::new(),
            tempos: vec![(Fraction::ZERO, tune.header.tempo.unwrap_or_else(|| usual_tempo(tune)))],
            seconds: Vec::new(),
            length: Fraction::ZERO,
        };
        let mut players: Vec<Player> = tune.voices.iter().map(|_| Player::default()).collect();
        for section in &sections {
            let start = timeline.length;
            for (at, (voice, order)) in tune.voices.iter().zip(&section.voices).enumerate() {
                let player = &mut players[at];
                player.begin(start);
                for &bar in order {
                    if at == leading {
                        let measure = measure(&voice.bars, bar, player.now, timeline.measures.last());
                        timeline.measures.push(measure);
                    }
                    player.play(&voice.bars[bar], &mut timeline, at == accompanied);
                }
                timeline.length = timeline.length.max(player.now);
            }
        }
        timeline.voices = players.into_iter().map(|p| p.sounds).collect();
        timeline.tempos.sort_by_key(|(start, _)| *start);
        let mut before = 0.0;
        timeline.seconds.push(before);
        for pair in timeline.tempos.windows(2) {
            before += (pair[1].0 - pair[0].0).to_f64() * pair[0].1.whole_note();
            timeline.seconds.push(before);
        }
        Ok(timeline)
    }

    /// Seconds from the beginning to a time.
    pub fn seconds(&self, time: Fraction) -> f64 {
        let at = self.tempos.partition_point(|(start, _)| *start < time).saturating_sub(1);
        let (Some((start, tempo)), Some(before)) = (self.tempos.get(at), self.seconds.get(at)) else {
            return 0.0;
        };
        before + (time - *start).to_f64().max(0.0) * tempo.whole_note()
    }
}

/// A bar at this time; `last` is the one before.
///
/// A short bar goes on with the measure that the last one began. Else it begins a measure where a plain bar line stands before it, or where it
/// ends a strain; and else it is a pick-up.
pub(super) fn measure(bars: &[Bar], number: usize, start: Fraction, last: Option<&Measure>) -> Measure {
    let bar = &bars[number];
    let length = bar.length();
    let full = bar.meter.map_or(length, Meter::length);
    let phase = match last.map(|last| (last.phase + last.length, bars[last.bar].line.is_plain())) {
        _ if length >= full => Fraction::ZERO,
        Some((end, _)) if end + length == full => end,
        Some((end, _)) if end == full && !bar.line.is_plain() => Fraction::ZERO,
        Some((_, true)) => Fraction::ZERO,
        _ => full - length,
    };
    Measure { start, length, phase, meter: bar.meter, key: bar.key, bar: number }
}

/// A voice while it is played.
#[derive(Default)]
struct Player {
    now: Fraction,
    sounds: Vec<Sound>,
    /// Sounds that ties lead on from.
    tied: Vec<usize>,
}

impl Player {
    fn begin(&mut self, start: Fraction) {
        if self.now != start {
            self.tied.clear();
        }
        self.now = start;
    }

    fn play(&mut self, bar: &Bar, timeline: &mut Timeline, accompanied: bool) {
        for event in &bar.events {
            match &event.kind {
                EventKind::Note(note) => self.note(note, event.place),
                EventKind::Rest(rest) => {
                    self.tied.clear();
                    self.now += rest.length;
                }
                EventKind::Chord(text) if accompanied => {
                    if let Some(harmony) = Harmony::parse(text) {
                        timeline.chords.push((self.now, harmony));
                    }
                }
                EventKind::Tempo(tempo) => timeline.tempos.push((self.now, *tempo)),
                _ => {}
            }
        }
    }

    fn note(&mut self, note: &Note, place: Place) {
        let mut tied = Vec::new();
        for (at, head) in note.heads.iter().enumerate() {
            let same = |&i: &usize| self.sounds[i].pitch.midi() == head.pitch.midi();
            let index = match self.tied.iter().copied().find(same) {
                Some(index) => {
                    self.sounds[index].length += note.length;
                    index
                }
                None => {
                    let grace =
                        if at == 0 { note.grace.iter().map(|h| h.pitch).collect() } else { Vec::new() };
                    let (start, length, pitch) = (self.now, note.length, head.pitch);
                    self.sounds.push(Sound { start, length, pitch, grace, place });
                    self.sounds.len() - 1
                }
            };
            if head.tied {
                tied.push(index);
            }
        }
        self.tied = tied;
        self.now += note.length;
    }
}

/// The tempo of a dance that says none: by `R:`, else by the meter. Session players' usual pace, somewhat below.
pub(super) fn usual_tempo(tune: &Tune) -> Tempo {
    let of = |above, below, per_minute| Tempo { beat: Fraction::new(above, below), per_minute };
    let rhythm = tune.header.text('R').unwrap_or_default().to_lowercase();
    let meter = tune.voices.iter().flat_map(|v| &v.bars).find_map(|b| b.meter).or(tune.header.meter);
    let compound = meter.is_some_and(Meter::is_compound);
    // The longer names first: a slip jig is no jig.
    let by_rhythm = [
        ("slip jig", of(3, 8, 112.0)),
        ("slide", of(3, 8, 132.0)),
        ("jig", of(3, 8, 112.0)),
        ("reel", of(1, 2, 96.0)),
        ("hornpipe", of(1, 2, 80.0)),
        ("barndance", of(1, 2, 80.0)),
        ("barn dance", of(1, 2, 80.0)),
        ("strathspey", of(1, 2, 66.0)),
        ("polka", of(1, 4, 120.0)),
        ("mazurka", of(1, 4, 138.0)),
        ("waltz", of(1, 4, 144.0)),
        ("march", of(1, 4, 112.0)),
        ("air", of(1, 4, 72.0)),
    ];
    let fits = |tempo: &Tempo| compound == (tempo.beat == Fraction::new(3, 8));
    if let Some((_, tempo)) = by_rhythm.into_iter().find(|(name, tempo)| rhythm.contains(name) && fits(tempo))
    {
        return tempo;
    }
    match meter {
        Some(meter) if compound && meter.unit == 8 => of(3, 8, 112.0),
        Some(Meter { beats: 4, unit: 4, .. } | Meter { beats: 2 | 3, unit: 2, .. }) => of(1, 2, 84.0),
        Some(Meter { beats: 3, unit: 4, .. }) => of(1, 4, 138.0),
        _ => of(1, 4, 112.0),
    }
}
