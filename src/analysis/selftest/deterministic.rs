//! The checks that need no statistics: derivatives, local changes, reversibility, symmetry.

use super::{Check, Subject, value};
use crate::action::{Action, GaugeLinks, Interrupt};
use crate::diffusion::T_END;
use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::score::Score;
use std::f64::consts::TAU;
use std::sync::Arc;

/// Fields on which the checks are made, and sites of each that are differentiated.
const FIELDS: usize = 4;
const SITES: usize = 16;

/// Checks without statistics, on the first few fields.
pub(super) fn checks(subject: &mut Subject<'_>, fields: &[f64], stream: &Stream) -> Result<Vec<Check>> {
    let values = subject.lattice.values();
    let mut largest = [0.0f64; 4];
    for (index, field) in fields.chunks_exact(values).take(FIELDS).enumerate() {
        let sites: Vec<usize> = (0..SITES.min(values))
            .map(
                |i| if values <= SITES { i } else { stream.below(Purpose::Diagnostic, index as u32, i as u32, values) },
            )
            .collect();
        let found = [
            force_error(subject.action, field, &sites)?,
            local_change_error(subject.action, field, &sites, &stream.at_step(index as u64))?,
            reversibility_error(subject.action, field, &stream.at_step(index as u64))?,
            parity_error(subject.action, field)?,
        ];
        largest.iter_mut().zip(found).for_each(|(largest, found)| {
            *largest = if found.is_nan() { f64::NAN } else { largest.max(found) };
        });
    }
    let [force, local, reversible, parity] = largest;
    let mut checks = vec![
        Check::error("force against differences of the action", force, 1e-6),
        Check::error("local change against whole actions", local, 1e-10),
        Check::error("reversibility of trajectories", reversible, 1e-8),
    ];
    if let Some(links) = &subject.links {
        let error = gauge_error(subject.action, links, &fields[..values], stream)?;
        checks.push(Check::error("gauge transformations and whole turns leave S", error, 1e-10));
    }
    if subject.even {
        checks.push(Check::error("S(-phi) = S(phi)", parity, 1e-12));
        if let Some(score) = &subject.score {
            // Training only tends to this; exactness does not need it. NaN fails all the same.
            let parity = model_parity(score, &fields[..values])?;
            checks.push(Check::error("model: |D(-x) + D(x)| / |D|", parity, f64::INFINITY));
        }
    }
    Ok(checks)
}

fn force_of(action: &mut dyn Action, field: &[f64], force: &mut [f64]) -> Result<()> {
    match action.force(field, force) {
        Ok(()) => Ok(()),
        Err(Interrupt::Stop(error)) => Err(error),
        Err(Interrupt::Reject) => {
            force.fill(f64::NAN);
            Ok(())
        }
    }
}

/// Central differences of fourth order, relative to 1 + |force|.
fn force_error(action: &mut dyn Action, field: &[f64], sites: &[usize]) -> Result<f64> {
    const STEP: f64 = 1e-3;
    let (mut force, mut moved) = (vec![0.0; field.len()], field.to_vec());
    force_of(action, field, &mut force)?;
    let mut largest = 0.0;
    for &site in sites {
        let mut at = |shift: f64| {
            moved[site] = field[site] + shift;
            value(action, &moved)
        };
        let (near, far) = (at(STEP)? - at(-STEP)?, at(2.0 * STEP)? - at(-2.0 * STEP)?);
        moved[site] = field[site];
        let error = ((8.0 * near - far) / (12.0 * STEP) + force[site]).abs() / (1.0 + force[site].abs());
        largest = if error <= largest { largest } else { error };
    }
    Ok(largest)
}

/// Relative to 1 + |S|, whose rounding is in the difference of two whole actions.
fn local_change_error(action: &mut dyn Action, field: &[f64], sites: &[usize], stream: &Stream) -> Result<f64> {
    let mut moved = field.to_vec();
    let before = value(action, field)?;
    let mut largest = 0.0;
    for &site in sites {
        let new = field[site] + stream.uniform(Purpose::Diagnostic, 1, site as u32) - 0.5;
        let local = match action.local_change(field, site, new) {
            Ok(change) => change,
            Err(Interrupt::Stop(error)) => return Err(error),
            Err(Interrupt::Reject) => f64::NAN,
        };
        moved[site] = new;
        let error = (value(action, &moved)? - before - local).abs() / (1.0 + before.abs());
        moved[site] = field[site];
        largest = if error <= largest { largest } else { error };
    }
    Ok(largest)
}

/// Leapfrog there, momenta turned round, and back: the largest distance from the start. A force that depends on more
/// than the field, such as a solver that starts from its last solution, shows here.
fn reversibility_error(action: &mut dyn Action, field: &[f64], stream: &Stream) -> Result<f64> {
    const STEPS: usize = 10;
    const STEP: f64 = 0.02;
    let (mut phi, mut pi, mut force) = (field.to_vec(), vec![0.0; field.len()], vec![0.0; field.len()]);
    stream.normals(Purpose::Diagnostic, 2, &mut pi);
    for direction in [1.0, -1.0] {
        pi.iter_mut().for_each(|pi| *pi *= direction);
        for _ in 0..STEPS {
            phi.iter_mut().zip(&pi).for_each(|(phi, pi)| *phi += 0.5 * STEP * pi);
            force_of(action, &phi, &mut force)?;
            pi.iter_mut().zip(&force).for_each(|(pi, force)| *pi += STEP * force);
            phi.iter_mut().zip(&pi).for_each(|(phi, pi)| *phi += 0.5 * STEP * pi);
        }
    }
    let distances = phi.iter().zip(field).map(|(phi, start)| (phi - start).abs() / (1.0 + start.abs()));
    Ok(distances.fold(0.0, |largest: f64, distance| if distance <= largest { largest } else { distance }))
}

fn parity_error(action: &mut dyn Action, field: &[f64]) -> Result<f64> {
    let mirrored: Vec<f64> = field.iter().map(|x| -x).collect();
    let (plus, minus) = (value(action, field)?, value(action, &mirrored)?);
    Ok((plus - minus).abs() / (1.0 + plus.abs()))
}

/// A random gauge transformation, and a random number of turns of every link.
fn gauge_error(action: &mut dyn Action, links: &GaugeLinks, field: &[f64], stream: &Stream) -> Result<f64> {
    let uniform = |level: u32, index: usize| stream.uniform(Purpose::Diagnostic, level, index as u32);
    let omega: Vec<f64> = (0..links.sites()).map(|site| TAU * uniform(3, site)).collect();
    let mut moved = field.to_vec();
    links.gauge_transform(&mut moved, &omega)?;
    for (index, angle) in moved.iter_mut().enumerate() {
        *angle += TAU * (5.0 * uniform(4, index) - 2.0).floor();
    }
    let (before, after) = (value(action, field)?, value(action, &moved)?);
    Ok((after - before).abs() / (1.0 + before.abs()))
}

/// Relative to the largest |D|, over a few noise levels; networks compute in single precision.
fn model_parity(score: &Arc<dyn Score>, field: &[f64]) -> Result<f64> {
    let mut evaluator = score.clone().evaluator(1)?;
    let both: Vec<f64> = field.iter().copied().chain(field.iter().map(|x| -x)).collect();
    let mut denoised = vec![0.0; both.len()];
    let (least, most) = (score.smallest_noise(), score.schedule().noise(T_END));
    let mut largest = 0.0f64;
    for noise in [least, (least * most).sqrt(), most] {
        evaluator.denoise(&[noise; 2], &both, &mut denoised)?;
        let (plus, minus) = denoised.split_at(field.len());
        let scale = plus.iter().fold(f64::MIN_POSITIVE, |scale, d| scale.max(d.abs()));
        let error = plus.iter().zip(minus).map(|(a, b)| (a + b).abs()).fold(0.0, f64::max) / scale;
        largest = if error <= largest { largest } else { error };
    }
    Ok(largest)
}
