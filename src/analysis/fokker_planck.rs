//! The Fokker-Planck equation in one variable: the density that a diffusion process carries, without noise.
//!
//! For dphi = A(phi, t) dt + g(t) dW, with y = phi / w(t) and w^2 = f^2 C + Xi, so that the grid follows the
//! width of the process,
//!
//!   dq/dt = -d/dy \[ (A/w - y w'/w) q - g^2/(2 w^2) dq/dy \],   q(y) = w p(w y).
//!
//! Space: finite volumes with exponentially fitted fluxes (Scharfetter, Gummel, IEEE Trans. Electron
//! Devices 16 (1969) 64; the stationary state of Chang, Cooper, J. Comp. Phys. 6 (1970) 1), no flux through
//! the ends: what leaves a cell enters its neighbour, mass is conserved to rounding. Time: TR-BDF2 (Bank et al., IEEE
//! Trans. Electron Devices 32 (1985) 1992), which damps stiff modes. Both are of second order: halve cell
//! and step together, and (4 fine - coarse)/3 is of higher order still.

use super::exact::cumulants_of_moments;
use crate::diffusion::{Schedule, T_END};
use crate::error::{Error, Result, require_finite};
use crate::score::Score;
use std::sync::Arc;

/// Evaluates a function of phi at a time, for many phi at once: `function(time, phi, out)`.
pub type Along<'a> = dyn FnMut(f64, &[f64], &mut [f64]) -> Result<()> + 'a;

/// Resolution of a [`FokkerPlanck`] solver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FokkerPlanckOptions {
    /// Cells in space.
    pub cells: usize,
    /// Time steps from 0 to T; an interval gets its share, rounded up.
    pub steps: usize,
    /// The grid covers |phi| <= reach w(t).
    pub reach: f64,
}

impl Default for FokkerPlanckOptions {
    fn default() -> Self {
        FokkerPlanckOptions { cells: 1000, steps: 500, reach: 8.0 }
    }
}

/// A density on the cells of the grid at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    time: f64,
    width: f64,
    cell: f64,
    /// q = w p at the centres of the cells.
    scaled: Vec<f64>,
}

impl Density {
    /// The time.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Centres phi of the cells, ascending.
    pub fn points(&self) -> Vec<f64> {
        (0..self.scaled.len()).map(|i| self.point(i)).collect()
    }

    /// p at the points.
    pub fn values(&self) -> Vec<f64> {
        self.scaled.iter().map(|q| q / self.width).collect()
    }

    fn point(&self, i: usize) -> f64 {
        self.width * self.cell * (i as f64 + 0.5 - 0.5 * self.scaled.len() as f64)
    }

    /// The integral of p, 1 up to rounding.
    pub fn mass(&self) -> f64 {
        self.cell * self.scaled.iter().sum::<f64>()
    }

    /// E\[phi^n\], n = 1 to `highest`.
    pub fn moments(&self, highest: usize) -> Vec<f64> {
        let mut moments = vec![0.0; highest];
        for (i, q) in self.scaled.iter().enumerate() {
            let mut power = q * self.cell;
            for moment in &mut moments {
                power *= self.point(i);
                *moment += power;
            }
        }
        moments
    }

    /// Cumulants kappa_1 to kappa_`highest`.
    pub fn cumulants(&self, highest: usize) -> Vec<f64> {
        cumulants_of_moments(&self.moments(highest))
    }

    /// The integral of |p - `expected`|: 0 for equal densities, 2 for disjoint ones.
    pub fn l1_distance(&self, expected: impl Fn(f64) -> f64) -> f64 {
        let differences = self.scaled.iter().enumerate().map(|(i, q)| (q - self.width * expected(self.point(i))).abs());
        self.cell * differences.sum::<f64>()
    }
}

/// Solves the Fokker-Planck equation of the forward and the backward process.
#[derive(Clone, Copy, Debug)]
pub struct FokkerPlanck {
    schedule: Schedule,
    variance: f64,
    options: FokkerPlanckOptions,
}

/// gamma of TR-BDF2, for which both implicit stages have the same matrix factor.
const GAMMA: f64 = 2.0 - std::f64::consts::SQRT_2;

impl FokkerPlanck {
    /// A solver for data of about the given variance C, which sets the width of the grid.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `variance` and `reach` are finite and above 0, and there are at least 3 cells
    /// and one step.
    pub fn new(schedule: Schedule, variance: f64, options: FokkerPlanckOptions) -> Result<Self> {
        for (name, value) in [("variance", variance), ("reach", options.reach)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::invalid(name, value, "a finite number above 0"));
            }
        }
        if !(3..=10_000_000).contains(&options.cells) {
            return Err(Error::invalid("cells", options.cells, "between 3 and 10 million"));
        }
        if !(1..=100_000_000).contains(&options.steps) {
            return Err(Error::invalid("steps", options.steps, "between 1 and 100 million"));
        }
        Ok(FokkerPlanck { schedule, variance, options })
    }

    fn width(&self, time: f64) -> f64 {
        (self.schedule.signal(time).powi(2) * self.variance + self.schedule.variance(time)).sqrt()
    }

    fn cell(&self) -> f64 {
        2.0 * self.options.reach / self.options.cells as f64
    }

    /// The density `p` (need not be normalised) on the grid at `time`, with mass 1.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a time outside \[0, 1\] or a density without mass on the grid,
    /// [`Error::NotFinite`].
    pub fn density(&self, time: f64, p: impl Fn(f64) -> f64) -> Result<Density> {
        check_time(time)?;
        let (cell, width) = (self.cell(), self.width(time));
        let mut density = Density { time, width, cell, scaled: vec![0.0; self.options.cells] };
        for i in 0..self.options.cells {
            density.scaled[i] = width * p(density.point(i));
        }
        require_finite("density", &density.scaled)?;
        let mass = density.mass();
        if !(mass > 0.0) {
            let expected = format!("a positive density within {} of 0", self.options.reach * width);
            return Err(Error::invalid("mass of the density", mass, &expected));
        }
        density.scaled.iter_mut().for_each(|q| *q /= mass);
        Ok(density)
    }

    /// The forward process dphi = -1/2 k phi dt + g dW, from `start` to each of the ascending `times`.
    ///
    /// # Errors
    /// As [`FokkerPlanck::evolve`].
    pub fn forward(&self, start: &Density, times: &[f64]) -> Result<Vec<Density>> {
        let schedule = self.schedule;
        self.evolve(start, times, &mut |time, phi, drift| {
            let rate = -0.5 * schedule.decay(time);
            drift.iter_mut().zip(phi).for_each(|(drift, phi)| *drift = rate * phi);
            Ok(())
        })
    }

    /// The backward process dphi = (1/2 k phi + g^2 s) dtau + g dW with any score s(phi, t), from `start` to
    /// each of the descending `times`. [`score_along`] makes `score` from a score model.
    ///
    /// # Errors
    /// As [`FokkerPlanck::evolve`].
    pub fn backward(&self, start: &Density, times: &[f64], score: &mut Along<'_>) -> Result<Vec<Density>> {
        let schedule = self.schedule;
        self.evolve(start, times, &mut |time, phi, drift| {
            score(time, phi, drift)?;
            let (rate, square) = (0.5 * schedule.decay(time), schedule.diffusion(time).powi(2));
            drift.iter_mut().zip(phi).for_each(|(drift, phi)| *drift = rate * phi + square * *drift);
            Ok(())
        })
    }

    /// Any process dphi = drift(phi, t) |dt| + g(t) dW from `start` to each of `times`, which ascend or descend from the
    /// time of `start`; with descending times the process runs backward in t.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for times that are not monotonic or a density of another grid,
    /// [`Error::NotFinite`] for a drift that is not finite, and what `drift` returns.
    pub fn evolve(&self, start: &Density, times: &[f64], drift: &mut Along<'_>) -> Result<Vec<Density>> {
        if start.scaled.len() != self.options.cells || (start.width / self.width(start.time) - 1.0).abs() > 1e-12 {
            return Err(Error::invalid("start", start.scaled.len(), "a density made by this solver"));
        }
        let path: Vec<f64> = std::iter::once(start.time).chain(times.iter().copied()).collect();
        let monotonic = path.windows(2).all(|t| t[0] <= t[1]) || path.windows(2).all(|t| t[0] >= t[1]);
        if !monotonic {
            return Err(Error::invalid(
                "times",
                format!("{path:?}"),
                "times that ascend, or descend, from the start's",
            ));
        }
        let backward = path.last() < path.first();
        let mut work = Work::new(self, backward);
        let mut found = Vec::with_capacity(times.len());
        let mut scaled = start.scaled.clone();
        for ends in path.windows(2) {
            check_time(ends[1])?;
            let steps = ((ends[1] - ends[0]).abs() / T_END * self.options.steps as f64).ceil() as usize;
            work.operator_at(ends[0], drift, 0)?;
            for n in 0..steps {
                let at = |n: f64| ends[0] + (ends[1] - ends[0]) * n / steps as f64;
                let (from, to) = (at(n as f64), if n + 1 == steps { ends[1] } else { at(n as f64 + 1.0) });
                work.step(from, to, &mut scaled, drift)?;
            }
            let (time, width, cell) = (ends[1], self.width(ends[1]), self.cell());
            found.push(Density { time, width, cell, scaled: scaled.clone() });
        }
        Ok(found)
    }
}

/// The flux through the face right of cell i is `up[i] q_i - down[i] q_(i+1)`, in units of the cell.
#[derive(Clone)]
struct Operator {
    up: Vec<f64>,
    down: Vec<f64>,
}

impl Operator {
    /// Adds `factor` times the rate of change of `q` to `out`.
    fn accumulate(&self, q: &[f64], factor: f64, out: &mut [f64]) {
        for i in 0..self.up.len() {
            let flux = factor * (self.up[i] * q[i] - self.down[i] * q[i + 1]);
            out[i] -= flux;
            out[i + 1] += flux;
        }
    }
}

struct Work<'a> {
    solver: &'a FokkerPlanck,
    backward: bool,
    /// At the start of a step, inside it and at its end; the last becomes the first of the next step.
    operators: [Operator; 3],
    phi: Vec<f64>,
    drift: Vec<f64>,
    stage: Vec<f64>,
    right: Vec<f64>,
    ratio: Vec<f64>,
}

impl<'a> Work<'a> {
    fn new(solver: &'a FokkerPlanck, backward: bool) -> Self {
        let cells = solver.options.cells;
        let operator = Operator { up: vec![0.0; cells - 1], down: vec![0.0; cells - 1] };
        Work {
            solver,
            backward,
            operators: [operator.clone(), operator.clone(), operator],
            phi: vec![0.0; cells - 1],
            drift: vec![0.0; cells - 1],
            stage: vec![0.0; cells],
            right: vec![0.0; cells],
            ratio: vec![0.0; cells],
        }
    }

    /// Fills operator number `which` with the fluxes at `time`.
    fn operator_at(&mut self, time: f64, drift: &mut Along<'_>, which: usize) -> Result<()> {
        let (schedule, width, h) = (&self.solver.schedule, self.solver.width(time), self.solver.cell());
        let faces = self.phi.len();
        let face = |i: usize| h * (i as f64 + 0.5 - 0.5 * faces as f64);
        self.phi.iter_mut().enumerate().for_each(|(i, phi)| *phi = width * face(i));
        drift(time, &self.phi, &mut self.drift)?;
        require_finite("drift", &self.drift)?;
        let square = schedule.diffusion(time).powi(2);
        let diffusion = 0.5 * square / (width * width);
        // w'/w = (g^2/w^2 - k)/2, in the direction of the process.
        let growth = (diffusion - 0.5 * schedule.decay(time)) * if self.backward { -1.0 } else { 1.0 };
        let operator = &mut self.operators[which];
        for i in 0..faces {
            let velocity = self.drift[i] / width - growth * face(i);
            let peclet = velocity * h / diffusion;
            operator.up[i] = diffusion / (h * h) * bernoulli(-peclet);
            operator.down[i] = diffusion / (h * h) * bernoulli(peclet);
        }
        Ok(())
    }

    /// One TR-BDF2 step of `q`.
    fn step(&mut self, from: f64, to: f64, q: &mut [f64], drift: &mut Along<'_>) -> Result<()> {
        let length = (to - from).abs();
        let implicit = 0.5 * GAMMA * length;
        self.operator_at(from + GAMMA * (to - from), drift, 1)?;
        self.operator_at(to, drift, 2)?;
        self.stage.copy_from_slice(q);
        self.operators[0].accumulate(q, implicit, &mut self.stage);
        solve(&self.operators[1], implicit, &mut self.stage, &mut self.ratio);
        let (new, old) = (1.0 / (GAMMA * (2.0 - GAMMA)), (1.0 - GAMMA).powi(2) / (GAMMA * (2.0 - GAMMA)));
        for ((right, stage), q) in self.right.iter_mut().zip(&self.stage).zip(q.iter()) {
            *right = new * stage - old * q;
        }
        solve(&self.operators[2], implicit, &mut self.right, &mut self.ratio);
        q.copy_from_slice(&self.right);
        self.operators.swap(0, 2);
        Ok(())
    }
}

/// Solves (1 - `implicit` L) x = b in place: a tridiagonal M-matrix, whose columns sum to one, so that elimination without
/// pivoting is stable.
fn solve(operator: &Operator, implicit: f64, b: &mut [f64], ratio: &mut [f64]) {
    let last = b.len() - 1;
    let mut pivot = 1.0 + implicit * operator.up[0];
    b[0] /= pivot;
    for i in 1..=last {
        ratio[i] = -implicit * operator.down[i - 1] / pivot;
        let lower = -implicit * operator.up[i - 1];
        let outward = if i < last { operator.up[i] } else { 0.0 };
        pivot = 1.0 + implicit * (outward + operator.down[i - 1]) - lower * ratio[i];
        b[i] = (b[i] - lower * b[i - 1]) / pivot;
    }
    for i in (0..last).rev() {
        b[i] -= ratio[i + 1] * b[i + 1];
    }
}

/// x / (e^x - 1).
fn bernoulli(x: f64) -> f64 {
    if x.abs() < 1e-5 { 1.0 - 0.5 * x + x * x / 12.0 } else { x / libm::expm1(x) }
}

fn check_time(time: f64) -> Result<()> {
    if (0.0..=T_END).contains(&time) { Ok(()) } else { Err(Error::invalid("time", time, "a time in [0, 1]")) }
}

/// Earliest time at which [`score_along`] evaluates a model: at 0 itself s = (f D - x)/Xi is 0/0.
const EARLIEST: f64 = 1e-6;

/// The score s(phi, t) of a model of one variable; before t = 1e-6 the one at that time.
///
/// # Errors
/// [`Error::InvalidArgument`] unless the model's fields have one value, and what [`Score::evaluator`] returns.
pub fn score_along(model: Arc<dyn Score>) -> Result<Box<Along<'static>>> {
    let values = model.lattice().values();
    if values != 1 {
        return Err(Error::invalid("values of a field", values, "1: a score model of one variable"));
    }
    let schedule = *model.schedule();
    let mut evaluator = model.evaluator(1)?;
    let (mut noise, mut scaled) = (Vec::new(), Vec::new());
    Ok(Box::new(move |time: f64, phi: &[f64], score: &mut [f64]| {
        let time = time.max(EARLIEST);
        let (signal, variance) = (schedule.signal(time), schedule.variance(time));
        noise.clear();
        noise.resize(phi.len(), schedule.noise(time));
        scaled.clear();
        scaled.extend(phi.iter().map(|x| x / signal));
        evaluator.denoise(&noise, &scaled, score)?;
        score.iter_mut().zip(phi).for_each(|(s, x)| *s = (signal * *s - x) / variance);
        Ok(())
    }))
}

#[cfg(test)]
#[path = "fokker_planck_tests.rs"]
mod tests;
