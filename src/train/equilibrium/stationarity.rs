//! Whether configurations have the same law after an exact update as before.

use super::{Comparison, EquilibriumReport, LIMIT, with_error};
use crate::action::{Action, finite_action};
use crate::analysis::gamma_method;
use crate::error::Result;
use crate::rng::{MAX_CHAIN, Stream};
use crate::train::Dataset;

/// Relative changes below this are rounding.
const ROUNDING: f64 = 1e-9;

impl EquilibriumReport {
    /// Applies `update`, which is exact for `action` and has the name `what`, once to every configuration, with random numbers of its
    /// own, and adds the mean changes of |M| and S/V to the report, as faults where they are no chance.
    ///
    /// # Errors
    /// Those of [`Dataset::read`], of the action and of the update.
    pub fn require_stationary(
        &mut self,
        data: &Dataset,
        action: &mut dyn Action,
        what: &str,
        update: &mut dyn FnMut(&Stream, &mut [f64]) -> Result<()>,
    ) -> Result<()> {
        let sites = data.lattice().sites() as f64;
        let mut measure = |field: &[f64]| -> Result<Option<[f64; 2]>> {
            let mean = field.iter().sum::<f64>() / sites;
            Ok(finite_action(action, field)?.map(|action| [mean.abs(), action / sites]))
        };
        let mut changes = [vec![], vec![]];
        for index in 0..data.len() {
            let mut field = data.field(index)?;
            let before = measure(&field)?;
            update(&Stream::new(1, MAX_CHAIN, index as u64)?, &mut field)?;
            if let (Some(before), Some(after)) = (before, measure(&field)?) {
                for ((series, before), after) in changes.iter_mut().zip(before).zip(after) {
                    let change = after - before;
                    let rounding = change.abs() <= ROUNDING * (before.abs() + after.abs());
                    series.push(if rounding { 0.0 } else { change });
                }
            }
        }
        for (name, series) in ["|M|", "S/V"].into_iter().zip(&changes).filter(|(_, series)| series.len() > 1) {
            let found = Comparison::of(format!("{name} by {what}"), &gamma_method(&[series])?, 0.0, series.len());
            if let Some(z) = found.z.filter(|z| z.abs() > LIMIT) {
                self.faults.push(format!(
                    "{} changes by {} (z = {z:.1}), but an exact update leaves the law of equilibrium as it is: domains, or \
                     another phase, are left from the start of the chains",
                    found.name,
                    with_error(found.value, found.error)
                ));
            }
            self.changes.push(found);
        }
        Ok(())
    }
}
