//! Sound without any other program: strings are plucked as [`perform`] says, mixed, and written as a WAV file.

mod string;

pub use string::RATE;

use super::perform::{Player, Strike, perform};
use super::timeline::Timeline;
use std::f32::consts::PI;
use string::PluckedString;
use thiserror::Error;

/// Seconds of sound that are made at most.
const MOST_SECONDS: f64 = 20.0 * 60.0;

/// Music too long to be written as sound.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("played out, the tune lasts {0:.0} s; more than {MOST_SECONDS} s are not made into sound")]
pub struct TooMuchSound(f64);

/// Two channels of samples, [`RATE`] a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stereo {
    /// Samples on the left.
    pub left: Vec<f32>,
    /// Samples on the right, as many.
    pub right: Vec<f32>,
}

/// Seconds that sound goes on after the last note's end.
const TAIL: f64 = 1.0;

/// How many samples a tune takes, its last notes' fading included.
///
/// # Errors
/// [`TooMuchSound`]
pub fn samples(timeline: &Timeline) -> Result<usize, TooMuchSound> {
    let seconds = timeline.seconds(timeline.length) + TAIL;
    match seconds <= MOST_SECONDS {
        true => Ok((seconds * f64::from(RATE)).ceil() as usize),
        false => Err(TooMuchSound(seconds)),
    }
}

/// Plays a tune on plucked strings; `chords` adds the accompaniment. The same tune gives the same samples.
///
/// # Errors
/// [`TooMuchSound`]
pub fn pluck(timeline: &Timeline, chords: bool) -> Result<Stereo, TooMuchSound> {
    let length = samples(timeline)?;
    let mut sound = Stereo { left: vec![0.0; length], right: vec![0.0; length] };
    for strike in perform(timeline, chords) {
        add(&mut sound, timeline, &strike);
    }
    Ok(sound)
}

/// Loudness of a player, and how far to the right it sits: 0 is left, 1 is right.
fn place(player: Player) -> (f32, f32) {
    match player {
        Player::Voice(0) => (1.0, 0.5),
        // Other voices stand to both sides.
        Player::Voice(n) => (0.8, if n % 2 == 1 { 0.65 } else { 0.35 }),
        Player::Chords => (0.3, 0.3),
        Player::Bass => (0.8, 0.6),
    }
}

/// Seconds in which a string begins to sound, and in which a finger stops it.
const ATTACK: f64 = 0.003;
const RELEASE: f64 = 0.09;

/// Adds a note: it rises and is stopped along a half cosine, so that neither clicks.
fn add(sound: &mut Stereo, timeline: &Timeline, strike: &Strike) {
    let samples = |seconds: f64| (seconds * f64::from(RATE)) as usize;
    let begin = samples(timeline.seconds(strike.start));
    let hold = samples(timeline.seconds(strike.end)).saturating_sub(begin);
    // The last notes ring on.
    let last = strike.end == timeline.length;
    let (attack, release) = (samples(ATTACK), samples(if last { TAIL } else { RELEASE }));
    let (loudness, right) = place(strike.player);
    // Equal power wherever it sits.
    let gains = [(1.0 - right) * PI / 2.0, right * PI / 2.0].map(|angle| loudness * angle.sin());
    let mut string = PluckedString::new(strike.key, strike.velocity);
    let end = (begin + hold + release).min(sound.left.len());
    for n in 0..end.saturating_sub(begin) {
        let mut x = string.step();
        if n < attack {
            x *= half_cosine(n as f32 / attack as f32);
        }
        if n > hold {
            x *= half_cosine(1.0 - (n - hold) as f32 / release as f32);
        }
        sound.left[begin + n] += gains[0] * x;
        sound.right[begin + n] += gains[1] * x;
    }
}

/// From 0 at 0 to 1 at 1, level at both.
fn half_cosine(x: f32) -> f32 {
    0.5 - 0.5 * (PI * x).cos()
}

/// The loudest sample of a file: one decibel below the most that 16 bits hold.
const PEAK: f32 = 0.891;

impl Stereo {
    /// A WAV file of 16 bits, as loud as it can be: the loudest sample lies one decibel below the limit, so nothing is clipped. Silence
    /// stays silent.
    pub fn wav(&self) -> Vec<u8> {
        let peak = self.left.iter().chain(&self.right).fold(0.0, |peak: f32, x| peak.max(x.abs()));
        let gain = if peak > 0.0 { PEAK / peak * f32::from(i16::MAX) } else { 0.0 };
        let frames = self.left.len().min(self.right.len());
        let data = 4 * frames as u32;
        let mut bytes = Vec::with_capacity(44 + data as usize);
        bytes.extend(b"RIFF");
        bytes.extend((36 + data).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend(16u32.to_le_bytes());
        // PCM, two channels.
        bytes.extend([1u16, 2].into_iter().flat_map(u16::to_le_bytes));
        bytes.extend([RATE, 4 * RATE].into_iter().flat_map(u32::to_le_bytes));
        // Bytes of a frame, bits of a sample.
        bytes.extend([4u16, 16].into_iter().flat_map(u16::to_le_bytes));
        bytes.extend(b"data");
        bytes.extend(data.to_le_bytes());
        for (left, right) in self.left.iter().zip(&self.right) {
            // The conversion saturates, and NaN becomes 0.
            bytes.extend([left, right].into_iter().flat_map(|x| ((x * gain).round() as i16).to_le_bytes()));
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn sound(text: &str) -> Stereo {
        pluck(&Timeline::new(&read(text)[0]).unwrap(), true).unwrap()
    }

    const TUNE: &str =
        "X:1\nM:6/8\nL:1/8\nQ:3/8=120\nK:D\n\"D\"DFA d2f|\"G\"{ga}g3- g2z|\"A7\"[Ace]3 z3|\"D\"d6|]\n";

    fn decoded(wav: &[u8]) -> Vec<i16> {
        wav[44..].chunks(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }

    #[test]
    fn the_file_is_whole_and_not_clipped() {
        let wav = sound(TUNE).wav();
        let word = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!((&wav[..4], &wav[8..16], &wav[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
        assert_eq!((word(4), word(40)), (wav.len() - 8, wav.len() - 44));
        assert_eq!((word(24), word(28)), (44_100, 176_400));
        // Eight beats of half a second, and the tail.
        assert_eq!((wav.len() - 44) / 4, 5 * 44_100);
        let peak = decoded(&wav).into_iter().map(i16::unsigned_abs).max().unwrap();
        assert!((29_100..=29_300).contains(&peak), "{peak}");
    }

    #[test]
    fn the_same_tune_gives_the_same_bytes() {
        assert_eq!(sound(TUNE).wav(), sound(TUNE).wav());
        assert_ne!(sound(TUNE), sound(&TUNE.replace("DFA", "DFB")));
    }

    #[test]
    fn nothing_clicks() {
        let sound = pluck(&Timeline::new(&read(TUNE)[0]).unwrap(), false).unwrap();
        let peak = sound.left.iter().fold(0f32, |m, x| m.max(x.abs()));
        // It begins and ends in silence.
        assert!(sound.left[0].abs() < 1e-4 * peak && sound.left[sound.left.len() - 1].abs() < 1e-3 * peak);
        // Where a note is stopped, and where one fades out, nothing jumps more than a string does.
        let jumps = |from: f64, to: f64| {
            let range = (from * 44_100.0) as usize..(to * 44_100.0) as usize;
            sound.left[range].windows(2).map(|w| (w[1] - w[0]).abs()).fold(0f32, f32::max)
        };
        // The second bar's last rest: its note ends 1/8 before, at 11/12 s after 1 s.
        assert!(jumps(1.80, 1.99) < 0.1 * peak, "{} of {peak}", jumps(1.80, 1.99));
        assert!(jumps(4.9, 5.0) < 1e-3 * peak);
    }

    #[test]
    fn silence_and_length() {
        let mut silent = Stereo { left: vec![0.0; 10], right: vec![0.0; 10] };
        assert!(decoded(&silent.wav()).iter().all(|x| *x == 0));
        silent.left[3] = f32::NAN;
        assert_eq!(silent.wav().len(), 84);
        let long = format!("X:1\nL:1\nM:none\nQ:1/4=20\nK:C\n{}\n", "A8|".repeat(50));
        let timeline = Timeline::new(&read(&long)[0]).unwrap();
        assert_eq!(pluck(&timeline, false), Err(TooMuchSound(4801.0)));
    }
}
