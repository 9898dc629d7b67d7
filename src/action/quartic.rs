//! Integrals over the one-variable law exp(-E(y)), E = a/2 y^2 + g/24 y^4 - b y.
//!
//! Both the quartic toy itself (b = 0) and its clean variable given a noisy one (a = mu2 + 1/noise^2,
//! b = x/noise^2) are of this form. The trapezoidal rule converges exponentially for such entire
//! functions (Trefethen, Weideman, SIAM Review 56 (2014) 385): measured from the highest mode y*, with
//! a step of half the narrowest local width and a range on which E - E(y*) reaches `CUT`, every
//! moment has a relative error near rounding, however narrow or wide the law is.

/// E - E(y*) at the ends of the range: what is left out is below exp(-44) of the whole, and still
/// negligible with the eighth power of y in front.
const CUT: f64 = 60.0;

/// The law, for b >= 0 without loss of generality ([`TiltedQuartic::new`] remembers the sign).
pub(crate) struct TiltedQuartic {
    sign: f64,
    /// y*, the largest root of E' = a y + g/6 y^3 - b.
    mode: f64,
    /// E(y* + u) - E(y*) = curvature/2 u^2 + cubic/6 u^3 + quartic/24 u^4.
    curvature: f64,
    cubic: f64,
    quartic: f64,
    step: f64,
    /// Numbers of the first and last node, at u = number * step.
    nodes: (i64, i64),
}

/// The lowest moments of the law.
pub(crate) struct QuarticMoments {
    /// y* with its sign.
    pub mode: f64,
    /// Logarithm of the integral of exp(E(y*) - E(y)).
    pub log_integral: f64,
    pub mean: f64,
    pub variance: f64,
}

impl TiltedQuartic {
    /// `quadratic` = a, `quartic` = g >= 0, `tilt` = b; a > 0 if g = 0.
    pub fn new(quadratic: f64, quartic: f64, tilt: f64) -> Self {
        let mode = largest_root(quadratic, quartic, tilt.abs());
        // At the highest maximum of the density the curvature is not negative; rounding could make it so.
        let curvature = (quadratic + 0.5 * quartic * mode * mode).max(0.0);
        let right = (2.0 * CUT / curvature).sqrt().min((24.0 * CUT / quartic).sqrt().sqrt());
        // On the left E - E(y*) >= u^2 floor; and for b >= 0, E(-y) >= E(y) bounds the other well.
        let floor = 0.5 * quadratic + quartic * mode * mode / 12.0;
        let other_well = 2.0 * mode + right;
        let left = if floor > 0.0 { (CUT / floor).sqrt().min(other_well) } else { other_well };
        let farthest = (mode + right).max(left - mode);
        let step = 0.5 / (quadratic + 0.5 * quartic * farthest * farthest).sqrt();
        let nodes = (-(left / step).ceil() as i64, (right / step).ceil() as i64);
        let sign = if tilt < 0.0 { -1.0 } else { 1.0 };
        TiltedQuartic { sign, mode, curvature, cubic: quartic * mode, quartic, step, nodes }
    }

    /// Calls `visit(u, weight)` for every node: the sum of weight f(y* + u) is the integral of
    /// f(y) exp(E(y*) - E(y)). Positions are those for b >= 0.
    fn for_each(&self, mut visit: impl FnMut(f64, f64)) {
        for number in self.nodes.0..=self.nodes.1 {
            let u = number as f64 * self.step;
            let energy = u * u * (0.5 * self.curvature + u * (self.cubic / 6.0 + u * self.quartic / 24.0));
            visit(u, self.step * libm::exp(-energy));
        }
    }

    /// Normalisation, mean and variance.
    pub fn moments(&self) -> QuarticMoments {
        let (mut norm, mut first, mut second) = (0.0, 0.0, 0.0);
        self.for_each(|u, weight| {
            norm += weight;
            first += weight * u;
            second += weight * u * u;
        });
        let offset = first / norm;
        QuarticMoments {
            mode: self.sign * self.mode,
            log_integral: libm::log(norm),
            mean: self.sign * (self.mode + offset),
            variance: (second / norm - offset * offset).max(0.0),
        }
    }

    /// Calls `visit(y, weight)` with weights that sum to one: the expectation of f is the sum of weight f(y).
    pub fn for_each_normalised(&self, mut visit: impl FnMut(f64, f64)) {
        let mut norm = 0.0;
        self.for_each(|_, weight| norm += weight);
        self.for_each(|u, weight| visit(self.sign * (self.mode + u), weight / norm));
    }

    /// Ends of the range of integration, and the distance of its nodes.
    pub fn range(&self) -> (f64, f64, f64) {
        let ends = [self.nodes.0, self.nodes.1].map(|n| self.sign * (self.mode + n as f64 * self.step));
        (ends[0].min(ends[1]), ends[0].max(ends[1]), self.step)
    }
}

/// The largest root of a y + g/6 y^3 = b for b >= 0. Newton's method from the right, where the left
/// side is convex: it decreases monotonically, and rounding ends it.
fn largest_root(a: f64, g: f64, b: f64) -> f64 {
    let cubic = if g > 0.0 { libm::cbrt(6.0 * b / g) } else { f64::INFINITY };
    let mut y = if a > 0.0 { (b / a).min(cubic) } else { cubic + (6.0 * -a / g).sqrt() };
    for _ in 0..200 {
        let slope = a + 0.5 * g * y * y;
        let next = y - (y * (a + g / 6.0 * y * y) - b) / slope;
        if !(next < y && next >= 0.0) {
            break;
        }
        y = next;
    }
    y
}
