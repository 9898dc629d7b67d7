//! The result of one update of a Markov chain.

/// What became of a proposal. Errors are a third thing and travel as [`crate::error::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The proposal is the new state.
    Accepted,
    /// The chain stays where it was; that state counts once more.
    Rejected,
}

/// The Metropolis decision: accept with probability min(1, exp(`log_ratio`)), `uniform` being
/// uniform on (0, 1). A `log_ratio` of NaN is rejected.
pub fn metropolis(log_ratio: f64, uniform: f64) -> Outcome {
    // libm in Rust: the same decision on every platform.
    if libm::log(uniform) < log_ratio { Outcome::Accepted } else { Outcome::Rejected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_follows_the_ratio_and_refuses_nan() {
        assert_eq!(metropolis(0.5f64.ln(), 0.49), Outcome::Accepted);
        assert_eq!(metropolis(0.5f64.ln(), 0.51), Outcome::Rejected);
        assert_eq!(metropolis(0.0, 1.0 - f64::EPSILON), Outcome::Accepted);
        assert_eq!(metropolis(f64::NEG_INFINITY, f64::MIN_POSITIVE), Outcome::Rejected);
        assert_eq!(metropolis(f64::NAN, f64::MIN_POSITIVE), Outcome::Rejected);
    }
}
