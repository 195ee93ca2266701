//! How long the rest of a job will take.

use std::time::{Duration, Instant};

/// Measures a job's steps.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    /// Time that does not count.
    paused: Duration,
    /// Steps since `began`.
    steps: u32,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), paused: Duration::ZERO, steps: 0 }
    }

    pub(crate) fn pause(&mut self, duration: Duration) {
        self.paused += duration;
    }

    /// A step is done and `left` are left. What comes between pictures is part of the average: decoding, storing.
    pub(crate) fn step(&mut self, left: u32) -> Duration {
        self.steps = self.steps.saturating_add(1);
        self.began.elapsed().saturating_sub(self.paused) / self.steps * left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_steps_so_far() {
        let mut pace = Pace::new();
        pace.began -= Duration::from_secs(30);
        pace.pause(Duration::from_secs(10));
        pace.steps = 9;
        let rest = pace.step(5).as_secs_f64();
        assert!((rest - 10.0).abs() < 0.1, "{rest}");
        assert_eq!(pace.step(0), Duration::ZERO);
    }
}
