//! How the learning rate goes over a run.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A learning-rate schedule: a pure function of the step and the total number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The peak, always.
    Constant,
    /// Up in a straight line over the first 5 % of the steps, then down along half a cosine to 0.
    WarmupCosine,
    /// PyTorch's `OneCycleLR` with 10 % of it rising: along a cosine from 1/25 of the peak up to it, then down to
    /// 1/250,000 of it (Smith and Topin, 2019).
    OneCycle,
}

/// The share of [`Schedule::WarmupCosine`] that rises.
const WARMUP: f64 = 0.05;
/// The share of [`Schedule::OneCycle`] that rises.
const RISE: f64 = 0.10;
/// Peak over first rate of [`Schedule::OneCycle`].
const START_DIVISOR: f64 = 25.0;
/// First over last rate of [`Schedule::OneCycle`].
const END_DIVISOR: f64 = 1e4;

impl Schedule {
    /// The learning rate of `step`, counted from 0, of `total` steps in all.
    pub fn lr(self, peak: f64, step: u64, total: u64) -> f64 {
        // Beyond the end (a run may be told a length and go on) the last rate stays.
        let step = step.min(total.saturating_sub(1)) as f64;
        let last = total.saturating_sub(1) as f64;
        match self {
            Schedule::Constant => peak,
            Schedule::WarmupCosine => {
                let warm = (WARMUP * total as f64).ceil().max(1.0);
                if step < warm {
                    peak * (step + 1.0) / warm
                } else {
                    cosine(peak, 0.0, (step - warm + 1.0) / (total as f64 - warm))
                }
            }
            Schedule::OneCycle => {
                let top = RISE * total as f64 - 1.0;
                let (start, end) = (peak / START_DIVISOR, peak / START_DIVISOR / END_DIVISOR);
                if step <= top {
                    cosine(start, peak, step / top.max(1.0))
                } else if last > top {
                    cosine(peak, end, ((step - top.max(0.0)) / (last - top.max(0.0)).max(1.0)).min(1.0))
                } else {
                    peak
                }
            }
        }
    }
}

/// From `a` to `b` along half a cosine, `x` from 0 to 1.
fn cosine(a: f64, b: f64, x: f64) -> f64 {
    b + (a - b) * (1.0 + (PI * x).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_peaks_and_falls() {
        let lr = |step| Schedule::OneCycle.lr(1.0, step, 100);
        assert!((lr(0) - 1.0 / 25.0).abs() < 1e-12);
        assert!((lr(9) - 1.0).abs() < 1e-12);
        assert!((lr(99) - 1.0 / 250_000.0).abs() < 1e-12);
        // PyTorch 2: OneCycleLR(max_lr=1, total_steps=100, pct_start=0.1), step 5: 0.04 + 0.96·(1 - cos(5π/9))/2.
        assert!((lr(5) - (0.04 + 0.96 * (1.0 - (5.0 * PI / 9.0).cos()) / 2.0)).abs() < 1e-12);
        assert!((1..10).all(|s| lr(s) > lr(s - 1)) && (10..100).all(|s| lr(s) < lr(s - 1)));
    }

    #[test]
    fn warm_up_rises_and_ends_at_zero() {
        let lr = |step| Schedule::WarmupCosine.lr(2.0, step, 200);
        assert!((lr(0) - 0.2).abs() < 1e-12 && (lr(9) - 2.0).abs() < 1e-12);
        assert!(lr(199).abs() < 1e-12 && (10..200).all(|s| lr(s) < lr(s - 1)));
    }

    #[test]
    fn every_length_gives_finite_positive_rates() {
        for schedule in [Schedule::Constant, Schedule::WarmupCosine, Schedule::OneCycle] {
            for total in [0, 1, 2, 3, 5, 9, 10, 11, 19, 50] {
                for step in 0..total + 3 {
                    let lr = schedule.lr(1.0, step, total);
                    assert!((0.0..=1.0).contains(&lr), "{schedule:?} {step} of {total}: {lr}");
                }
            }
        }
    }
}
