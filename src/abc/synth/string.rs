//! A plucked string, after Karplus and Strong: a burst of noise goes round a delay line as long as a period, and at each turn a filter
//! takes some of it away, the high partials first (Computer Music Journal 7/2, 1983; tuning and decay after Jaffe and Smith, ibid.).
//!
//! ```text
//! ──► delay N ──► g·((1 − s)·x[n] + s·x[n−1]) ──► all-pass C ──┬──► out
//!  ▲                                                           │
//!  └───────────────────────────────────────────────────────────┘
//! N + delay of the low-pass + delay of the all-pass = period
//! ```

use std::f64::consts::TAU;

/// Samples a second.
pub const RATE: u32 = 44_100;

/// One note of a string: an iterator over its samples, without end.
pub(super) struct PluckedString {
    line: Vec<f32>,
    at: usize,
    /// The low-pass: gains of this sample and the one before.
    now: f32,
    before: f32,
    last: f32,
    /// The all-pass: coefficient, last input, last output.
    tune: f32,
    tune_in: f32,
    tune_out: f32,
}

/// The frequency of a MIDI key.
pub(super) fn frequency(key: u8) -> f64 {
    440.0 * ((f64::from(key) - 69.0) / 12.0).exp2()
}

impl PluckedString {
    /// A string tuned to `key`, plucked as hard as `velocity` says: harder is louder and brighter.
    pub fn new(key: u8, velocity: u8) -> Self {
        let frequency = frequency(key);
        let period = f64::from(RATE) / frequency;
        let omega = TAU * frequency / f64::from(RATE);
        // Short strings would lose their partials too soon.
        let s = (0.5 - 0.1 * (frequency / 440.0).log2()).clamp(0.25, 0.5);
        let (re, im) = (1.0 - s + s * omega.cos(), s * omega.sin());
        let (gain, delay) = (re.hypot(im), im.atan2(re) / omega);
        // Sixty decibels in so many seconds; at zero frequency the gain must stay below 1.
        let decay = (3.2 * (220.0 / frequency).sqrt()).clamp(0.7, 5.0);
        let per_period = (-1000f64.ln() / (decay * frequency)).exp();
        let g = (per_period / gain).min(0.9995);
        // What whole samples leave over, between 0.1 and 1.1 where the all-pass is at its best.
        let whole = ((period - delay - 0.1).floor()).max(1.0);
        let left = period - delay - whole;
        let tune = ((1.0 - left) * omega / 2.0).sin() / ((1.0 + left) * omega / 2.0).sin();
        PluckedString {
            line: pluck(whole as usize, key, velocity),
            at: 0,
            now: (g * (1.0 - s)) as f32,
            before: (g * s) as f32,
            last: 0.0,
            tune: tune as f32,
            tune_in: 0.0,
            tune_out: 0.0,
        }
    }

    /// The next sample.
    pub fn step(&mut self) -> f32 {
        let x = self.line[self.at];
        let low = self.now * x + self.before * self.last;
        self.last = x;
        let out = self.tune * (low - self.tune_out) + self.tune_in;
        (self.tune_in, self.tune_out) = (low, out);
        self.line[self.at] = out;
        self.at = if self.at + 1 == self.line.len() { 0 } else { self.at + 1 };
        out
    }
}

/// What a pluck leaves in the delay line: noise that a soft finger makes dull, plucked at a fifth of the string, without a constant
/// part, of equal power whatever the string.
fn pluck(length: usize, key: u8, velocity: u8) -> Vec<f32> {
    let hardness = f32::from(velocity) / 127.0;
    let mut noise = Noise(0x9E37_79B9 ^ u32::from(key) << 8 ^ u32::from(velocity));
    let smooth = 0.85 - 0.3 * hardness;
    let (mut once, mut twice) = (0.0, 0.0);
    let raw: Vec<f32> = (0..length)
        .map(|_| {
            once = smooth * once + (1.0 - smooth) * noise.next();
            twice = smooth * twice + (1.0 - smooth) * once;
            twice
        })
        .collect();
    let place = (length / 5).max(1) % length;
    let mut line: Vec<f32> = (0..length).map(|n| raw[n] - 0.9 * raw[(n + length - place) % length]).collect();
    let mean = line.iter().sum::<f32>() / length as f32;
    line.iter_mut().for_each(|x| *x -= mean);
    let power = line.iter().map(|x| x * x).sum::<f32>() / length as f32;
    let loudness = 0.2 * hardness / power.sqrt().max(1e-6);
    line.iter_mut().for_each(|x| *x *= loudness);
    line
}

/// Marsaglia's xorshift: the same noise for the same note, always.
struct Noise(u32);

impl Noise {
    /// Between -1 and 1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frequency near `guess` at which a note is strongest.
    fn measured(samples: &[f32], guess: f64) -> f64 {
        let n = samples.len() as f64;
        let strength = |frequency: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (t, x) in samples.iter().enumerate() {
                let window = 0.5 - 0.5 * (TAU * t as f64 / n).cos();
                let phase = TAU * frequency * t as f64 / f64::from(RATE);
                re += window * f64::from(*x) * phase.cos();
                im += window * f64::from(*x) * phase.sin();
            }
            re.hypot(im)
        };
        let cents = (-40..=40).map(|c| guess * (f64::from(c) / 1200.0).exp2());
        let found = cents.max_by(|a, b| strength(*a).total_cmp(&strength(*b)));
        found.unwrap()
    }

    #[test]
    fn strings_are_in_tune() {
        for key in [28, 40, 55, 62, 69, 74, 81, 88, 96] {
            let mut string = PluckedString::new(key, 90);
            let samples: Vec<f32> = (0..RATE as usize / 2).map(|_| string.step()).collect();
            let cents = 1200.0 * (measured(&samples[2000..], frequency(key)) / frequency(key)).log2();
            assert!(cents.abs() <= 3.0, "key {key} is {cents} cents off");
        }
    }

    #[test]
    fn every_string_sounds_and_dies_away() {
        for key in 0..128 {
            for velocity in [1, 64, 127] {
                let mut string = PluckedString::new(key, velocity);
                let mut peak = |from: f64, to: f64| {
                    let count = (f64::from(RATE) * (to - from)) as usize;
                    (0..count).map(|_| string.step().abs()).fold(0.0, f32::max)
                };
                let (early, late) = (peak(0.0, 0.1), peak(0.1, 8.0).min(peak(8.0, 8.5)));
                assert!(early > 0.0005 && early < 4.0 && early.is_finite(), "key {key}: {early}");
                assert!(late < early / 10.0, "key {key}: {early} to {late}");
            }
        }
    }
}
