//! Network weights as ONNX tensors: where ONNX wants another order than the native engine.

use crate::nn::parameters::Entry;

/// The ONNX form of one entry of the parameter layout.
pub struct WeightTensor {
    /// Dimensions of the tensor.
    pub dims: Vec<usize>,
    /// Rows and columns of the native array when ONNX holds its transpose, `[output][input, tap]`.
    transposed: Option<(usize, usize)>,
}

impl WeightTensor {
    /// For `entry` of a network on a lattice of `rank` axes.
    ///
    /// The two channel-mixing matrices act on `channel * 2^rank + corner`: with the corners as taps
    /// they are a convolution, and a transposed convolution, of kernel and stride 2, which saves the
    /// rearrangement of sites.
    pub fn new(entry: &Entry, rank: usize) -> Self {
        let kernel = |size: usize| vec![size; rank];
        let corners = 1 << rank;
        let &[inputs, taps, outputs] = entry.shape.as_slice() else {
            return WeightTensor { dims: entry.shape.clone(), transposed: None };
        };
        if entry.name.ends_with(".refine.weight") {
            return WeightTensor { dims: [vec![inputs, outputs / corners], kernel(2)].concat(), transposed: None };
        }
        let dims = match entry.name.ends_with(".coarsen.weight") {
            true => [vec![outputs, inputs / corners], kernel(2)].concat(),
            false => [vec![outputs, inputs], kernel(if taps == 1 { 1 } else { 3 })].concat(),
        };
        WeightTensor { dims, transposed: Some((inputs * taps, outputs)) }
    }

    /// The bytes of the tensor, little endian, from the native values.
    pub fn to_bytes(&self, native: &[f32]) -> Vec<u8> {
        match self.transposed {
            None => native.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Some((rows, columns)) => {
                let order = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
                order.flat_map(|index| native[index].to_le_bytes()).collect()
            }
        }
    }

    /// The native values, to the bit, from the bytes of the tensor; both must have the right length.
    pub fn copy_to_native(&self, bytes: &[u8], native: &mut [f32]) {
        let values = bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        match self.transposed {
            None => native.iter_mut().zip(values).for_each(|(native, value)| *native = value),
            Some((rows, columns)) => {
                for (index, value) in values.enumerate() {
                    native[index % rows * columns + index / rows] = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameters::Initial;

    fn entry(name: &str, shape: &[usize]) -> Entry {
        Entry { name: name.into(), shape: shape.to_vec(), offset: 0, initial: Initial::Zero }
    }

    #[test]
    fn tensors_have_the_order_of_onnx_and_come_back() {
        let cases = [
            (entry("input.weight", &[2, 9, 3]), vec![3, 2, 3, 3]),
            (entry("output.weight", &[4, 1, 2]), vec![2, 4, 1, 1]),
            (entry("level0.coarsen.weight", &[8, 1, 3]), vec![3, 2, 2, 2]),
            (entry("level0.refine.weight", &[3, 1, 8]), vec![3, 2, 2, 2]),
            (entry("embedding.first.weight", &[16, 4]), vec![16, 4]),
            (entry("input.bias", &[3]), vec![3]),
        ];
        for (entry, dims) in cases {
            let tensor = WeightTensor::new(&entry, 2);
            assert_eq!(tensor.dims, dims, "{}", entry.name);
            let native: Vec<f32> = (0..entry.len()).map(|value| value as f32).collect();
            let bytes = tensor.to_bytes(&native);
            let mut back = vec![f32::NAN; native.len()];
            tensor.copy_to_native(&bytes, &mut back);
            assert_eq!(native, back, "{}", entry.name);
        }
        // Output 1, input 1, tap 4 of a 3x3 convolution.
        let tensor = WeightTensor::new(&entry("input.weight", &[2, 9, 3]), 2);
        let native: Vec<f32> = (0..54).map(|value| value as f32).collect();
        let at = 4 * ((2 + 1) * 9 + 4);
        assert_eq!(tensor.to_bytes(&native)[at..at + 4], native[(9 + 4) * 3 + 1].to_le_bytes());
    }
}
