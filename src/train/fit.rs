//! Running a training: progress, cancelling, and drawing noise levels by where Var(log w) is made.

use super::density::PIECES;
use super::options::Progress;
use super::trainer::Trainer;
use crate::diffusion::T_END;
use crate::error::Result;
use crate::kernel::variance_by_level;
use crate::score::{NativeScore, Score, optimal_times};
use std::sync::Arc;

/// Score evaluations a path and paths that measure where Var(log w) is made.
const LEVELS: usize = 24;
const PATHS: usize = 256;

/// Parts of the training, in eighths of its steps, after which that is measured.
const LOOKS: [u64; 3] = [1, 2, 4];

/// Step number of the seed of the paths: one set of them for every look.
const SEED_OFFSET: u64 = 0x5eed;

impl Trainer {
    /// Takes up to `steps` steps, fewer when the training finishes, or when `progress` returns `false`: called after
    /// every step, it cancels the training, which can go on by another call. Returns whether it was cancelled.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn fit(&mut self, steps: u64, mut progress: impl FnMut(&Progress) -> bool) -> Result<bool> {
        for _ in 0..steps {
            if self.is_finished() {
                return Ok(false);
            }
            let report = self.step()?;
            if self.options.follow_variance
                && LOOKS.iter().any(|eighths| report.step == eighths * self.options.steps / 8)
            {
                self.follow_variance()?;
            }
            if !progress(&report) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Measures where along the noise levels the present network makes Var(log w), on its own paths at every point
    /// with a known action, and draws the levels of the following steps accordingly
    /// ([`Trainer::set_level_shares`]).
    ///
    /// # Errors
    /// Those of the action and of the evaluator.
    pub fn follow_variance(&mut self) -> Result<()> {
        let (low, high) = self.log_noise_range();
        let mut shares = [0.0; PIECES];
        for index in 0..self.points.len() {
            let Some(record) = self.points[index].action.clone() else { continue };
            let score = NativeScore::new(self.model(index)?)?;
            let mut action = record.build(score.lattice())?;
            let times = optimal_times(&score, LEVELS, T_END)?;
            let score: Arc<dyn Score> = Arc::new(score);
            let seed = (self.options.seed.wrapping_add(SEED_OFFSET), self.options.threads);
            // A network too poor for finite weights says nothing yet: uniform levels then.
            let Ok(levels) = variance_by_level(&score, &mut *action, &times, PATHS, seed) else { continue };
            let sites = score.lattice().sites() as f64;
            for level in levels {
                let position = (level.log_noise - low) / (high - low);
                let piece = ((position * PIECES as f64).max(0.0) as usize).min(PIECES - 1);
                // A value within its error is no reason to look there.
                shares[piece] += (level.value - level.error).max(0.0) / sites;
            }
        }
        self.set_level_shares(&shares);
        Ok(())
    }
}
