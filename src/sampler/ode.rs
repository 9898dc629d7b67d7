//! Adaptive integration of ordinary differential equations: Dormand and Prince's pairs 5(4) and 8(5,3)
//! (Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, sec. II.5, II.10).

use crate::error::{Error, Result};
use differential_equations::methods::ExplicitRungeKutta;
use differential_equations::ode::{ODE, OrdinaryNumericalMethod};
use std::cell::{Cell, RefCell};

/// Most steps. The stiffness test of the solver library compares unlike quantities and may stop a sound
/// integration from 1500 steps on; a smooth flow needs tens.
const MOST_STEPS: usize = 1400;
/// The first step that is tried, as a fraction of the whole way.
const FIRST: f64 = 20.0;
/// Tolerances from here on are reached faster with the lower order.
const LOOSE: f64 = 1e-6;

/// Fills the derivative at (variable, state).
pub(super) type Derivative<'a> = dyn FnMut(f64, &[f64], &mut [f64]) -> Result<()> + 'a;

/// The derivative as the solver wants it: through a shared reference, and without a way to fail.
struct System<'a, 'b> {
    derivative: RefCell<&'a mut Derivative<'b>>,
    failure: RefCell<Option<Error>>,
    evaluations: Cell<u64>,
}

impl ODE<f64, Vec<f64>> for System<'_, '_> {
    fn diff(&self, variable: f64, state: &Vec<f64>, derivative: &mut Vec<f64>) {
        if self.failure.borrow().is_some() {
            derivative.fill(0.0);
            return;
        }
        self.evaluations.set(self.evaluations.get() + 1);
        let result = (self.derivative.borrow_mut())(variable, state, derivative)
            .and_then(|()| crate::error::require_finite("velocity of the flow", derivative));
        if let Err(error) = result {
            derivative.fill(0.0);
            *self.failure.borrow_mut() = Some(error);
        }
    }
}

/// Carries `state` from `from` to `to` with local errors below `tolerance` (absolute, and relative to each
/// component); returns the number of evaluations of the derivative. On an error `state` is unchanged.
pub(super) fn integrate(
    derivative: &mut Derivative<'_>,
    (from, to): (f64, f64),
    state: &mut Vec<f64>,
    tolerance: f64,
) -> Result<u64> {
    if from == to {
        return Ok(0);
    }
    let system =
        System { derivative: RefCell::new(derivative), failure: RefCell::default(), evaluations: Cell::new(0) };
    // The solver's own guess of the first step is tiny where the flow stands still, as it does at noise 0.
    let first = (to - from) / FIRST;
    let end = if tolerance >= LOOSE {
        drive(
            ExplicitRungeKutta::dopri5().rtol(tolerance).atol(tolerance).h0(first).max_steps(MOST_STEPS),
            &system,
            from,
            to,
            state,
        )
    } else {
        drive(
            ExplicitRungeKutta::dop853().rtol(tolerance).atol(tolerance).h0(first).max_steps(MOST_STEPS),
            &system,
            from,
            to,
            state,
        )
    };
    *state = end?;
    Ok(system.evaluations.get())
}

fn drive(
    mut method: impl OrdinaryNumericalMethod<f64, Vec<f64>>,
    system: &System<'_, '_>,
    from: f64,
    to: f64,
    state: &Vec<f64>,
) -> Result<Vec<f64>> {
    let direction = (to - from).signum();
    let failed = |reason: String| {
        let expected = "a flow that the adaptive integrator can follow; loosen the tolerance or check the score model";
        Error::invalid("probability flow", reason, expected)
    };
    let describe = |error| match error {
        differential_equations::error::Error::MaxSteps { t, .. } => {
            failed(format!("{MOST_STEPS} steps reach only {t}"))
        }
        differential_equations::error::Error::StepSize { t, .. } => failed(format!("steps vanish at {t}")),
        differential_equations::error::Error::Stiffness { t, .. } => failed(format!("stiff at {t}")),
        _ => Error::Internal("the integrator refused its arguments".into()),
    };
    let mut outcome = method.init(system, from, to, state);
    loop {
        if let Some(error) = system.failure.take() {
            return Err(error);
        }
        outcome.map_err(describe)?;
        let left = to - method.t();
        if left * direction <= 1e-14 * (to - from).abs() {
            return Ok(method.y().clone());
        }
        if method.h() * direction > left * direction {
            method.set_h(left);
        }
        outcome = method.step(system);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_follow_a_rotation_both_ways() {
        for tolerance in [1e-6, 1e-11] {
            for to in [7.0, -7.0] {
                let mut state = vec![1.0, 0.0];
                let mut derivative = |_: f64, y: &[f64], dy: &mut [f64]| {
                    (dy[0], dy[1]) = (-y[1], y[0]);
                    Ok(())
                };
                let evaluations = integrate(&mut derivative, (0.0, to), &mut state, tolerance).unwrap();
                let error = (state[0] - f64::cos(to)).abs() + (state[1] - f64::sin(to)).abs();
                assert!(error < 100.0 * tolerance, "{error}");
                assert!((20..2000).contains(&evaluations));
            }
        }
    }

    #[test]
    fn failures_are_reported_and_change_nothing() {
        let mut state = vec![1.0];
        let mut bad = |t: f64, _: &[f64], dy: &mut [f64]| {
            dy[0] = if t > 0.5 { f64::NAN } else { 1.0 };
            Ok(())
        };
        assert!(matches!(integrate(&mut bad, (0.0, 1.0), &mut state, 1e-8), Err(Error::NotFinite { .. })));
        // x' = x^2 from 1 has no solution beyond 1.
        let mut explosive = |_: f64, y: &[f64], dy: &mut [f64]| {
            dy[0] = y[0] * y[0];
            Ok(())
        };
        assert!(integrate(&mut explosive, (0.0, 2.0), &mut state, 1e-8).is_err());
        assert_eq!(state, [1.0]);
    }
}
