//! What a report measures on a configuration.

use super::correlator::require_usable;
use super::report::ReportOptions;
use crate::analysis::cumulants::CumulantAccumulator;
use crate::analysis::gauge_observables::{GaugeSeries, SECTORS};
use crate::analysis::two_point::{MomentumClass, MomentumPower, smallest_momentum, time_slices};
use crate::error::{Error, Result, require_finite, require_length};
use crate::lattice::Lattice;

/// Of every component of a scalar field: M, |M|, M^2, M^4, mean |phi|, mean phi^2.
const A_COMPONENT: usize = 6;

/// Values whose eighth powers can be added.
const LARGEST: f64 = 1e37;

/// Where the numbers of a row are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    pub lattice: Lattice,
    pub links: bool,
    /// Sides of the Wilson loops.
    pub sides: Vec<(usize, usize)>,
    /// Classes of momenta of a scalar field.
    pub classes: Vec<MomentumClass>,
    /// The class of the smallest momentum and its p hat^2.
    pub smallest: Option<(usize, f64)>,
    /// Time slices t = 0 ..= T/2.
    pub slices: usize,
    /// Lower end, upper end and cells of the histogram.
    pub histogram: Option<(f64, f64, usize)>,
    /// Observables of the host.
    pub names: Vec<String>,
}

impl Columns {
    pub fn new(lattice: &Lattice, options: &ReportOptions) -> Result<Self> {
        let mut columns = Columns {
            lattice: lattice.clone(),
            links: options.links,
            sides: vec![],
            classes: vec![],
            smallest: None,
            slices: 0,
            histogram: options.histogram,
            names: options.names.clone(),
        };
        if options.links {
            columns.sides = GaugeSeries::new(lattice)?.sides().to_vec();
        } else if lattice.sites() > 1 {
            columns.classes = MomentumPower::new(lattice).classes().to_vec();
            columns.smallest = smallest_momentum(lattice, &columns.classes);
            columns.slices = lattice.extents()[0] / 2 + 1;
        }
        Ok(columns)
    }

    /// Name of a quantity of one component.
    pub fn name(&self, quantity: &str, component: usize) -> String {
        match (self.lattice.components(), component) {
            (1, _) => quantity.to_string(),
            (_, 0) => format!("{quantity}_x"),
            (_, 1) => format!("{quantity}_y"),
            (_, other) => format!("{quantity}_{other}"),
        }
    }

    /// Scalar fields: column of M of a component; |M|, M^2, M^4, mean |phi|, phi^2 follow.
    pub fn magnetisation(&self, component: usize) -> usize {
        component * A_COMPONENT
    }

    /// Scalar fields: column of the power at the smallest momentum.
    pub fn smallest_power(&self) -> usize {
        self.lattice.components() * A_COMPONENT
    }

    /// Links: column of the first Wilson loop, the plaquette; the others, Q, Q^2, the sectors and the Polyakov loops
    /// follow.
    fn gauge_width(&self) -> usize {
        self.sides.len() + 2 + SECTORS + 4 + 2
    }

    /// Column of the first observable of the host.
    pub fn host(&self) -> usize {
        match self.links {
            true => self.gauge_width(),
            false => self.smallest_power() + usize::from(self.smallest.is_some()),
        }
    }

    /// Observables of which autocorrelations are known.
    pub fn scalars(&self) -> usize {
        self.host() + self.names.len()
    }

    /// Observables known in bins: powers, time slices, cells of the histogram and what is below and above.
    pub fn vectors(&self) -> usize {
        self.classes.len() + self.slices + self.cells()
    }

    /// Cells of the histogram with those below and above.
    pub fn cells(&self) -> usize {
        self.histogram.map_or(0, |(_, _, cells)| cells + 2)
    }

    /// What the histogram is of: a column.
    pub fn histogrammed(&self) -> usize {
        match self.links {
            true => self.sides.len(),
            false => self.magnetisation(0),
        }
    }

    /// Observables that functions combine.
    pub fn groups(&self) -> Vec<Vec<usize>> {
        if self.links {
            return vec![];
        }
        let of = |component: usize| {
            let first = self.magnetisation(component);
            vec![first + 1, first + 2, first + 3]
        };
        let mut groups: Vec<Vec<usize>> = (0..self.lattice.components()).map(of).collect();
        groups.extend(self.smallest.map(|_| vec![self.magnetisation(0) + 2, self.smallest_power()]));
        groups
    }

    /// Names of the columns that are rows of the report as they are.
    pub fn plain(&self) -> Vec<(String, usize)> {
        let mut found = vec![];
        if self.links {
            let loops = self.sides.iter().enumerate();
            found.extend(loops.map(|(index, &(r, t))| match (r, t) {
                (1, 1) => ("plaquette".to_string(), index),
                _ => (format!("W{r}x{t}"), index),
            }));
            let names = ["Q", "Q2", "P_Q0", "P_Q1", "P_Q2", "P_Q3"];
            let parts =
                ["polyakov_0_real", "polyakov_0_imaginary", "polyakov_1_real", "polyakov_1_imaginary"].into_iter();
            let names = names.into_iter().chain(parts).chain(["polyakov_0_square", "polyakov_1_square"]);
            found.extend(names.enumerate().map(|(index, name)| (name.to_string(), self.sides.len() + index)));
        } else {
            for component in 0..self.lattice.components() {
                for (index, name) in ["mag", "abs_mag", "mag2", "mag4", "mean_abs_phi", "phi2"].into_iter().enumerate()
                {
                    found.push((self.name(name, component), self.magnetisation(component) + index));
                }
            }
        }
        found.extend(self.names.iter().enumerate().map(|(index, name)| (name.clone(), self.host() + index)));
        found
    }
}

/// What was measured on a configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub scalars: Vec<f64>,
    pub vectors: Vec<f64>,
    /// Of every component of a scalar field.
    pub cumulants: Vec<CumulantAccumulator>,
}

/// Measures, with the work space for it: one a thread.
pub(super) struct Meter {
    columns: Columns,
    power: Option<MomentumPower>,
    gauge: Option<GaugeSeries>,
}

impl Meter {
    pub fn new(columns: &Columns) -> Result<Self> {
        let power = (!columns.classes.is_empty()).then(|| MomentumPower::new(&columns.lattice));
        let gauge = columns.links.then(|| GaugeSeries::new(&columns.lattice)).transpose()?;
        Ok(Meter { columns: columns.clone(), power, gauge })
    }

    /// Fills `out` with what `field` and the host's own observables give.
    pub fn measure(&mut self, field: &[f64], host: &[f64], out: &mut Measured) -> Result<()> {
        require_length("field", field.len(), self.columns.lattice.values())?;
        require_finite("field", field)?;
        require_length("observables of the host", host.len(), self.columns.names.len())?;
        require_finite("observables of the host", host)?;
        out.scalars.clear();
        out.cumulants.clear();
        out.vectors.clear();
        out.vectors.resize(self.columns.vectors(), 0.0);
        match &mut self.gauge {
            Some(series) => measure_links(series, field, &mut out.scalars)?,
            None => self.measure_scalar(field, out)?,
        }
        out.scalars.extend_from_slice(host);
        if let Some((low, high, cells)) = self.columns.histogram {
            let value = out.scalars[self.columns.histogrammed()];
            let first = self.columns.classes.len() + self.columns.slices;
            out.vectors[first + cell(value, low, high, cells)] = 1.0;
        }
        require_usable(&out.scalars)?;
        require_finite("observables of a configuration", &out.vectors)
    }

    fn measure_scalar(&mut self, field: &[f64], out: &mut Measured) -> Result<()> {
        if let Some(x) = field.iter().find(|x| x.abs() > LARGEST) {
            return Err(Error::invalid("field", x, "values below 10^37"));
        }
        let sites = self.columns.lattice.sites();
        for component in field.chunks_exact(sites) {
            let (mut sum, mut absolute, mut square) = (0.0, 0.0, 0.0);
            for phi in component {
                sum += phi;
                absolute += phi.abs();
                square += phi * phi;
            }
            let [m, absolute, square] = [sum, absolute, square].map(|sum| sum / sites as f64);
            out.scalars.extend([m, m.abs(), m * m, m * m * m * m, absolute, square]);
            let mut sums = CumulantAccumulator::new();
            sums.extend(component)?;
            out.cumulants.push(sums);
        }
        if let Some(power) = &mut self.power {
            let (powers, rest) = out.vectors.split_at_mut(self.columns.classes.len());
            power.measure(field, powers);
            time_slices(&self.columns.lattice, field, &mut rest[..self.columns.slices]);
            out.scalars.extend(self.columns.smallest.map(|(class, _)| powers[class]));
        }
        Ok(())
    }
}

/// The cell of a value: 0 below, `cells` + 1 above.
pub(super) fn cell(value: f64, low: f64, high: f64, cells: usize) -> usize {
    match value {
        value if value < low => 0,
        value if value >= high => cells + 1,
        value => (((value - low) / (high - low) * cells as f64) as usize).min(cells - 1) + 1,
    }
}

fn measure_links(series: &mut GaugeSeries, field: &[f64], out: &mut Vec<f64>) -> Result<()> {
    series.clear();
    series.measure(field)?;
    let sides = series.sides().to_vec();
    out.extend(sides.iter().filter_map(|&(r, t)| series.wilson_loop(r, t)).map(|values| values[0]));
    let charge = series.charge()[0];
    out.extend([charge, charge * charge]);
    out.extend((0..SECTORS).map(|sector| match (charge.abs() == sector as f64, sector) {
        (true, 0) => 1.0,
        (true, _) => 0.5,
        (false, _) => 0.0,
    }));
    let mut squares = vec![];
    for axis in 0..2 {
        let (real, imaginary) = series.polyakov(axis)?;
        out.extend([real[0], imaginary[0]]);
        squares.push(real[0] * real[0] + imaginary[0] * imaginary[0]);
    }
    out.extend(squares);
    Ok(())
}
