//! What is measured on every configuration.

use super::Comparison;
use crate::action::{Action, Interrupt, finite_action};
use crate::analysis::gamma_method;
use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::train::Dataset;
use std::f64::consts::TAU;

/// Step of the derivative of a periodic force along a direction of +-1.
const STEP: f64 = 1e-4;
/// Relative difference of two actions that are the same but for rounding.
const SAME: f64 = 1e-9;

/// Series along the stored order.
pub(super) struct Series {
    pub observables: Vec<(&'static str, Vec<f64>)>,
    /// One component that is no angle.
    pub magnetisation: Option<Vec<f64>>,
    /// Whether S(-phi) = S(phi), if there is an action.
    pub even: Option<bool>,
    /// Configurations without a finite action or force; they are in no series of the action.
    pub impossible: usize,
    periodic: bool,
    /// By component, means over its sites.
    identities: Vec<Vec<f64>>,
    /// Of periodic actions, F^2.
    squares: Vec<Vec<f64>>,
}

impl Series {
    /// Measures all of `data`.
    ///
    /// # Errors
    /// Those of [`Dataset::read`]; what the action stops with.
    pub fn measure(data: &Dataset, mut action: Option<&mut dyn Action>) -> Result<Self> {
        let lattice = data.lattice();
        let (sites, components) = (lattice.sites(), lattice.components());
        let mut field = data.field(0)?;
        let (even, periodic) = match action.as_deref_mut() {
            Some(action) => (Some(is_even(action, &field)?), is_periodic(action, &field)?),
            None => (None, false),
        };
        let mut series = Series {
            observables: vec![],
            magnetisation: None,
            even,
            impossible: 0,
            periodic,
            identities: vec![vec![]; components],
            squares: vec![vec![]; components],
        };
        let [mut abs_mag, mut phi2, mut magnetisation, mut density] = [const { Vec::new() }; 4];
        let mut identity = Identity::new(field.len());
        for index in 0..data.len() {
            data.read(index, &mut field)?;
            let means = field.chunks_exact(sites).map(|values| values.iter().sum::<f64>() / sites as f64);
            let (first, square) = means.fold((None, 0.0), |(first, sum), m| (first.or(Some(m)), sum + m * m));
            magnetisation.extend(first);
            abs_mag.push(square.sqrt());
            phi2.push(field.iter().map(|x| x * x).sum::<f64>() / sites as f64);
            let Some(action) = action.as_deref_mut() else { continue };
            let value = finite_action(action, &field)?;
            let finite = value.is_some() && identity.measure(action, &field, periodic, index)?;
            match value.filter(|_| finite) {
                Some(value) => {
                    density.push(value / sites as f64);
                    series.book(&identity, &field, sites);
                }
                None => series.impossible += 1,
            }
        }
        if !periodic {
            series.observables.extend([("|M|", abs_mag), ("phi^2", phi2)]);
            series.magnetisation = (components == 1).then_some(magnetisation);
        }
        if density.len() > data.len() / 2 {
            series.observables.push(("S/V", density));
        }
        Ok(series)
    }

    fn book(&mut self, identity: &Identity, field: &[f64], sites: usize) {
        let mean = |terms: &mut dyn Iterator<Item = f64>| terms.sum::<f64>() / sites as f64;
        let components = field.chunks_exact(sites).zip(identity.force.chunks_exact(sites));
        for (component, (values, force)) in components.enumerate() {
            let range = component * sites..(component + 1) * sites;
            if self.periodic {
                let divergence = &identity.divergence[range];
                self.identities[component].push(mean(&mut force.iter().zip(divergence).map(|(f, d)| f * f + d)));
                self.squares[component].push(mean(&mut force.iter().map(|f| f * f)));
            } else {
                self.identities[component].push(mean(&mut values.iter().zip(force).map(|(x, f)| -x * f)));
            }
        }
    }

    /// The Schwinger-Dyson identities; none without an action, or with one that half the configurations do not fit.
    pub fn identities(&self) -> Result<Vec<Comparison>> {
        let mut comparisons = vec![];
        for (component, values) in self.identities.iter().enumerate() {
            if values.len() < 2 {
                continue;
            }
            let mut estimate = gamma_method(&[values])?;
            let (name, expected) = match self.periodic {
                true => ("<F^2 + dF/dtheta> / <F^2>", 0.0),
                false => ("<phi dS/dphi> per site", 1.0),
            };
            if self.periodic {
                let squares = &self.squares[component];
                let scale = squares.iter().sum::<f64>() / squares.len() as f64;
                estimate = estimate.scaled(1.0 / scale.max(f64::MIN_POSITIVE));
            }
            let name = match self.identities.len() {
                1 => name.into(),
                _ => format!("{name} of component {component}"),
            };
            comparisons.push(Comparison::of(name, &estimate, expected, values.len()));
        }
        Ok(comparisons)
    }
}

/// Force, and of periodic actions its derivative, at one configuration.
struct Identity {
    force: Vec<f64>,
    divergence: Vec<f64>,
    direction: Vec<f64>,
    moved: Vec<f64>,
    behind: Vec<f64>,
}

impl Identity {
    fn new(values: usize) -> Self {
        let [force, divergence, direction, moved, behind] = [const { Vec::new() }; 5].map(|mut buffer: Vec<f64>| {
            buffer.resize(values, 0.0);
            buffer
        });
        Identity { force, divergence, direction, moved, behind }
    }

    /// Whether there is a finite force; its derivative along a random direction, too, of a periodic action.
    fn measure(&mut self, action: &mut dyn Action, field: &[f64], periodic: bool, index: usize) -> Result<bool> {
        if !finite_force(action, field, &mut self.force)? {
            return Ok(false);
        }
        if !periodic {
            return Ok(true);
        }
        Stream::new(1, 0, index as u64)?.normals(Purpose::Diagnostic, 0, &mut self.direction);
        self.direction.iter_mut().for_each(|v| *v = v.signum());
        self.shift(field, -STEP);
        let behind = finite_force(action, &self.moved, &mut self.behind)?;
        self.shift(field, STEP);
        let ahead = finite_force(action, &self.moved, &mut self.divergence)?;
        let forces = self.divergence.iter_mut().zip(&self.behind).zip(&self.direction);
        forces.for_each(|((ahead, behind), v)| *ahead = v * (*ahead - behind) / (2.0 * STEP));
        Ok(behind && ahead)
    }

    fn shift(&mut self, field: &[f64], step: f64) {
        let values = field.iter().zip(&self.direction);
        self.moved.iter_mut().zip(values).for_each(|(moved, (x, v))| *moved = x + step * v);
    }
}

fn finite_force(action: &mut dyn Action, field: &[f64], force: &mut [f64]) -> Result<bool> {
    match action.force(field, force) {
        Ok(()) => Ok(force.iter().all(|f| f.is_finite())),
        Err(Interrupt::Reject) => Ok(false),
        Err(Interrupt::Stop(error)) => Err(error),
    }
}

fn is_even(action: &mut dyn Action, field: &[f64]) -> Result<bool> {
    let turned: Vec<f64> = field.iter().map(|x| -x).collect();
    let pair = (finite_action(action, field)?, finite_action(action, &turned)?);
    Ok(matches!(pair, (Some(a), Some(b)) if same(a, b)))
}

/// Whether 2 pi more of one value changes nothing, tried at both ends and in the middle.
fn is_periodic(action: &mut dyn Action, field: &[f64]) -> Result<bool> {
    let Some(here) = finite_action(action, field)? else { return Ok(false) };
    let mut moved = field.to_vec();
    for index in [0, field.len() / 2, field.len() - 1] {
        moved[index] += TAU;
        if !finite_action(action, &moved)?.is_some_and(|there| same(here, there)) {
            return Ok(false);
        }
        moved[index] = field[index];
    }
    Ok(true)
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * (1.0 + a.abs())
}
