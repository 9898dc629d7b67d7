//! One network for several lattices and couplings: what was measured at each, and the way between.

use super::metadata::positive;
use super::modes::covariance_classes;
use super::volume::on_volume;
use super::{ActionRecord, Metadata, Model, PosteriorRow, PosteriorTable};
use crate::diffusion::ZeroMode;
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;
use crate::score::PlaquetteMoments;
use serde::{Deserialize, Serialize};

/// The Gaussian part of a model at one lattice and one set of couplings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingPoint {
    /// Extents of the lattice.
    pub extents: Vec<usize>,
    /// The action, if it was a built-in one.
    pub action: Option<ActionRecord>,
    /// As [`Metadata::covariance`].
    pub covariance: Vec<f64>,
    /// As [`Metadata::posterior`].
    pub posterior: PosteriorTable,
    /// As [`Metadata::zero_mode`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_mode: Option<ZeroMode>,
    /// As [`Metadata::plaquettes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaquettes: Option<PlaquetteMoments>,
}

/// A coupling that the network sees, as (coupling - centre) / scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Name of the coupling in [`ActionRecord::couplings`].
    pub coupling: String,
    /// Middle of the trained range.
    pub centre: f64,
    /// Half of the trained range; above 0.
    pub scale: f64,
}

/// How far beyond the trained range a coupling may lie, in units of half that range.
const BEYOND: f64 = 0.25;

impl Condition {
    pub(super) fn validate(&self) -> Result<()> {
        require_finite("condition", &[self.centre, self.scale])?;
        positive("scale of a condition", &[self.scale])
    }

    /// What the network sees under `action`.
    pub(super) fn value(&self, action: Option<&ActionRecord>) -> Result<f64> {
        let coupling = action.and_then(|action| action.couplings.get(&self.coupling)).copied().ok_or_else(|| {
            let expected = format!("an action with the coupling {}, which the network sees", self.coupling);
            Error::invalid("action of the model", format!("{action:?}"), &expected)
        })?;
        let value = (coupling - self.centre) / self.scale;
        if !(value.abs() <= 1.0 + BEYOND) {
            let width = self.scale * (1.0 + BEYOND);
            let (low, high) = (self.centre - width, self.centre + width);
            let expected = format!("{low} to {high}, where the network was trained; train it there");
            return Err(Error::invalid(&self.coupling, coupling, &expected));
        }
        Ok(value)
    }
}

impl TrainingPoint {
    fn of(metadata: &Metadata) -> Self {
        let Metadata { extents, action, covariance, posterior, zero_mode, plaquettes, .. } = metadata;
        TrainingPoint {
            extents: extents.clone(),
            action: action.clone(),
            covariance: covariance.clone(),
            posterior: posterior.clone(),
            zero_mode: *zero_mode,
            plaquettes: *plaquettes,
        }
    }

    pub(super) fn lattice(&self, metadata: &Metadata) -> Result<Lattice> {
        Lattice::new(&self.extents)?.with_components(metadata.components)
    }

    pub(super) fn validate(&self, metadata: &Metadata) -> Result<()> {
        let (_, classes) = covariance_classes(&self.lattice(metadata)?, metadata.network.reach);
        require_length("covariance of a training point", self.covariance.len(), classes)?;
        positive("covariance of a training point", &self.covariance)?;
        self.posterior.validate(classes)
    }

    /// The couplings that the network sees.
    fn position(&self, metadata: &Metadata) -> Result<Vec<f64>> {
        Model::conditions(&metadata.conditions, self.action.as_ref())
    }
}

impl Model {
    /// What a network sees of the couplings of `action`: one number of order one for each condition.
    pub(crate) fn conditions(conditions: &[Condition], action: Option<&ActionRecord>) -> Result<Vec<f64>> {
        conditions.iter().map(|condition| condition.value(action)).collect()
    }

    /// A model of link angles at another coupling than it was trained at: the same network, around it the linear part of the
    /// plaquette moments there, which also scale its output, and its errors in proportion. Exact kernels stay exact with
    /// it; its acceptance falls with the distance.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model of scalar fields, a network that sees the coupling ([`Model::frozen_at_couplings`] makes one that does not), or
    /// impossible moments.
    pub fn with_plaquettes(&self, moments: PlaquetteMoments, action: ActionRecord) -> Result<Self> {
        let old = &self.metadata;
        if old.plaquettes.is_none() || !old.conditions.is_empty() {
            let expected =
                "a model of link angles whose network sees no coupling, such as Model::frozen_at_couplings gives";
            return Err(Error::invalid("model", format!("{:?}", old.conditions), expected));
        }
        let lattice = old.lattice()?;
        let (class, classes) = covariance_classes(&lattice, old.network.reach);
        let covariance = moments.covariance(&lattice, &class, classes);
        let mut posterior = old.posterior.clone();
        for row in &mut posterior.rows {
            let xi = libm::exp(2.0 * row.log_noise);
            let wiener = |c: f64| c * xi / (c + xi);
            for (variance, (old, new)) in row.variance.iter_mut().zip(old.covariance.iter().zip(&covariance)) {
                *variance *= wiener(*new) / wiener(*old);
            }
        }
        let metadata =
            Metadata { plaquettes: Some(moments), action: Some(action), covariance, posterior, ..old.clone() };
        Model::new(metadata, self.parameters.clone())
    }

    /// The same network on another lattice, or at other couplings of its action.
    ///
    /// The weights carry over; the Gaussian part is that measured there, if the network was trained there, and
    /// otherwise found from its neighbours: over volumes as a function of lattice momentum with the zero mode
    /// apart, over one coupling linearly in ln C_p. The exact kernels stay exact whatever it is; its error costs
    /// acceptance, and `stoq adapt --data` measures it anew.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for extents that the network's resolutions do not divide, for another rank, for
    /// a coupling outside the trained range (a quarter of its half width is allowed beyond), and
    /// for networks of several couplings away from the trained ones.
    pub fn at(&self, extents: &[usize], action: Option<&ActionRecord>) -> Result<Self> {
        let mut metadata = self.metadata.clone();
        if metadata.network.reach == 0 {
            return self.on_extents(extents);
        }
        if extents.len() != metadata.extents.len() {
            let expected = format!("{} extents, the rank of the model", metadata.extents.len());
            return Err(Error::invalid("extents of the model", format!("{extents:?}"), &expected));
        }
        if let Some(action) = action {
            metadata.action = Some(action.clone());
        }
        let target = metadata.condition_values()?;
        metadata.extents = extents.to_vec();
        let known = match self.metadata.points.is_empty() {
            true => vec![TrainingPoint::of(&self.metadata)],
            false => self.metadata.points.clone(),
        };
        let mut by_coupling: Vec<(Vec<f64>, Vec<&TrainingPoint>)> = vec![];
        for point in &known {
            let position = point.position(&metadata)?;
            match by_coupling.iter_mut().find(|(at, _)| *at == position) {
                Some((_, points)) => points.push(point),
                None => by_coupling.push((position, vec![point])),
            }
        }
        let lattice = metadata.lattice()?;
        let mut tables = vec![];
        for (position, points) in by_coupling {
            tables.push((position, on_volume(&metadata, &points, &lattice)?));
        }
        let tables = between(tables, &target)?;
        metadata.covariance = tables.covariance;
        metadata.posterior = tables.posterior;
        metadata.zero_mode = tables.zero_mode;
        metadata.plaquettes = tables.plaquettes;
        Model::new(metadata, self.parameters.clone())
    }
}

/// The Gaussian part at one point.
pub(super) struct Tables {
    pub covariance: Vec<f64>,
    pub posterior: PosteriorTable,
    pub zero_mode: Option<ZeroMode>,
    pub plaquettes: Option<PlaquetteMoments>,
}

/// Interpolates in the coupling; beyond the ends the last piece goes on.
fn between(mut tables: Vec<(Vec<f64>, Tables)>, target: &[f64]) -> Result<Tables> {
    if let Some(index) = tables.iter().position(|(position, _)| position == target) {
        return Ok(tables.swap_remove(index).1);
    }
    if target.len() != 1 || tables.len() < 2 {
        let expected = "couplings of a training point: between points only one coupling is interpolated";
        return Err(Error::invalid("couplings", format!("{target:?} in trained units"), expected));
    }
    tables.sort_by(|(a, _), (b, _)| a[0].total_cmp(&b[0]));
    let above = tables.partition_point(|(position, _)| position[0] < target[0]).clamp(1, tables.len() - 1);
    let ((low, below), (high, above)) = (&tables[above - 1], &tables[above]);
    let fraction = (target[0] - low[0]) / (high[0] - low[0]);
    let linear = |a: f64, b: f64| (1.0 - fraction) * a + fraction * b;
    let power = |a: f64, b: f64| libm::exp(linear(libm::log(a), libm::log(b)));
    let each = |a: &[f64], b: &[f64], f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
    };
    let rows = below.posterior.rows.iter().zip(&above.posterior.rows).map(|(a, b)| PosteriorRow {
        log_noise: a.log_noise,
        variance: each(&a.variance, &b.variance, &power),
        mean_square: std::array::from_fn(|i| power(a.mean_square[i].max(1e-300), b.mean_square[i].max(1e-300))),
        linear: each(&a.linear, &b.linear, &linear),
        quadratic: each(&a.quadratic, &b.quadratic, &linear),
        curvature: std::array::from_fn(|i| linear(a.curvature[i], b.curvature[i])),
        local_variance: linear(a.local_variance, b.local_variance).max(0.0),
        renormalisation: each(&a.renormalisation, &b.renormalisation, &power),
        plaquettes: a
            .plaquettes
            .iter()
            .zip(&b.plaquettes)
            .map(|(a, b)| std::array::from_fn(|i| linear(a[i], b[i]).max(0.0)))
            .collect(),
    });
    // Tables of points trained together have the same rows; without one at an end there is none between.
    let same = below.posterior.rows.len() == above.posterior.rows.len();
    let rows = if same { rows.collect() } else { vec![] };
    let covariance = each(&below.covariance, &above.covariance, &power);
    // The share of the peaks in <a^2> goes linearly from one to the other; without peaks it is zero.
    let share = |tables: &Tables| tables.zero_mode.map_or(0.0, |law| law.peak * law.peak / law.square());
    let zero_mode = ZeroMode::with_share(covariance[0], linear(share(below), share(above)));
    let peaks = below.zero_mode.is_some() || above.zero_mode.is_some();
    let plaquettes = below.plaquettes.zip(above.plaquettes).map(|(a, b)| PlaquetteMoments {
        cosine: linear(a.cosine, b.cosine).clamp(-1.0, 1.0),
        sine_square: power(a.sine_square, b.sine_square).min(1.0),
    });
    let posterior = PosteriorTable { rows };
    Ok(Tables { covariance, posterior, zero_mode: zero_mode.filter(|_| peaks), plaquettes })
}
