//! Whether the steps of a network are taken by a graph, why not, and the graphs that no walker uses.

use super::super::convention::Convention;
use super::super::network::Source;
use super::super::opening::OnnxScore;
use super::super::options::{Device, Steps};
use super::super::signature::{Signature, TimeShape};
use super::super::together::Together;
use super::graph::{COLUMNS, around, row};
use super::session::StepSession;
use super::walker::is_coloured;
use crate::diffusion::Transition;
use crate::error::{Error, Result};
use crate::fourier::is_reflection_symmetric;
use crate::rng::{Purpose, Stream};
use crate::score::{ReverseStep, Score};
use std::sync::{Mutex, PoisonError};

/// Different steps in the check of a new session.
const CHECKED_STEPS: usize = 3;

pub(in super::super) struct StepSupply {
    wanted: Steps,
    idle: Mutex<Vec<(bool, StepSession)>>,
    refusal: Mutex<Option<String>>,
}

impl StepSupply {
    /// # Errors
    /// [`Error::ModelFile`] when a graph was asked for and cannot be written around this network.
    pub fn new(asked: Steps, source: &Source, signature: &Signature, convention: &Convention) -> Result<Self> {
        let wanted = match asked {
            Steps::Automatic if source.device == Device::Cpu => Steps::Host,
            asked => asked,
        };
        let mut supply = StepSupply { wanted, idle: Mutex::new(vec![]), refusal: Mutex::new(None) };
        if supply.is_wanted()
            && let Err(reason) = around(&source.bytes, signature, convention, (1, false))
        {
            supply.failed(unwrappable(source, &reason))?;
            supply.wanted = Steps::Host;
        }
        Ok(supply)
    }

    /// Whether a graph takes the steps that it can.
    pub fn is_wanted(&self) -> bool {
        self.wanted != Steps::Host
    }

    /// "device", or "host" with the reason if it is not by choice.
    pub fn description(&self) -> String {
        match (self.is_wanted(), &*self.refusal.lock().unwrap_or_else(PoisonError::into_inner)) {
            (_, Some(reason)) => format!("host: {reason}"),
            (false, None) => "host".into(),
            (true, None) => "device".into(),
        }
    }

    /// Notes why the host takes steps.
    pub fn refuse(&self, reason: String) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// What to do where a graph cannot be had: nothing, unless it was asked for.
    ///
    /// # Errors
    /// `error` if a graph was asked for.
    pub fn failed(&self, error: Error) -> Result<()> {
        match self.wanted {
            Steps::Device => Err(error),
            _ => {
                self.refuse(error.to_string());
                Ok(())
            }
        }
    }

    /// Why these steps are not for a graph, if so.
    pub fn unsuitable(score: &OnnxScore, steps: &[ReverseStep]) -> Option<String> {
        let largest = score.convention().largest_noise();
        if steps.iter().any(|step| !(step.noise > 0.0 && step.noise <= largest)) {
            return Some(format!("there is noise beyond {largest}, the largest that the network knows"));
        }
        if score.together().common_size(1).is_none() {
            return Some("its results depend on the place in a batch".into());
        }
        if !is_coloured(steps) {
            return None;
        }
        let lattice = score.lattice();
        let symmetric = steps.iter().all(|step| match step.deviation[..] {
            [_] => true,
            _ => is_reflection_symmetric(lattice, &step.deviation),
        });
        match (score.of_links(), symmetric) {
            (true, _) => Some("the covariance of link angles has modes of its own".into()),
            (_, false) => Some("the covariance differs between a momentum and its reflection on an axis".into()),
            _ => None,
        }
    }

    /// A session that nobody uses, of the size for `count` fields.
    pub fn take(&self, score: &OnnxScore, count: usize, coloured: bool) -> Result<StepSession> {
        let placed = || Error::Internal("results depend on the place in a batch".into());
        let batch = score.together().common_size(count).ok_or_else(placed)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.iter().position(|(kind, session)| (*kind, session.batch()) == (coloured, batch));
        if let Some(place) = found {
            return Ok(idle.swap_remove(place).1);
        }
        drop(idle);
        let source = score.source();
        let wrapped = around(&source.bytes, score.signature(), score.convention(), (batch, coloured));
        let model = wrapped.map_err(|reason| unwrappable(source, &reason))?;
        let mut session = StepSession::new(score.runtime(), source, &model, (batch, score.lattice().values()))?;
        match rows_are_independent(score, &mut session, coloured)? {
            true => Ok(session),
            false => Err(unwrappable(source, "results depend on the place in the batch")),
        }
    }

    /// Gives it back.
    pub fn give_back(&self, coloured: bool, session: StepSession) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((coloured, session));
    }
}

fn unwrappable(source: &Source, reason: &str) -> Error {
    let reason = format!("its steps cannot be taken by a graph: {reason}");
    Error::ModelFile { file: source.name.clone(), reason }
}

/// Whether a field's step has the same bits at other places of the batch and in other company.
fn rows_are_independent(score: &OnnxScore, session: &mut StepSession, coloured: bool) -> Result<bool> {
    let (batch, values, schedule) = (session.batch(), score.lattice().values(), score.schedule());
    let least = score.smallest_noise();
    let last = schedule.time_of_noise((30.0 * least).min(0.9 * schedule.noise(crate::diffusion::T_END)));
    let steps: Vec<ReverseStep> = (1..=CHECKED_STEPS)
        .map(|number| {
            let upper = last * number as f64 / CHECKED_STEPS as f64;
            let forward = Transition::new(schedule, 0.5 * upper, upper);
            ReverseStep {
                noise: forward.noise,
                signal: schedule.signal(upper),
                state_weight: forward.state_weight,
                data_weight: forward.data_weight,
                deviation: vec![forward.forward_variance.sqrt()],
                forward_factor: forward.forward_factor,
                forward_variance: forward.forward_variance,
                log_normalisation: 0.0,
            }
        })
        .collect();
    let table: Vec<f64> = steps.iter().flat_map(|step| row(score.convention(), step)).collect();
    debug_assert_eq!(table.len(), CHECKED_STEPS * COLUMNS);
    let width: Vec<f64> = score.covariance().iter().map(|c| c.sqrt()).collect();
    let spectrum: Vec<f64> = (0..CHECKED_STEPS).flat_map(|_| width.iter().copied()).collect();
    session.set_steps(&table, coloured.then_some(&spectrum))?;
    let mut white = vec![0.0; 2 * batch * values];
    Stream::new(1, 0, 0)?.normals(Purpose::Diagnostic, 1, &mut white);
    let (fields, noise) = white.split_at(batch * values);
    let common = matches!(score.signature().time_shape, TimeShape::Common(_));
    let together = Together::fixed(batch, |numbers| {
        let of = |fields: &[f64]| -> Vec<f64> {
            numbers.iter().flat_map(|&n| &fields[n * values..(n + 1) * values]).copied().collect()
        };
        let steps = numbers.iter().map(|&n| if common { 1 } else { (n % CHECKED_STEPS) as i64 });
        session.index().iter_mut().zip(steps).for_each(|(index, step)| *index = step);
        session.noise().copy_from_slice(&of(noise));
        session.start().0.copy_from_slice(&of(fields));
        session.start().1.fill(0.0);
        session.step(0, true)?;
        let (states, ratios) = session.end();
        let rows = states.chunks_exact(values).zip(ratios);
        Ok(rows.flat_map(|(state, ratio)| state.iter().chain([ratio]).copied()).collect())
    })?;
    Ok(together.common_size(1).is_some())
}
