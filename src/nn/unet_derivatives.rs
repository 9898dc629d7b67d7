//! Tangent (JVP) and backward (VJP) of the U-Net, from the activations that its forward kept.

use super::convolution::{ConvolutionScratch, Stencil, adjoint_weights, backward_weights, forward};
use super::embedding::EmbeddingTape;
use super::pointwise::{film_backward, film_tangent, silu, silu_slope_times};
use super::simd::Real;
use super::unet::{Convolution, Tape, UNet};

/// Mirrored and transposed weights, made once for each parameter version by [`UNet::refresh_adjoint`].
pub struct Adjoint<T>(Vec<T>);

impl UNet {
    /// Directional derivative of the last [`UNet::forward`] on `tape` along `direction`
    /// (`[input field][site]`); `direction` and the parameters may differ from call to call, the tape not.
    pub fn tangent<T: Real>(
        &self,
        p: &[T],
        embedding: &EmbeddingTape<T>,
        direction: &[T],
        out: &mut [T],
        tape: &mut Tape<T>,
    ) {
        let count = self.levels.len();
        let linear =
            |c: &Convolution, stencil: &Stencil, x: &[T], add: bool, out: &mut [T], s: &mut ConvolutionScratch<T>| {
                forward(stencil, x, (&p[c.weights.clone()], None), add, out, s);
            };
        linear(&self.input, &self.levels[0].cube, direction, false, &mut tape.stream[0], &mut tape.scratch);
        let block_tangent = |index: usize, tape: &mut Tape<T>| {
            let block = &self.blocks[index];
            let level = &self.levels[block.level];
            let stream = &mut tape.stream[block.level];
            let [active, h] = &mut tape.temporary;
            let (active, h) = (&mut active[..stream.len()], &mut h[..stream.len()]);
            active.copy_from_slice(stream);
            silu_slope_times(&tape.blocks[index].x, active);
            linear(&block.first, &level.cube, active, false, h, &mut tape.scratch);
            film_tangent(&embedding.modulations[self.embedding.modulation(index)], level.cube.sites(), h);
            silu_slope_times(&tape.blocks[index].modulated, h);
            linear(&block.second, &level.cube, h, true, stream, &mut tape.scratch);
        };
        for index in 0..count {
            block_tangent(index, tape);
            if let Some((map, down, _)) = &self.levels[index].coarser {
                let deep = &mut tape.temporary[0][..tape.stream[index].len()];
                map.to_depth(&tape.stream[index], deep);
                linear(
                    down,
                    &self.levels[index + 1].point,
                    deep,
                    false,
                    &mut tape.stream[index + 1],
                    &mut tape.scratch,
                );
            }
        }
        for index in (0..count).rev() {
            block_tangent(2 * count - 1 - index, tape);
            if index > 0
                && let Some((map, _, up)) = &self.levels[index - 1].coarser
            {
                let [deep, fine] = &mut tape.temporary;
                let length = tape.stream[index - 1].len();
                linear(
                    up,
                    &self.levels[index].point,
                    &tape.stream[index],
                    false,
                    &mut deep[..length],
                    &mut tape.scratch,
                );
                map.to_space(&deep[..length], &mut fine[..length]);
                tape.stream[index - 1].iter_mut().zip(fine.iter()).for_each(|(a, &b)| *a += b);
            }
        }
        let active = &mut tape.temporary[0][..tape.last.len()];
        active.copy_from_slice(&tape.stream[0]);
        silu_slope_times(&tape.last, active);
        linear(&self.output, &self.levels[0].cube, active, false, out, &mut tape.scratch);
    }

    /// Mirrored and transposed weights for [`UNet::backward`].
    pub fn adjoint<T: Real>(&self) -> Adjoint<T> {
        Adjoint(vec![T::default(); self.adjoint_total])
    }

    /// Renews `adjoint` after the parameters changed.
    pub fn refresh_adjoint<T: Real>(&self, p: &[T], adjoint: &mut Adjoint<T>) {
        let mixing = self.levels.iter().filter_map(|level| level.coarser.as_ref()).flat_map(|(_, down, up)| [down, up]);
        let blocks = self.blocks.iter().flat_map(|block| [&block.first, &block.second]);
        for c in mixing.chain(blocks).chain([&self.input, &self.output]) {
            adjoint_weights(&p[c.weights.clone()], c.inputs, c.taps, c.outputs, &mut adjoint.0[c.adjoint.clone()]);
        }
    }

    /// Adds the gradient of `sum output_gradient out` (over output fields and sites) with respect to the parameters to
    /// `gradient`; if wanted, overwrites `input_gradient` with that with respect to the input.
    /// Uses the activations of the last [`UNet::forward`] on `tape`.
    #[allow(clippy::too_many_arguments)]
    pub fn backward<T: Real>(
        &self,
        p: &[T],
        adjoint: &Adjoint<T>,
        embedding: &EmbeddingTape<T>,
        output_gradient: &[T],
        gradient: &mut [T],
        input_gradient: Option<&mut [T]>,
        tape: &mut Tape<T>,
    ) {
        let count = self.levels.len();
        tape.modulation_gradient.fill(T::default());
        let active = &mut tape.temporary[0][..tape.last.len()];
        silu(&tape.last, active);
        let fine = &self.levels[0].cube;
        Self::weight_gradient(&self.output, fine, active, output_gradient, gradient, &mut tape.scratch);
        forward(
            fine,
            output_gradient,
            (&adjoint.0[self.output.adjoint.clone()], None),
            false,
            &mut tape.stream[0],
            &mut tape.scratch,
        );
        silu_slope_times(&tape.last, &mut tape.stream[0]);
        for index in 0..count {
            if index > 0
                && let Some((map, _, up)) = &self.levels[index - 1].coarser
            {
                let length = tape.stream[index - 1].len();
                let deep = &mut tape.temporary[0][..length];
                map.to_depth(&tape.stream[index - 1], deep);
                let point = &self.levels[index].point;
                Self::weight_gradient(up, point, &tape.up[index], deep, gradient, &mut tape.scratch);
                forward(
                    point,
                    deep,
                    (&adjoint.0[up.adjoint.clone()], None),
                    false,
                    &mut tape.stream[index],
                    &mut tape.scratch,
                );
            }
            self.block_backward(2 * count - 1 - index, adjoint, embedding, gradient, tape);
        }
        for index in (0..count).rev() {
            if let Some((map, down, _)) = &self.levels[index].coarser {
                let point = &self.levels[index + 1].point;
                let coarse = &tape.stream[index + 1];
                Self::weight_gradient(down, point, &tape.down[index], coarse, gradient, &mut tape.scratch);
                let [deep, fine] = &mut tape.temporary;
                let length = tape.stream[index].len();
                forward(
                    point,
                    coarse,
                    (&adjoint.0[down.adjoint.clone()], None),
                    false,
                    &mut deep[..length],
                    &mut tape.scratch,
                );
                map.to_space(&deep[..length], &mut fine[..length]);
                tape.stream[index].iter_mut().zip(fine.iter()).for_each(|(a, &b)| *a += b);
            }
            self.block_backward(index, adjoint, embedding, gradient, tape);
        }
        Self::weight_gradient(&self.input, fine, &tape.input, &tape.stream[0], gradient, &mut tape.scratch);
        if let Some(input_gradient) = input_gradient {
            forward(
                fine,
                &tape.stream[0],
                (&adjoint.0[self.input.adjoint.clone()], None),
                false,
                input_gradient,
                &mut tape.scratch,
            );
        }
        self.embedding.backward(p, embedding, &tape.modulation_gradient, gradient);
    }

    fn weight_gradient<T: Real>(
        c: &Convolution,
        stencil: &Stencil,
        input: &[T],
        g: &[T],
        gradient: &mut [T],
        s: &mut ConvolutionScratch<T>,
    ) {
        // The bias follows its weights in the flat vector.
        let (weights, bias) = gradient[c.weights.start..c.bias.end].split_at_mut(c.weights.len());
        backward_weights(stencil, input, g, weights, Some(bias), s);
    }

    fn block_backward<T: Real>(
        &self,
        index: usize,
        adjoint: &Adjoint<T>,
        embedding: &EmbeddingTape<T>,
        gradient: &mut [T],
        tape: &mut Tape<T>,
    ) {
        let block = &self.blocks[index];
        let cube = &self.levels[block.level].cube;
        let kept = &tape.blocks[index];
        let stream = &mut tape.stream[block.level];
        let [active, h] = &mut tape.temporary;
        let (active, h) = (&mut active[..stream.len()], &mut h[..stream.len()]);
        silu(&kept.modulated, active);
        Self::weight_gradient(&block.second, cube, active, stream, gradient, &mut tape.scratch);
        forward(cube, stream, (&adjoint.0[block.second.adjoint.clone()], None), false, h, &mut tape.scratch);
        silu_slope_times(&kept.modulated, h);
        let range = self.embedding.modulation(index);
        film_backward(
            &kept.h,
            &embedding.modulations[range.clone()],
            cube.sites(),
            h,
            &mut tape.modulation_gradient[range],
        );
        silu(&kept.x, active);
        Self::weight_gradient(&block.first, cube, active, h, gradient, &mut tape.scratch);
        forward(cube, h, (&adjoint.0[block.first.adjoint.clone()], None), false, active, &mut tape.scratch);
        silu_slope_times(&kept.x, active);
        stream.iter_mut().zip(active.iter()).for_each(|(a, &b)| *a += b);
    }
}

#[cfg(test)]
mod tests {
    use super::super::unet::UNetShape;
    use super::*;
    use crate::lattice::Lattice;
    use crate::rng::{Purpose, Stream};

    fn random(level: u32, length: usize) -> Vec<f64> {
        let mut values = vec![0.0; length];
        Stream::new(9, 0, 0).unwrap().normals(Purpose::Diagnostic, level, &mut values);
        values
    }

    struct Case {
        net: UNet,
        parameters: Vec<f64>,
        input: Vec<f64>,
        outputs: usize,
    }

    fn case(extents: &[usize], channels: &[usize], outputs: usize, reach: usize) -> Case {
        let lattice = Lattice::new(extents).unwrap();
        let shape = UNetShape { inputs: 2, channels: channels.to_vec(), embedding: 6, outputs, reach };
        let net = UNet::new(&shape, &lattice).unwrap();
        // Random everywhere: the zero-initialised layers would hide errors.
        let parameters = random(1, net.layout().total()).iter().map(|x| 0.15 * x).collect();
        Case { input: random(2, 2 * lattice.sites()), outputs: outputs * lattice.sites(), parameters, net }
    }

    fn evaluate(case: &Case, parameters: &[f64], input: &[f64]) -> Vec<f64> {
        let mut embedding = case.net.embedding().tape();
        case.net.embedding().forward(parameters, -0.7, &mut embedding);
        let mut out = vec![0.0; case.outputs];
        case.net.forward(parameters, &embedding, input, &mut out, &mut case.net.tape());
        out
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn moved(x: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
        x.iter().zip(direction).map(|(x, d)| x + step * d).collect()
    }

    /// Extents, channels, output fields, reach.
    const CASES: [(&[usize], &[usize], usize, usize); 10] = [
        (&[8], &[3, 5, 2], 1, 1),
        (&[4, 8], &[3, 4], 1, 1),
        (&[8, 8], &[2, 9, 5], 1, 1),
        (&[4, 4, 4], &[2, 3], 1, 1),
        (&[4, 4, 4, 4], &[2, 2], 1, 1),
        (&[4, 8], &[3, 4], 2, 1),
        (&[3, 1], &[2], 3, 1),
        (&[1], &[5], 1, 0),
        (&[70], &[5], 2, 0),
        (&[3, 5], &[4], 9, 0),
    ];

    #[test]
    fn tangent_and_backward_match_finite_differences_in_every_rank() {
        for (extents, channels, outputs, reach) in CASES {
            let case = case(extents, channels, outputs, reach);
            let (net, p) = (&case.net, &case.parameters);
            let mut embedding = net.embedding().tape();
            net.embedding().forward(p, -0.7, &mut embedding);
            let mut tape = net.tape();
            let mut out = vec![0.0; case.outputs];
            net.forward(p, &embedding, &case.input, &mut out, &mut tape);

            let direction = random(3, case.input.len());
            let mut tangent = vec![0.0; case.outputs];
            net.tangent(p, &embedding, &direction, &mut tangent, &mut tape);
            let step = 1e-6;
            let central = |a: Vec<f64>, b: Vec<f64>| -> Vec<f64> {
                a.iter().zip(&b).map(|(a, b)| (a - b) / (2.0 * step)).collect()
            };
            let ahead = evaluate(&case, p, &moved(&case.input, &direction, step));
            let behind = evaluate(&case, p, &moved(&case.input, &direction, -step));
            let numeric = central(ahead, behind);
            let size = dot(&numeric, &numeric).sqrt();
            assert!(size > 1e-3, "the case is degenerate");
            assert!(numeric.iter().zip(&tangent).all(|(a, b)| (a - b).abs() < 1e-7 * size), "{extents:?} tangent");

            let cotangent = random(4, case.outputs);
            let mut adjoint = net.adjoint();
            net.refresh_adjoint(p, &mut adjoint);
            let mut gradient = vec![0.0; p.len()];
            let mut input_gradient = vec![0.0; case.input.len()];
            // The tangent overwrote the streams; backward only needs the kept activations.
            net.backward(p, &adjoint, &embedding, &cotangent, &mut gradient, Some(&mut input_gradient), &mut tape);
            let vjp = dot(&input_gradient, &direction);
            assert!(
                (vjp - dot(&cotangent, &tangent)).abs() < 1e-9 * (1.0 + vjp.abs()),
                "{extents:?} <g, J d> = <J^T g, d>"
            );
            for entry in net.layout().entries() {
                let mut along = vec![0.0; p.len()];
                along[entry.range()].copy_from_slice(&random(5, entry.len()));
                let ahead = dot(&evaluate(&case, &moved(p, &along, step), &case.input), &cotangent);
                let behind = dot(&evaluate(&case, &moved(p, &along, -step), &case.input), &cotangent);
                let numeric = (ahead - behind) / (2.0 * step);
                let exact = dot(&gradient, &along);
                assert!(
                    (numeric - exact).abs() < 1e-6 * (1.0 + numeric.abs()),
                    "{extents:?} {}: {numeric} {exact}",
                    entry.name
                );
            }
        }
    }

    /// Translating the input by whole coarsest cells translates the output: no boundary is special.
    #[test]
    fn translations_by_a_coarsest_cell_commute_with_the_network() {
        let case = case(&[8, 8], &[2, 9], 1, 1);
        let lattice = Lattice::new(&[8, 8]).unwrap();
        let translate = |field: &[f64]| -> Vec<f64> {
            (0..64)
                .map(|x| {
                    let at = lattice.coordinates(x);
                    field[lattice.index(&[at[0] + 2, at[1] + 4])]
                })
                .collect()
        };
        let moved: Vec<f64> = case.input.chunks(64).flat_map(translate).collect();
        let a = evaluate(&case, &case.parameters, &moved);
        let b = translate(&evaluate(&case, &case.parameters, &case.input));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let lattice = Lattice::new(&[6, 6]).unwrap();
        for channels in [&[][..], &[0], &[4, 4, 4]] {
            let shape = UNetShape { channels: channels.to_vec(), embedding: 4, ..UNetShape::default() };
            assert!(UNet::new(&shape, &lattice).is_err(), "{channels:?}");
        }
        for (outputs, reach, channels) in [(0, 1, vec![4]), (1, 2, vec![4]), (1, 0, vec![4, 4])] {
            let shape = UNetShape { inputs: 2, channels, embedding: 4, outputs, reach };
            assert!(UNet::new(&shape, &lattice).is_err(), "{shape:?}");
        }
    }

    /// Without reach every site is a network of its own: the same bits alone, in a row, or on any lattice.
    #[test]
    fn without_reach_sites_are_independent_to_the_bit() {
        let row = case(&[41], &[7], 2, 0);
        let together = evaluate(&row, &row.parameters, &row.input);
        let point = case(&[1], &[7], 2, 0);
        for site in 0..41 {
            let alone = evaluate(&point, &row.parameters, &[row.input[site], row.input[41 + site]]);
            assert_eq!(alone, [together[site], together[41 + site]]);
        }
        let sheet = Case { input: row.input.clone(), ..case(&[1, 41], &[7], 2, 0) };
        assert_eq!(evaluate(&sheet, &row.parameters, &row.input), together);
    }

    /// Descriptions of networks from before `outputs` and `reach` read, write and print as they did.
    #[test]
    fn older_descriptions_keep_their_text() {
        let old = r#"{"inputs":2,"channels":[3,4],"embedding":6}"#;
        let shape: UNetShape = serde_json::from_str(old).unwrap();
        assert_eq!((shape.outputs, shape.reach), (1, 1));
        assert_eq!(serde_json::to_string(&shape).unwrap(), old);
        assert_eq!(format!("{shape:?}"), "UNetShape { inputs: 2, channels: [3, 4], embedding: 6 }");
        let new = UNetShape { outputs: 2, reach: 0, ..shape };
        assert_eq!(serde_json::from_str::<UNetShape>(&serde_json::to_string(&new).unwrap()).unwrap(), new);
        assert!(format!("{new:?}").contains("outputs: 2, reach: 0"));
    }
}
