//! Logarithms are slow; of products of many factors near one they are few.

/// log of a product, taken only when the product leaves the comfortable range.
#[derive(Clone, Copy)]
pub(crate) struct LogProduct {
    product: f64,
    sum: f64,
}

impl Default for LogProduct {
    fn default() -> Self {
        LogProduct { product: 1.0, sum: 0.0 }
    }
}

impl LogProduct {
    pub fn multiply(&mut self, factor: f64) {
        self.product *= factor;
        if !(1e-200..1e200).contains(&self.product) {
            self.sum += libm::log(self.product);
            self.product = 1.0;
        }
    }

    pub fn log(self) -> f64 {
        self.sum + libm::log(self.product)
    }
}
