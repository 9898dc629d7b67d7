//! The denoiser as an ONNX graph: what [`crate::nn::UNet::forward`] and the Wiener filter compute, in
//! single precision, for a batch of configurations with a noise level each.
//!
//! D(x, sigma) = w + s sigma^2/(sigma^2 + s^2) net(\[x (sigma^2 + s^2)^(-1/2), w/s\]; ln sigma), where
//! w_p = C_p/(C_p + sigma^2) x_p and s^2 = <phi^2>, component by component. The links of a gauge field have other
//! surroundings (`links.rs`).

use super::builder::{GraphBuilder, batched, int, ints};
use super::proto::{AttributeProto, FLOAT, GraphProto};
use super::{links, wiener};
use crate::error::{Error, Result, require_length};
use crate::lattice::Lattice;
use crate::model::Model;
use crate::nn::embedding::{condition_features, frequencies};
use crate::nn::{UNet, UNetShape};
use crate::score::PlaquetteMoments;

/// Writes the graph of `model`; `weights` holds the bytes of each entry of the network's layout.
///
/// # Errors
/// [`Error::InvalidArgument`] for a network with another number of input fields.
pub fn denoiser(model: &Model, network: &UNet, weights: Vec<(String, Vec<usize>, Vec<u8>)>) -> Result<GraphProto> {
    let shape = network.shape();
    let lattice = model.lattice()?;
    let inputs = model.metadata().network_inputs();
    if shape.inputs != inputs {
        let expected = format!(
            "{inputs} input fields in an ONNX file: the scaled field, its filtered version, and \
            the magnetisation where the network is told it"
        );
        return Err(Error::invalid("network inputs", shape.inputs, &expected));
    }
    let conditions = model.metadata().condition_values()?;
    require_length("couplings that the network sees", conditions.len(), shape.conditions)?;
    let mut graph = Denoiser { builder: GraphBuilder::default(), shape, lattice: &lattice, conditions };
    for (name, dims, bytes) in weights {
        graph.builder.tensor(&name, FLOAT, &dims, bytes);
    }
    graph.write(model)?;
    let field = [&[lattice.components()], lattice.extents()].concat();
    let about_sigma = "standard deviation of the noise relative to the signal, > 0";
    let inputs = vec![batched("field", &field, "x, the noisy field"), batched("sigma", &[], about_sigma)];
    let outputs = vec![batched("denoised", &field, "D(x, sigma), the expected field without noise")];
    Ok(graph.builder.finish("denoiser", inputs, outputs))
}

struct Denoiser<'a> {
    builder: GraphBuilder,
    shape: &'a UNetShape,
    lattice: &'a Lattice,
    /// What the network sees of the couplings: constants of the graph.
    conditions: Vec<f64>,
}

impl Denoiser<'_> {
    fn write(&mut self, model: &Model) -> Result<()> {
        match model.metadata().plaquettes {
            Some(moments) => self.write_links(moments),
            None => self.write_field(model),
        }
    }

    /// sigma^2 with one value a configuration.
    fn noise_variance(&mut self) -> String {
        let per_configuration = [vec![-1, 1], vec![1; self.lattice.rank()]].concat();
        let sigma = self.builder.reshape("sigma", &per_configuration, "noise");
        self.builder.node("Mul", &[&sigma, &sigma], "noise.variance", vec![])
    }

    fn write_links(&mut self, moments: PlaquetteMoments) -> Result<()> {
        let variance = self.noise_variance();
        let around = links::before(&mut self.builder, self.lattice, moments, &variance)?;
        let embedding = self.embedding();
        let output = self.network(&around.inputs, &embedding);
        links::after(&mut self.builder, &around, &output);
        Ok(())
    }

    fn write_field(&mut self, model: &Model) -> Result<()> {
        let data_variance = model.metadata().data_variance()?;
        let scale: Vec<f64> = data_variance.iter().map(|variance| variance.sqrt()).collect();
        // A number for one component, else one value a component.
        let by_component = match self.lattice.components() {
            1 => vec![],
            components => [vec![1, components], vec![1; self.lattice.rank()]].concat(),
        };
        let covariance = match self.shape.reach {
            0 => model.metadata().covariance.clone(),
            _ => model.covariance()?,
        };
        let variance = self.noise_variance();
        let b = &mut self.builder;
        let constant = b.floats("data.variance", &by_component, data_variance);
        let total = b.node("Add", &[&variance, &constant], "total.variance", vec![]);
        let width = b.node("Sqrt", &[&total], "total.width", vec![]);
        // Older files have their nodes in this order, and are written again as they were.
        let scaled = match model.metadata().magnetisation_scale {
            None => Some(b.node("Div", &["field", &width], "field.scaled", vec![])),
            Some(_) => None,
        };
        let filtered = wiener::filter(
            b,
            self.lattice,
            (&covariance, self.shape.reach),
            model.metadata().zero_mode,
            ["field", &variance],
        );
        let inverse = b.floats("data.width.inverse", &by_component, scale.iter().map(|s| 1.0 / s));
        let inputs = match (scaled, model.metadata().magnetisation_scale) {
            (None, Some(scale)) => {
                let mean = b.node("GlobalAveragePool", &[&filtered], "magnetisation", vec![]);
                let field = b.node("Sub", &["field", &mean], "field.relative", vec![]);
                let smooth = b.node("Sub", &[&filtered, &mean], "filtered.relative", vec![]);
                let everywhere = b.node("Sub", &[&filtered, &smooth], "magnetisation.everywhere", vec![]);
                let unit = b.floats("magnetisation.scale.inverse", &[], [1.0 / scale]);
                vec![
                    b.node("Div", &[&field, &width], "field.scaled", vec![]),
                    b.node("Mul", &[&smooth, &inverse], "filtered.scaled", vec![]),
                    b.node("Mul", &[&everywhere, &unit], "magnetisation.scaled", vec![]),
                ]
            }
            (scaled, _) => {
                let filtered = b.node("Mul", &[&filtered, &inverse], "filtered.scaled", vec![]);
                scaled.into_iter().chain([filtered]).collect()
            }
        };
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let inputs = b.node("Concat", &inputs, "inputs", vec![int("axis", 1)]);
        let share = b.node("Div", &[&variance, &total], "noise.share", vec![]);
        let constant = b.floats("data.width", &by_component, scale);
        let factor = b.node("Mul", &[&share, &constant], "correction.factor", vec![]);

        let embedding = self.embedding();
        let correction = self.network(&inputs, &embedding);
        let b = &mut self.builder;
        let correction = b.node("Mul", &[&correction, &factor], "correction", vec![]);
        b.node("Add", &[&filtered, &correction], "denoised", vec![]);
        Ok(())
    }

    /// Fourier features of ln sigma and two dense layers, `[batch, width]` (`nn/embedding.rs`).
    fn embedding(&mut self) -> String {
        let b = &mut self.builder;
        let column = b.reshape("sigma", &[-1, 1], "embedding.sigma");
        let log = b.node("Log", &[&column], "embedding.log_sigma", vec![]);
        let constant = b.floats("embedding.frequencies", &[1, frequencies().len()], frequencies());
        let angle = b.node("Mul", &[&log, &constant], "embedding.angle", vec![]);
        let sine = b.node("Sin", &[&angle], "embedding.sine", vec![]);
        let cosine = b.node("Cos", &[&angle], "embedding.cosine", vec![]);
        let features = b.node("Concat", &[&sine, &cosine], "embedding.features", vec![int("axis", 1)]);
        let first = self.first_dense(&features);
        let active = self.builder.silu(&first, "embedding.first.active");
        let second = self.dense(&active, "embedding.second");
        self.builder.silu(&second, "embedding.second.active")
    }

    /// The first layer. A file describes one set of couplings, whose part of the sum is a constant: runtimes fold
    /// it into the bias.
    fn first_dense(&mut self, features: &str) -> String {
        let name = "embedding.first";
        if self.conditions.is_empty() {
            return self.dense(features, name);
        }
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let couplings: Vec<f64> = self.conditions.iter().flat_map(|&value| condition_features(value)).collect();
        let rows = 2 * frequencies().len() as i64;
        let b = &mut self.builder;
        let of_level = b.slice(&weight, 0, (0, rows), &format!("{name}.level"));
        let of_couplings = b.slice(&weight, 0, (rows, i64::MAX), &format!("{name}.couplings"));
        let couplings = b.floats("embedding.couplings", &[1, couplings.len()], couplings);
        let constant = b.node("Gemm", &[&couplings, &of_couplings, &bias], &format!("{name}.constant"), vec![]);
        b.node("Gemm", &[features, &of_level, &constant], name, vec![])
    }

    /// Factors of the resolutions (`nn/unet/bands.rs`), `[batch, 1, 1..]`: for each, 1 where its blocks work and 0
    /// elsewhere, and 1 where its blocks or coarser ones do. None without bands. The graph evaluates also what it
    /// then multiplies by zero: the same function, but no saving. Its ln sigma is in single precision, so that a
    /// noise level within 1e-7 of the end of a band may fall on the other side.
    fn steps(&mut self) -> Vec<[String; 2]> {
        if self.shape.bands.is_empty() {
            return vec![];
        }
        let b = &mut self.builder;
        let log = b.node("Log", &["noise"], "noise.log", vec![]);
        let mut steps: Vec<[String; 2]> = Vec::new();
        for (level, &[low, high]) in self.shape.bands.iter().enumerate().rev() {
            let name = format!("level{level}.step");
            let low = b.floats(&format!("{name}.low"), &[], [low]);
            let high = b.floats(&format!("{name}.high"), &[], [high]);
            let above = b.node("GreaterOrEqual", &[&log, &low], &format!("{name}.above"), vec![]);
            let below = b.node("LessOrEqual", &[&log, &high], &format!("{name}.below"), vec![]);
            let within = b.node("And", &[&above, &below], &format!("{name}.within"), vec![]);
            let step = b.node("Cast", &[&within], &name, vec![int("to", i64::from(FLOAT))]);
            let or_coarser = match steps.last() {
                None => step.clone(),
                Some([_, coarser]) => b.node("Max", &[&step, coarser], &format!("{name}.or_coarser"), vec![]),
            };
            steps.push([step, or_coarser]);
        }
        steps.reverse();
        steps
    }

    /// `x` times its step, if there are bands.
    fn stepped(&mut self, x: String, step: Option<&String>) -> String {
        match step {
            None => x,
            Some(step) => {
                let output = format!("{x}.stepped");
                self.builder.node("Mul", &[&x, step], &output, vec![])
            }
        }
    }

    fn dense(&mut self, x: &str, name: &str) -> String {
        self.builder.node("Gemm", &[x, &format!("{name}.weight"), &format!("{name}.bias")], name, vec![])
    }

    /// The U-Net, `[batch, components, extents..]` (`nn/unet.rs`).
    fn network(&mut self, inputs: &str, embedding: &str) -> String {
        let channels = &self.shape.channels;
        let steps = self.steps();
        let mut stream = self.convolution(inputs, "input");
        let mut skipped = Vec::new();
        for level in 0..channels.len() {
            stream = self.block(&stream, (level, "down"), embedding, steps.get(level).map(|[step, _]| step));
            if level + 1 < channels.len() {
                skipped.push(stream.clone());
                stream = self.coarsen(&stream, &format!("level{level}.coarsen"));
            }
        }
        for level in (0..channels.len()).rev() {
            stream = self.block(&stream, (level, "up"), embedding, steps.get(level).map(|[step, _]| step));
            if let Some(skip) = skipped.pop() {
                let fine = self.refine(&stream, level - 1);
                let fine = self.stepped(fine, steps.get(level).map(|[_, or_coarser]| or_coarser));
                stream = self.builder.node("Add", &[&skip, &fine], &format!("level{}.merged", level - 1), vec![]);
            }
        }
        let active = self.activation(&stream, "output.active");
        self.convolution(&active, "output")
    }

    fn activation(&mut self, x: &str, output: &str) -> String {
        if self.shape.odd { self.builder.odd(x, output) } else { self.builder.silu(x, output) }
    }

    /// `x + second(active(film(first(active(x)))))`.
    fn block(&mut self, x: &str, (level, way): (usize, &str), embedding: &str, step: Option<&String>) -> String {
        let name = format!("level{level}.{way}");
        let active = self.activation(x, &format!("{name}.active"));
        let h = self.convolution(&active, &format!("{name}.first"));
        let modulation = self.dense(embedding, &format!("{name}.modulation"));
        let h = self.modulate(&h, level, &modulation, &name);
        let active = self.activation(&h, &format!("{name}.modulated.active"));
        let h = self.convolution(&active, &format!("{name}.second"));
        let h = self.stepped(h, step);
        self.builder.node("Add", &[x, &h], &name, vec![])
    }

    /// (1 + scale) h + shift by channel; an odd network has no shift.
    fn modulate(&mut self, h: &str, level: usize, modulation: &str, name: &str) -> String {
        let values = self.shape.channels[level] as i64 * if self.shape.odd { 1 } else { 2 };
        let b = &mut self.builder;
        let per_channel = [vec![-1, values], vec![1; self.lattice.rank()]].concat();
        let modulation = b.reshape(modulation, &per_channel, &format!("{name}.modulation.sites"));
        let one = b.floats("one", &[], [1.0]);
        if self.shape.odd {
            let gain = b.node("Add", &[&modulation, &one], &format!("{name}.gain"), vec![]);
            return b.node("Mul", &[h, &gain], &format!("{name}.modulated"), vec![]);
        }
        let (scale, shift) = (format!("{name}.scale"), format!("{name}.shift"));
        let halves = vec![int("axis", 1), int("num_outputs", 2)];
        b.node_with_outputs("Split", &[&modulation], &format!("{name}.split"), &[&scale, &shift], halves);
        let gain = b.node("Add", &[&scale, &one], &format!("{name}.gain"), vec![]);
        let h = b.node("Mul", &[h, &gain], &format!("{name}.scaled"), vec![]);
        b.node("Add", &[&h, &shift], &format!("{name}.modulated"), vec![])
    }

    /// `operator` with the weights of `name`, and its bias unless the network is odd.
    fn weighted(&mut self, operator: &str, x: &str, name: &str, attributes: Vec<AttributeProto>) -> String {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let inputs: &[&str] = if self.shape.odd { &[x, &weight] } else { &[x, &weight, &bias] };
        self.builder.node(operator, inputs, name, attributes)
    }

    /// Convolution with a stencil of 3 along every axis, on a periodic lattice; of 1 without reach.
    fn convolution(&mut self, x: &str, name: &str) -> String {
        let reach = self.shape.reach;
        let padded = if reach == 0 { x.to_string() } else { self.periodic_halo(x, name) };
        let kernel = vec![ints("kernel_shape", vec![2 * reach as i64 + 1; self.lattice.rank()])];
        self.weighted("Conv", &padded, name, kernel)
    }

    /// One site more on either side of every axis, by joining slices, the fastest axis first: ONNX
    /// Runtime does that in 60% of the time of `Pad` in mode `wrap`, and any runtime knows these operators.
    fn periodic_halo(&mut self, x: &str, name: &str) -> String {
        let mut x = x.to_string();
        for axis in (2..2 + self.lattice.rank()).rev() {
            let output = format!("{name}.halo{}", axis - 2);
            let last = self.builder.slice(&x, axis, (-1, i64::MAX), &format!("{output}.behind"));
            let first = self.builder.slice(&x, axis, (0, 1), &format!("{output}.ahead"));
            x = self.builder.node("Concat", &[&last, &x, &first], &output, vec![int("axis", axis as i64)]);
        }
        x
    }

    fn halving(&self) -> Vec<AttributeProto> {
        ["kernel_shape", "strides"].map(|name| ints(name, vec![2; self.lattice.rank()])).into()
    }

    /// Space-to-depth and channel mixing: a convolution of kernel and stride 2.
    fn coarsen(&mut self, x: &str, name: &str) -> String {
        let attributes = self.halving();
        self.weighted("Conv", x, name, attributes)
    }

    /// Channel mixing and depth-to-space from `level + 1` to `level`: a transposed convolution. Its
    /// bias differs from corner to corner of a cell, so it is laid out over the lattice (a constant,
    /// which runtimes compute once).
    fn refine(&mut self, x: &str, level: usize) -> String {
        let name = format!("level{level}.refine");
        let rank = self.lattice.rank();
        let attributes = self.halving();
        if self.shape.odd {
            return self.weighted("ConvTranspose", x, &name, attributes);
        }
        let b = &mut self.builder;
        let cell = [vec![1, self.shape.channels[level] as i64], vec![2; rank]].concat();
        let bias = b.reshape(&format!("{name}.bias"), &cell, &format!("{name}.bias.cell"));
        let cells = self.lattice.extents().iter().map(|&extent| (extent >> (level + 1)) as i64);
        let repeats = b.integers(&format!("level{level}.cells"), &[1, 1].into_iter().chain(cells).collect::<Vec<_>>());
        let bias = b.node("Tile", &[&bias, &repeats], &format!("{name}.bias.sites"), vec![]);
        let mixed = b.node("ConvTranspose", &[x, &format!("{name}.weight")], &format!("{name}.mixed"), attributes);
        b.node("Add", &[&mixed, &bias], &name, vec![])
    }
}
