//! How often each noise level is drawn.

/// Pieces of the density.
pub const PIECES: usize = 16;

/// Share of the draws that stay uniform: no level is ever forgotten.
const UNIFORM: f64 = 0.5;

/// A piecewise constant density over the trained range of ln sigma, mapped to \[0, 1\].
#[derive(Clone, Debug, PartialEq)]
pub struct LevelDensity {
    density: [f64; PIECES],
}

impl Default for LevelDensity {
    fn default() -> Self {
        LevelDensity { density: [1.0; PIECES] }
    }
}

impl LevelDensity {
    /// Half uniform, half proportional to `shares` (negative ones count as zero; without any, uniform).
    pub fn following(shares: &[f64; PIECES]) -> Self {
        let total: f64 = shares.iter().map(|share| share.max(0.0)).sum();
        if !(total > 0.0 && total.is_finite()) {
            return Self::default();
        }
        let density = shares.map(|share| UNIFORM + (1.0 - UNIFORM) * PIECES as f64 * share.max(0.0) / total);
        LevelDensity { density }
    }

    /// From values stored before; positive, with mean 1.
    pub fn from_values(density: [f64; PIECES]) -> Self {
        LevelDensity { density }
    }

    /// The values of the pieces.
    pub fn values(&self) -> &[f64; PIECES] {
        &self.density
    }

    /// Turns a uniform number into a position, and gives the density there.
    pub fn position(&self, uniform: f64) -> (f64, f64) {
        let mut left = uniform * PIECES as f64;
        for (piece, &density) in self.density.iter().enumerate() {
            if left < density || piece == PIECES - 1 {
                let within = (left / density).min(1.0);
                return (((piece as f64 + within) / PIECES as f64).min(1.0), density);
            }
            left -= density;
        }
        (1.0, self.density[PIECES - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_density_and_weights_undo_it() {
        let mut shares = [0.0; PIECES];
        (shares[3], shares[4], shares[9]) = (2.0, 6.0, -1.0);
        let density = LevelDensity::following(&shares);
        assert!((density.values().iter().sum::<f64>() / PIECES as f64 - 1.0).abs() < 1e-12);
        let (mut counts, mut mean) = ([0usize; PIECES], 0.0);
        let draws = 160_000;
        for i in 0..draws {
            let (position, value) = density.position((i as f64 + 0.5) / draws as f64);
            assert_eq!(value, density.values()[((position * PIECES as f64) as usize).min(PIECES - 1)]);
            counts[((position * PIECES as f64) as usize).min(PIECES - 1)] += 1;
            mean += position * position / value / draws as f64;
        }
        assert!((mean - 1.0 / 3.0).abs() < 1e-6, "reweighted, the mean of x^2 is that of a uniform law: {mean}");
        // Piece 4: 0.5 + 0.5 * 16 * 6/8 = 6.5 sixteenths.
        assert!((counts[4] as f64 / draws as f64 - 6.5 / 16.0).abs() < 1e-4);
        assert!((counts[9] as f64 / draws as f64 - 0.5 / 16.0).abs() < 1e-4);
        assert_eq!(LevelDensity::following(&[f64::NAN; PIECES]), LevelDensity::default());
        assert_eq!(LevelDensity::default().position(0.25), (0.25, 1.0));
    }
}
