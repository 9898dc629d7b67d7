//! What stands around the network of a gauge field, as nodes: the linear part on plaquettes, the features, and the
//! curl of its output (`score/links.rs`).

use super::builder::{GraphBuilder, int};
use super::wiener;
use crate::error::Result;
use crate::fourier::lattice_momenta;
use crate::lattice::Lattice;
use crate::score::PlaquetteMoments;

/// Names of what the network reads, and of what its output is put together with.
pub struct Around {
    /// The features, `[batch, LINK_INPUTS, extents..]`.
    pub inputs: String,
    /// x + sigma^2 curl(h_0).
    filtered: String,
    /// sigma^2 c_out.
    factor: String,
}

/// Axes of a field `[batch, component, row, column]`.
const COMPONENT: usize = 1;
const ROW: usize = 2;
const COLUMN: usize = 3;

/// Adds what comes before the network; `variance` is the name of sigma^2 with one value a configuration.
///
/// # Errors
/// Those of the lattice of plaquettes.
pub fn before(b: &mut GraphBuilder, lattice: &Lattice, moments: PlaquetteMoments, variance: &str) -> Result<Around> {
    let plane = Lattice::new(lattice.extents())?;
    let angle = plaquette(b, "field", "plaquette");
    let sine = b.node("Sin", &[&angle], "sine", vec![]);
    let cosine = b.node("Cos", &[&angle], "cosine", vec![]);

    let [strength, on_site, neighbours] = spectrum(b, moments, variance);
    let modes = wiener::transform(b, &plane, &sine, false);
    let offsets = b.floats("plaquette.offsets", &[1, 1, plane.extents()[0], plane.extents()[1]], offsets(&plane));
    let shared = b.node("Mul", &[&neighbours, &offsets], "plaquette.neighbours.modes", vec![]);
    let total = b.node("Sub", &[&on_site, &shared], "plaquette.spectrum", vec![]);
    let multiplier = b.node("Div", &[&strength, &total], "plaquette.multiplier", vec![]);
    let kept = b.node("Mul", &[&modes, &multiplier], "plaquette.kept", vec![]);
    let kept = b.node("Neg", &[&kept], "plaquette.slopes.modes", vec![]);
    let slopes = wiener::transform(b, &plane, &kept, true);
    let change = curl(b, &slopes, "linear");
    let change = b.node("Mul", &[&change, variance], "linear.change", vec![]);
    let linear = b.node("Add", &["field", &change], "linear", vec![]);

    let inputs = features(b, &plane, moments, [&sine, &cosine, &linear]);
    let factor = b.node("Div", &[&strength, &on_site], "correction.slope", vec![]);
    let factor = b.node("Mul", &[&factor, variance], "correction.factor", vec![]);
    Ok(Around { inputs, filtered: linear, factor })
}

/// Adds what comes after the network, whose output has one value a plaquette.
pub fn after(b: &mut GraphBuilder, around: &Around, output: &str) {
    let change = curl(b, output, "correction");
    let change = b.node("Mul", &[&change, &around.factor], "correction", vec![]);
    b.node("Add", &[&around.filtered, &change], "denoised", vec![]);
}

/// c exp(-2 s), and V_p = A - B (4 - p^2-hat) as \[A, B\].
fn spectrum(b: &mut GraphBuilder, moments: PlaquetteMoments, variance: &str) -> [String; 3] {
    let PlaquetteMoments { cosine: c, sine_square: g } = moments;
    let mut decay = |rate: f64| {
        let rate_name = b.floats(&format!("rate.{rate}"), &[], [-rate]);
        let exponent = b.node("Mul", &[variance, &rate_name], &format!("decay.{rate}.exponent"), vec![]);
        b.node("Exp", &[&exponent], &format!("decay.{rate}"), vec![])
    };
    let [two, three, five, eight] = [2.0, 3.0, 5.0, 8.0].map(&mut decay);
    let scale = b.floats("plaquette.cosine", &[], [c]);
    let strength = b.node("Mul", &[&two, &scale], "plaquette.strength", vec![]);
    let slope = b.floats("plaquette.noise", &[], [g - 0.5]);
    let half = b.floats("half", &[], [0.5]);
    let on_site = b.node("Mul", &[&eight, &slope], "plaquette.on_site.noise", vec![]);
    let on_site = b.node("Add", &[&on_site, &half], "plaquette.on_site", vec![]);
    let difference = b.node("Sub", &[&three, &five], "plaquette.neighbours.noise", vec![]);
    let scale = b.floats("plaquette.cosine.square", &[], [0.5 * c * c]);
    let neighbours = b.node("Mul", &[&difference, &scale], "plaquette.neighbours", vec![]);
    [strength, on_site, neighbours]
}

/// 4 - p^2-hat by mode of the real Fourier basis: row r has |k| = ceil(r / 2).
fn offsets(plane: &Lattice) -> Vec<f64> {
    let momenta = lattice_momenta(plane);
    let of = |mode: usize| {
        let k: Vec<usize> = plane.coordinates(mode).iter().map(|row| row.div_ceil(2)).collect();
        4.0 - momenta[plane.index(&k)]
    };
    (0..plane.sites()).map(of).collect()
}

fn features(
    b: &mut GraphBuilder,
    plane: &Lattice,
    moments: PlaquetteMoments,
    [sine, cosine, linear]: [&str; 3],
) -> String {
    let product = b.node("Mul", &[sine, cosine], "sine.cosine", vec![]);
    let doubled = b.node("Add", &[&product, &product], "sine.doubled", vec![]);
    let mut together = |axis: usize, name: &str| {
        let (next_sine, next_cosine) = (ahead(b, sine, axis, "sine"), ahead(b, cosine, axis, "cosine"));
        let first = b.node("Mul", &[sine, &next_cosine], &format!("{name}.first"), vec![]);
        let second = b.node("Mul", &[cosine, &next_sine], &format!("{name}.second"), vec![]);
        b.node("Add", &[&first, &second], name, vec![])
    };
    let (tall, wide) = (together(ROW, "loop.tall"), together(COLUMN, "loop.wide"));
    let angle = plaquette(b, linear, "plaquette.denoised");
    let denoised = b.node("Sin", &[&angle], "plaquette.denoised.sine", vec![]);
    let scale = b.floats("plaquette.scale", &[], [1.0 / moments.sine_square.sqrt()]);
    let denoised = b.node("Mul", &[&denoised, &scale], "plaquette.denoised.scaled", vec![]);
    // The sum of all sines over sqrt(V/2), everywhere.
    let mean = b.node("GlobalAveragePool", &[sine], "sine.mean", vec![]);
    let scale = b.floats("sine.mean.scale", &[], [(2.0 * plane.sites() as f64).sqrt()]);
    let mean = b.node("Mul", &[&mean, &scale], "sine.mean.scaled", vec![]);
    let nothing = b.node("Sub", &[sine, sine], "nothing", vec![]);
    let charge = b.node("Add", &[&nothing, &mean], "charge", vec![]);
    let all = [sine, &doubled, &tall, &wide, &denoised, &charge];
    b.node("Concat", &all, "inputs", vec![int("axis", COMPONENT as i64)])
}

/// theta_P of a field of links, `[batch, 1, rows, columns]`.
fn plaquette(b: &mut GraphBuilder, field: &str, name: &str) -> String {
    let first = b.slice(field, COMPONENT, (0, 1), &format!("{name}.links0"));
    let second = b.slice(field, COMPONENT, (1, 2), &format!("{name}.links1"));
    let far_second = ahead(b, &second, ROW, &format!("{name}.links1"));
    let far_first = ahead(b, &first, COLUMN, &format!("{name}.links0"));
    let up = b.node("Add", &[&first, &far_second], &format!("{name}.forward"), vec![]);
    let down = b.node("Add", &[&far_first, &second], &format!("{name}.backward"), vec![]);
    b.node("Sub", &[&up, &down], name, vec![])
}

/// Gradient with respect to the links of a function of plaquettes.
fn curl(b: &mut GraphBuilder, slopes: &str, name: &str) -> String {
    let left = behind(b, slopes, COLUMN, &format!("{name}.slopes"));
    let below = behind(b, slopes, ROW, &format!("{name}.slopes"));
    let first = b.node("Sub", &[slopes, &left], &format!("{name}.curl0"), vec![]);
    let second = b.node("Sub", &[&below, slopes], &format!("{name}.curl1"), vec![]);
    b.node("Concat", &[&first, &second], &format!("{name}.curl"), vec![int("axis", COMPONENT as i64)])
}

/// The value of the site ahead along an axis.
fn ahead(b: &mut GraphBuilder, x: &str, axis: usize, name: &str) -> String {
    let rest = b.slice(x, axis, (1, i64::MAX), &format!("{name}.ahead{axis}.rest"));
    let first = b.slice(x, axis, (0, 1), &format!("{name}.ahead{axis}.first"));
    b.node("Concat", &[&rest, &first], &format!("{name}.ahead{axis}"), vec![int("axis", axis as i64)])
}

/// The value of the site behind along an axis.
fn behind(b: &mut GraphBuilder, x: &str, axis: usize, name: &str) -> String {
    let last = b.slice(x, axis, (-1, i64::MAX), &format!("{name}.behind{axis}.last"));
    let rest = b.slice(x, axis, (0, -1), &format!("{name}.behind{axis}.rest"));
    b.node("Concat", &[&last, &rest], &format!("{name}.behind{axis}"), vec![int("axis", axis as i64)])
}
