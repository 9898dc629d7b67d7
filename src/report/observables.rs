//! What the card measures on a configuration, and the quantities that it derives from the means.

use super::links::LinkObservables;
use crate::action::ActionRecord;
use crate::analysis::{MomentumPower, cumulants_of_moments};
use crate::error::Result;
use crate::lattice::Lattice;

/// Highest cumulant.
const HIGHEST: usize = 8;
/// Of every component: the moments of the sites, then M, |M|, M^2, M^4.
const A_COMPONENT: usize = HIGHEST + 4;
/// Momenta are joined to about this many classes of neighbouring p^2.
const MOST_MOMENTA: usize = 64;

/// Momenta that are compared together.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentumGroup {
    pub component: usize,
    pub momentum_squared: f64,
    pub modes: usize,
    /// Classes in it.
    classes: Vec<usize>,
}

/// A derived quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub name: String,
    /// Powers of the field in it: the error of a high one is itself known badly.
    pub order: usize,
}

pub struct Observables {
    sites: usize,
    components: usize,
    even: bool,
    action: bool,
    power: MomentumPower,
    powers: Vec<f64>,
    pub groups: Vec<MomentumGroup>,
    /// Of link angles, which have their own.
    pub links: Option<LinkObservables>,
}

impl Observables {
    /// With `action`, the action density too; `even`: odd moments vanish.
    pub fn new(lattice: &Lattice, even: bool, action: bool) -> Self {
        let power = MomentumPower::new(lattice);
        let groups = grouped(&power, lattice.components());
        let powers = vec![0.0; power.classes().len()];
        let (sites, components) = (lattice.sites(), lattice.components());
        Observables { sites, components, even, action, power, powers, groups, links: None }
    }

    /// Of link angles: loops, charge and action density; no momenta.
    ///
    /// # Errors
    /// As [`LinkObservables::new`].
    pub fn of_links(lattice: &Lattice, action: Option<&ActionRecord>) -> Result<Self> {
        let links = Some(LinkObservables::new(lattice, action)?);
        Ok(Observables { groups: vec![], links, ..Observables::new(lattice, true, action.is_some()) })
    }

    /// Numbers a configuration.
    pub fn width(&self) -> usize {
        if let Some(links) = &self.links {
            return links.names().len() + 1;
        }
        self.components * A_COMPONENT + 2 + self.groups.len()
    }

    /// Fills the row of a configuration.
    pub fn measure(&mut self, field: &[f64], action: f64, row: &mut [f64]) {
        for (values, row) in field.chunks_exact(self.sites).zip(row.chunks_exact_mut(A_COMPONENT)) {
            row.fill(0.0);
            for &x in values {
                let mut power = 1.0;
                for sum in &mut row[..HIGHEST] {
                    power *= x;
                    *sum += power;
                }
            }
            row[..HIGHEST].iter_mut().for_each(|sum| *sum /= self.sites as f64);
            let m = row[0];
            row[HIGHEST..].copy_from_slice(&[m, m.abs(), m * m, m * m * m * m]);
        }
        let rest = &mut row[self.components * A_COMPONENT..];
        rest[0] = f64::from(u8::from(field[..self.sites].iter().sum::<f64>() > 0.0));
        rest[1] = if self.action { action / self.sites as f64 } else { 0.0 };
        self.power.measure(field, &mut self.powers);
        for (sum, group) in rest[2..].iter_mut().zip(&self.groups) {
            let classes = self.power.classes();
            let total: f64 = group.classes.iter().map(|&c| self.powers[c] * classes[c].modes as f64).sum();
            *sum = total / group.modes as f64;
        }
    }

    /// Column of M of the first component.
    /// Of link angles that of the charge.
    pub fn magnetisation(&self) -> usize {
        self.links.as_ref().map_or(HIGHEST, |links| links.names().len() - 1)
    }

    /// Columns whose autocorrelation decides how long a bin must be: M^2, the square of the field, the action.
    pub fn slow(&self) -> Vec<usize> {
        if let Some(links) = &self.links {
            return vec![0, links.names().len() - 1];
        }
        let of = |component: usize| [component * A_COMPONENT + 1, component * A_COMPONENT + HIGHEST + 2];
        let mut columns: Vec<usize> = (0..self.components).flat_map(of).collect();
        columns.extend(self.action.then_some(self.components * A_COMPONENT + 1));
        columns
    }

    /// The quantities that [`Observables::derive`] gives, before the momenta.
    pub fn quantities(&self) -> Vec<Quantity> {
        let mut found = vec![];
        if let Some(links) = &self.links {
            let names = links.names().iter().map(|name| (name.clone(), if links.counts(name) { 2 } else { HIGHEST }));
            let density = self.action.then(|| ("action_density".to_string(), 2));
            return names.chain(density).map(|(name, order)| Quantity { name, order }).collect();
        }
        let suffix = |component: usize| match (self.components, component) {
            (1, _) => String::new(),
            (_, 0) => "_x".into(),
            (_, 1) => "_y".into(),
            (_, other) => format!("_{other}"),
        };
        for component in 0..self.components {
            let mut add =
                |name: &str, order| found.push(Quantity { name: name.to_string() + &suffix(component), order });
            self.orders().into_iter().for_each(|n| add(&if n == 1 { "phi".into() } else { format!("kappa{n}") }, n));
            [("phi2", 2), ("abs_mag", 1), ("chi2", 2), ("binder", 4)].into_iter().for_each(|(name, n)| add(name, n));
        }
        found.push(Quantity { name: "positive".into(), order: 1 });
        found.extend(self.action.then(|| Quantity { name: "action_density".into(), order: 4 }));
        found
    }

    fn orders(&self) -> Vec<usize> {
        (1..=HIGHEST).filter(|n| !self.even || n % 2 == 0).collect()
    }

    /// All quantities, then the power of every group of momenta, from the means of a row.
    pub fn derive(&self, means: &[f64]) -> Vec<f64> {
        if self.links.is_some() {
            return means[..means.len() - usize::from(!self.action)].to_vec();
        }
        let mut found = vec![];
        for row in means.chunks_exact(A_COMPONENT).take(self.components) {
            let moments: [f64; HIGHEST] = std::array::from_fn(|k| if self.even && k % 2 == 0 { 0.0 } else { row[k] });
            let cumulants = cumulants_of_moments(&moments);
            found.extend(self.orders().into_iter().map(|n| cumulants[n - 1]));
            let (square, fourth) = (row[HIGHEST + 2], row[HIGHEST + 3]);
            found.extend([
                row[1],
                row[HIGHEST + 1],
                self.sites as f64 * square,
                1.0 - fourth / (3.0 * square * square),
            ]);
        }
        let rest = &means[self.components * A_COMPONENT..];
        found.push(rest[0]);
        found.extend(self.action.then_some(rest[1]));
        found.extend_from_slice(&rest[2..]);
        found
    }

    /// Refuses a row that overflowed.
    pub fn checked(&mut self, field: &[f64], action: f64, row: &mut [f64]) -> Result<()> {
        match &mut self.links {
            Some(links) => {
                links.measure(field, row)?;
                row[row.len() - 1] = if self.action { action / self.sites as f64 } else { 0.0 };
            }
            None => self.measure(field, action, row),
        }
        crate::error::require_finite("observables", row)
    }
}

/// Classes of momenta in order of p^2, neighbours joined where there are many.
fn grouped(power: &MomentumPower, components: usize) -> Vec<MomentumGroup> {
    let classes = power.classes();
    let mut groups = vec![];
    for component in 0..components {
        let mut order: Vec<usize> = (0..classes.len()).filter(|&c| classes[c].component == component).collect();
        order.sort_by(|&a, &b| classes[a].momentum_squared.total_cmp(&classes[b].momentum_squared));
        // The zero mode stays alone.
        let size = order.len().div_ceil(MOST_MOMENTA);
        let (zero, rest) = order.split_at(1.min(order.len()));
        for members in std::iter::once(zero).chain(rest.chunks(size.max(1))).filter(|members| !members.is_empty()) {
            let modes: usize = members.iter().map(|&c| classes[c].modes).sum();
            let sum: f64 = members.iter().map(|&c| classes[c].modes as f64 * classes[c].momentum_squared).sum();
            let momentum_squared = sum / modes as f64;
            groups.push(MomentumGroup { component, momentum_squared, modes, classes: members.to_vec() });
        }
    }
    groups
}
