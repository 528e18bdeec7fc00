//! Progress bars on a terminal, plain lines elsewhere; always on stderr.

use super::output::{duration, tell, thousands};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Seconds between two plain lines where there is no terminal.
const PLAIN_SECONDS: f64 = 10.0;

/// A progress bar that says what it is told.
pub struct Bar {
    bar: ProgressBar,
    plain: bool,
    last: Cell<Instant>,
    label: &'static str,
}

impl Bar {
    /// A bar from 0 to 100 %, with an ETA.
    pub fn percent(label: &'static str) -> Self {
        Bar::new(label, "{prefix} {bar:40} {percent:>3} %, {eta} to go")
    }

    /// A bar whose text is what [`Bar::say`] is given.
    pub fn told(label: &'static str) -> Self {
        Bar::new(label, "{bar:25} {msg}")
    }

    fn new(label: &'static str, template: &str) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(1000), target);
        let style = ProgressStyle::with_template(template).expect("the template is our own");
        bar.set_style(style.progress_chars("━╸─"));
        bar.set_prefix(label);
        Bar { bar, plain, last: Cell::new(Instant::now()), label }
    }

    /// How much is done, from 0 to 1.
    pub fn set(&self, done: f64) {
        self.bar.set_position((1000.0 * done) as u64);
        if self.plain && self.is_time() {
            tell!("{} {:.0} %", self.label, 100.0 * done);
        }
    }

    /// How much is done, and what to say about it.
    pub fn say(&self, done: f64, message: impl FnOnce() -> String) {
        if self.plain {
            if self.is_time() {
                tell!("{}", message());
            }
        } else {
            self.bar.set_position((1000.0 * done) as u64);
            if self.last.get().elapsed() > Duration::from_millis(100) {
                self.last.set(Instant::now());
                self.bar.set_message(message());
            }
        }
    }

    fn is_time(&self) -> bool {
        let due = self.last.get().elapsed().as_secs_f64() >= PLAIN_SECONDS;
        if due {
            self.last.set(Instant::now());
        }
        due
    }

    /// A line that stays, above the bar.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| tell!("{text}"));
    }

    /// Does something, such as printing, while the bar is out of the way.
    pub fn hidden<R>(&self, work: impl FnOnce() -> R) -> R {
        self.bar.suspend(work)
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// How fast a run goes and when it will end, from what its latest steps took.
#[derive(Debug, Default)]
pub struct Pace {
    /// Seconds a step, a mean that forgets.
    step: Option<f64>,
    steps: u32,
    last: Option<Instant>,
    /// Seconds of the latest evaluation.
    evaluation: f64,
}

impl Pace {
    /// The clock starts, or goes on after something that was no step.
    pub fn start(&mut self) {
        self.last = Some(Instant::now());
    }

    /// A step is done.
    pub fn step(&mut self) {
        if let Some(last) = self.last {
            let seconds = last.elapsed().as_secs_f64();
            self.steps += 1;
            // The first step also warms up caches and allocates; it is forgotten soon.
            let weight = (1.0 / f64::from(self.steps)).max(0.02);
            self.step = Some(self.step.map_or(seconds, |mean| mean + weight * (seconds - mean)));
        }
        self.start();
    }

    /// An evaluation took so long.
    pub fn evaluation(&mut self, seconds: f64) {
        self.evaluation = seconds;
    }

    /// Seconds that so many steps and evaluations will take; none before there is anything to go by.
    pub fn estimate(&self, steps: u64, evaluations: u32) -> Option<f64> {
        Some(self.step? * steps as f64 + self.evaluation * f64::from(evaluations))
    }

    /// Steps seen so far.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// `12,345 characters/s`, for steps of so many characters.
    pub fn rate(&self, characters: f64) -> String {
        match self.step {
            Some(step) if step > 0.0 => format!("{} characters/s", thousands((characters / step) as usize)),
            _ => "…".to_string(),
        }
    }

    /// `3 min 20 s to go`, or nothing yet.
    pub fn to_go(&self, steps: u64, evaluations: u32) -> String {
        match self.estimate(steps, evaluations) {
            Some(seconds) if self.steps >= 3 => format!("{} to go", duration(seconds)),
            _ => "…".to_string(),
        }
    }
}
