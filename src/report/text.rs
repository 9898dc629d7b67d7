//! The card as plain text.

use super::card::ReportCard;
use super::parts::{Check, Value};
use super::verdict::EXACTNESS;

/// Lines of the two-point function that are printed.
const MOMENTA: usize = 8;

fn pair(value: &Value) -> String {
    format!("{:.4}({:.4})", value.value, value.error)
}

fn line(name: &str, check: &Check) -> String {
    let wide = |value: &Value| format!("{:>11.5} +- {:<9.5}", value.value, value.error);
    let reweighted = match (&check.reweighted, check.z_reweighted) {
        (Some(value), Some(z)) => format!("  reweighted {} z {z:+.1}", wide(value)),
        _ => String::new(),
    };
    let counted = if check.counted { "" } else { "  (not counted)" };
    let (data, generated) = (wide(&check.data), wide(&check.generated));
    format!("  {name:<18} data {data}  generated {generated} z {:+.1}{reweighted}{counted}", check.z_generated)
}

impl ReportCard {
    /// The lines of the card.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "report card on {} held-out configurations ({} bins) and {} proposals, seed {}",
            self.held_out.0, self.held_out.1, self.proposals.0, self.proposals.1
        )];
        for path in &self.paths {
            let variance = path.var_log_w.as_ref().map_or("infinite".into(), pair);
            lines.push(format!(
                "  path, {:3} score evaluations: acceptance {}  ESS {}  Var(log w) {variance}  log Z {}{}",
                path.evaluations,
                pair(&path.acceptance),
                pair(&path.ess),
                pair(&path.log_z),
                path.seconds.map_or(String::new(), |seconds| format!("  {:.2} ms", 1e3 * seconds)),
            ));
        }
        for renoise in &self.renoise {
            lines.push(format!(
                "  renoise, t* at noise {:.2}, {} levels: acceptance {}  accepted (dQ)^2 {}  Var(log ratio) {:.3}",
                renoise.noise,
                renoise.levels,
                pair(&renoise.acceptance),
                pair(&renoise.charge_steps),
                renoise.var_log_ratio,
            ));
        }
        lines.extend(self.checks.iter().map(|check| line(&check.name, check)));
        let momenta = &self.two_point.momenta;
        lines.extend(momenta.iter().take(MOMENTA).map(|momentum| line(&momentum.check.name, &momentum.check)));
        let both = |plain: f64, weighted: Option<f64>, digits: usize| {
            let weighted = weighted.map_or(String::new(), |value| format!(", {value:.digits$} reweighted"));
            format!("{plain:.digits$} generated{weighted}")
        };
        let two_point = format!(
            "  two-point function, {} momenta: largest |z| {}; chi^2 {}",
            momenta.len(),
            both(self.two_point.largest_z.0, self.two_point.largest_z.1, 1),
            both(self.two_point.chi_squared.0, self.two_point.chi_squared.1, 0),
        );
        lines.extend((!momenta.is_empty()).then_some(two_point));
        let total: f64 = self.variance_by_level.iter().map(|level| level.value).sum();
        let most = self.variance_by_level.iter().max_by(|a, b| a.value.total_cmp(&b.value));
        // A constant log w has only rounding to show.
        if let Some(most) = most.filter(|_| total > 1e-9) {
            let sigma = libm::exp(most.log_noise);
            let share = 100.0 * most.value / total;
            lines.push(format!("  Var(log w) is made most at noise {sigma:.3}: {share:.0} % in that step"));
        }
        if let Some(force) = &self.force {
            lines.push(format!(
                "  score at noise {:.4} against the force: off by {:.4} (rms)",
                force.noise, force.value
            ));
        }
        lines.push(format!("  {EXACTNESS}"));
        lines.push(format!("verdict: {}", self.verdict.text));
        lines
    }
}
