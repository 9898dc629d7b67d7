//! Batches of fields through ONNX Runtime.

use super::convention::{Convention, Level};
use super::network::Network;
use super::opening::OnnxScore;
use super::options::Channels;
use super::signature::{Signature, TimeShape};
use crate::error::{Error, Result, require_length};
use crate::model::Modes;
use crate::score::gaussian::wiener_filter;
use crate::score::{Evaluator, Score, Team};
use std::sync::Arc;

/// Memory of one thread between the library's fields and the tensors of the graph.
#[derive(Default)]
pub(super) struct Worker {
    levels: Vec<Level>,
    times: Vec<f64>,
    inputs: Vec<f64>,
    outputs: Vec<f64>,
}

impl Worker {
    /// D for the fields of `noise.len()` levels, run as one batch of `size` >= that: the rest is padding.
    pub fn batch(
        &mut self,
        network: &mut Network,
        convention: &Convention,
        signature: &Signature,
        (noise, fields): (&[f64], &[f64]),
        size: usize,
        denoised: &mut [f64],
    ) -> Result<()> {
        self.prepare(convention, signature, (noise, fields), size);
        network.run(&self.times, &self.inputs, &mut self.outputs)?;
        let (values, shift) = (signature.lattice.values(), convention.normalisation.shift);
        let order = Order::of(signature);
        let samples =
            denoised.chunks_exact_mut(values).zip(fields.chunks_exact(values)).zip(self.outputs.chunks_exact(values));
        for (((denoised, field), output), level) in samples.zip(&self.levels) {
            order.for_each(|index, place| {
                denoised[index] = level.kept * (field[index] - shift) + level.gain * output[place] + shift;
            });
        }
        Ok(())
    }

    /// Fills levels, times and inputs; padding repeats the last field.
    pub fn prepare(
        &mut self,
        convention: &Convention,
        signature: &Signature,
        (noise, fields): (&[f64], &[f64]),
        size: usize,
    ) {
        let (values, shift) = (signature.lattice.values(), convention.normalisation.shift);
        self.levels.clear();
        self.levels.extend(noise.iter().map(|&noise| convention.level(noise)));
        self.times.clear();
        self.times.extend(self.levels.iter().map(|level| level.time));
        self.times.resize(size, self.levels.last().map_or(0.0, |level| level.time));
        self.inputs.resize(size * values, 0.0);
        self.outputs.resize(size * values, 0.0);
        let order = Order::of(signature);
        let samples = self.inputs.chunks_exact_mut(values).zip(fields.chunks_exact(values));
        for ((input, field), level) in samples.zip(&self.levels) {
            order.for_each(|index, place| input[place] = level.input * (field[index] - shift));
        }
        for place in noise.len()..size {
            self.inputs.copy_within((noise.len() - 1) * values..noise.len() * values, place * values);
        }
    }

    /// What [`Worker::prepare`] made: levels, times, inputs.
    pub fn prepared(&self) -> (&[Level], &[f64], &[f64]) {
        (&self.levels, &self.times, &self.inputs)
    }
}

/// How the values of a field lie in the tensor.
pub(super) struct Order {
    sites: usize,
    components: usize,
}

impl Order {
    pub fn of(signature: &Signature) -> Self {
        let (sites, components) = (signature.lattice.sites(), signature.lattice.components());
        match signature.channels {
            Channels::Last => Order { sites, components },
            // As in the library: one component after the other.
            _ => Order { sites: sites * components, components: 1 },
        }
    }

    /// Calls `visit(index in the field, place in the tensor)`.
    pub fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        for component in 0..self.components {
            for site in 0..self.sites {
                visit(component * self.sites + site, site * self.components + component);
            }
        }
    }
}

/// A worker with a network.
struct Member {
    worker: Worker,
    /// Given back at the end.
    network: Option<Network>,
    failure: Option<Error>,
}

pub(super) struct NetworkEvaluator {
    score: Arc<OnnxScore>,
    team: Team,
    members: Vec<Member>,
    beyond: Beyond,
}

/// Fields whose noise no level of the network reaches: their Wiener filter.
struct Beyond {
    modes: Modes,
    filter: Vec<f64>,
}

impl NetworkEvaluator {
    pub fn new(score: Arc<OnnxScore>, threads: usize) -> Result<Self> {
        let team = Team::new(threads)?;
        let mut members = vec![];
        for _ in 0..threads {
            members.push(Member { worker: Worker::default(), network: Some(score.take()?), failure: None });
        }
        let modes = Modes::new(score.lattice(), 1);
        let beyond = Beyond { modes, filter: vec![0.0; score.lattice().values()] };
        Ok(NetworkEvaluator { score, team, members, beyond })
    }

    /// The batches in which fields are run: their sizes, and the fields each serves. Noise levels of `None` are not
    /// for the network.
    fn plan(&self, noise: &[f64]) -> Vec<(usize, std::ops::Range<usize>)> {
        let (score, threads) = (&self.score, self.members.len());
        let largest = score.convention().largest_noise();
        let common = matches!(score.signature().time_shape, TimeShape::Common(_));
        let alike =
            |a: f64, b: f64| is_inside(a, largest) == is_inside(b, largest) && (!common || a.to_bits() == b.to_bits());
        let (mut plan, mut start) = (vec![], 0);
        while start < noise.len() {
            let run = noise[start..].iter().take_while(|&&n| alike(n, noise[start])).count();
            if !is_inside(noise[start], largest) {
                plan.push((0, start..start + run));
                start += run;
                continue;
            }
            // Every thread gets a part of a batch that would keep only one of them at work.
            let share = if threads > 1 { run.div_ceil(threads) } else { run };
            let (end, first) = (start + run, plan.len());
            while start < end {
                let (size, served) = score.together().next(share.min(end - start));
                plan.push((size, start..start + served));
                start += served;
            }
            debug_assert!(plan.len() > first);
        }
        plan
    }
}

fn is_inside(noise: f64, largest: f64) -> bool {
    noise > 0.0 && noise <= largest
}

impl Evaluator for NetworkEvaluator {
    fn denoise(&mut self, noise: &[f64], fields: &[f64], denoised: &mut [f64]) -> Result<()> {
        let values = self.score.lattice().values();
        require_length("fields", fields.len(), noise.len() * values)?;
        require_length("denoised fields", denoised.len(), fields.len())?;
        let plan = self.plan(noise);
        let mut left = denoised;
        let mut items = Vec::with_capacity(plan.len());
        for (size, range) in plan {
            let (out, rest) = std::mem::take(&mut left).split_at_mut(range.len() * values);
            left = rest;
            let inputs = (&noise[range.clone()], &fields[range.start * values..range.end * values]);
            if size == 0 {
                self.beyond.denoise(self.score.covariance(), inputs, out);
            } else {
                items.push((size, inputs, out));
            }
        }
        let score = &self.score;
        self.team.for_each(&mut self.members, &mut items, |member, _, (size, inputs, out)| {
            let Member { worker, network: Some(network), failure } = member else { return };
            if failure.is_none() {
                let found = worker.batch(network, score.convention(), score.signature(), *inputs, *size, out);
                *failure = found.err();
            }
        });
        self.members.iter_mut().find_map(|member| member.failure.take()).map_or(Ok(()), Err)
    }
}

impl Beyond {
    fn denoise(&mut self, covariance: &[f64], (noise, fields): (&[f64], &[f64]), denoised: &mut [f64]) {
        let values = self.filter.len();
        for ((field, out), &noise) in fields.chunks_exact(values).zip(denoised.chunks_exact_mut(values)).zip(noise) {
            if noise == 0.0 {
                out.copy_from_slice(field);
                continue;
            }
            wiener_filter(covariance, noise, &mut self.filter);
            self.modes.filter(field, &self.filter, out);
        }
    }
}

impl Drop for NetworkEvaluator {
    fn drop(&mut self) {
        for network in self.members.iter_mut().filter_map(|member| member.network.take()) {
            self.score.give_back(network);
        }
    }
}
