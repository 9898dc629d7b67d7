//! k-statistics to order 8: unbiased estimators of cumulants from power sums S_p = sum_i x_i^p.
//!
//! A cumulant is kappa_r = sum over set partitions of r objects of (-1)^(m-1) (m-1)! prod_b mu'_b, m
//! blocks of sizes b (M. G. Kendall and A. Stuart, The Advanced Theory of Statistics I, ch. 3 and 12).
//! The product of m moments is estimated without bias by the mean of x_i^b1 x_j^b2 ... over *distinct*
//! i, j, ..., that is by an augmented symmetric function over n (n-1) ... (n-m+1), and
//!
//! sum over distinct = sum over set partitions of the m factors of prod_groups (-1)^(s-1) (s-1)! S_(sum of group),
//!
//! s factors a group. The table below is the product of the two sums, made by the program.
//! Moments about zero may be taken about any point: kappa_r (r > 1) does not depend on it.

use std::collections::BTreeMap;
use std::ops::{Add, Mul};
use std::sync::OnceLock;

/// Highest order of a cumulant.
pub const MAX_ORDER: usize = 8;

/// Laws known to be invariant under x -> -x have estimators of lower variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetry {
    /// Nothing is known: k-statistics.
    None,
    /// Invariant under x -> -x. Odd moments about zero are zero and left out, odd cumulants are zero;
    /// the even ones are unbiased from the even power sums about zero.
    Even,
}

impl Symmetry {
    /// Fewest values for the estimator of order `order`.
    pub fn fewest(self, order: usize) -> u64 {
        match self {
            Symmetry::None => order as u64,
            Symmetry::Even => order as u64 / 2,
        }
    }
}

/// A product of power sums, with its coefficient of 1 / (n (n-1) ... (n-m+1)) for m = 0 ..= 8.
struct Term {
    orders: Vec<usize>,
    coefficients: [f64; MAX_ORDER + 1],
}

/// Terms of kappa_1 ..= kappa_8.
struct Table([Vec<Term>; MAX_ORDER]);

/// The k-statistic of `order` (1 ..= 8) from `sums[p - 1]` = S_p of `count` values, real or complex; for
/// [`Symmetry::Even`] the even sums about zero. `count` is at least [`Symmetry::fewest`].
pub fn k_statistic<T>(symmetry: Symmetry, order: usize, count: u64, sums: &[T; MAX_ORDER]) -> T
where
    T: Copy + Default + Add<Output = T> + Mul<Output = T> + Mul<f64, Output = T>,
{
    let n = count as f64;
    let means = sums.map(|sum| sum * (1.0 / n));
    let mut total = T::default();
    for term in &table(symmetry).0[order - 1] {
        // n^l / (n (n-1) ... (n-m+1)) with l the number of sums in the product.
        let mut scale = n.powi(term.orders.len() as i32);
        let mut coefficient = 0.0;
        for distinct in 1..=order.min(count as usize) {
            scale /= n - (distinct - 1) as f64;
            coefficient += term.coefficients[distinct] * scale;
        }
        let (first, rest) = term.orders.split_at(1);
        total = total + rest.iter().fold(means[first[0] - 1], |product, &p| product * means[p - 1]) * coefficient;
    }
    total
}

fn table(symmetry: Symmetry) -> &'static Table {
    static GENERAL: OnceLock<Table> = OnceLock::new();
    static EVEN: OnceLock<Table> = OnceLock::new();
    match symmetry {
        Symmetry::None => GENERAL.get_or_init(|| Table::new(1)),
        Symmetry::Even => EVEN.get_or_init(|| Table::new(2)),
    }
}

impl Table {
    /// Only moments whose order is a multiple of `step`.
    fn new(step: usize) -> Self {
        Table(std::array::from_fn(|index| terms(index + 1, step)))
    }
}

fn terms(order: usize, step: usize) -> Vec<Term> {
    let mut collected: BTreeMap<Vec<usize>, [f64; MAX_ORDER + 1]> = BTreeMap::new();
    for parts in partitions(order, order) {
        if parts.iter().any(|part| part % step != 0) {
            continue;
        }
        let blocks = parts.len();
        let sign = if blocks % 2 == 0 { -1.0 } else { 1.0 };
        let weight = sign * factorial(blocks - 1) * set_partitions(order, &parts);
        distinct_to_sums(&parts, &mut vec![], weight, &mut |sums, coefficient| {
            collected.entry(sums).or_insert([0.0; MAX_ORDER + 1])[blocks] += coefficient;
        });
    }
    collected.into_iter().map(|(orders, coefficients)| Term { orders, coefficients }).collect()
}

/// Partitions of the integer `total` into parts of at most `largest`, each in falling order.
fn partitions(total: usize, largest: usize) -> Vec<Vec<usize>> {
    if total == 0 {
        return vec![vec![]];
    }
    let with_first = |first: usize| {
        let rest = partitions(total - first, first);
        rest.into_iter().map(move |rest| [vec![first], rest].concat())
    };
    (1..=total.min(largest)).flat_map(with_first).collect()
}

/// Number of ways to split `order` objects into blocks of the sizes `parts`.
fn set_partitions(order: usize, parts: &[usize]) -> f64 {
    let sizes: f64 = parts.iter().map(|&part| factorial(part)).product();
    let repeats: f64 = (1..=order).map(|size| factorial(parts.iter().filter(|&&part| part == size).count())).product();
    factorial(order) / (sizes * repeats)
}

/// Visits every set partition of the factors `parts`, with prod (-1)^(s-1) (s-1)! as its coefficient.
fn distinct_to_sums(
    parts: &[usize],
    groups: &mut Vec<(usize, usize)>,
    coefficient: f64,
    visit: &mut dyn FnMut(Vec<usize>, f64),
) {
    let Some((&part, rest)) = parts.split_first() else {
        let mut sums: Vec<usize> = groups.iter().map(|group| group.0).collect();
        sums.sort_unstable();
        return visit(sums, coefficient);
    };
    for index in 0..groups.len() {
        // A group of s factors that takes one more goes from (-1)^(s-1) (s-1)! to (-1)^s s!.
        let (sum, members) = groups[index];
        groups[index] = (sum + part, members + 1);
        distinct_to_sums(rest, groups, -(members as f64) * coefficient, visit);
        groups[index] = (sum, members);
    }
    groups.push((part, 1));
    distinct_to_sums(rest, groups, coefficient, visit);
    groups.pop();
}

fn factorial(n: usize) -> f64 {
    (1..=n).map(|k| k as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(values: &[f64]) -> [f64; MAX_ORDER] {
        std::array::from_fn(|p| values.iter().map(|x| x.powi(p as i32 + 1)).sum())
    }

    /// Cumulants of a discrete law by the recursion kappa_r = mu'_r - sum_k C(r-1, k-1) kappa_k mu'_(r-k).
    fn exact(law: &[(f64, f64)]) -> [f64; MAX_ORDER] {
        let moment = |p: usize| law.iter().map(|(x, weight)| weight * x.powi(p as i32)).sum::<f64>();
        let choose = |n: usize, k: usize| factorial(n) / (factorial(k) * factorial(n - k));
        let mut kappa = [0.0; MAX_ORDER];
        for r in 1..=MAX_ORDER {
            let lower: f64 = (1..r).map(|k| choose(r - 1, k - 1) * kappa[k - 1] * moment(r - k)).sum();
            kappa[r - 1] = moment(r) - lower;
        }
        kappa
    }

    /// Mean of the estimator over all samples of `count` values of `law`.
    fn enumerated(law: &[(f64, f64)], count: u32, symmetry: Symmetry, order: usize) -> f64 {
        let samples = law.len().pow(count);
        let mut mean = 0.0;
        for sample in 0..samples {
            let drawn: Vec<_> = (0..count).map(|i| law[sample / law.len().pow(i) % law.len()]).collect();
            let weight: f64 = drawn.iter().map(|(_, weight)| weight).product();
            let values: Vec<f64> = drawn.iter().map(|(x, _)| *x).collect();
            mean += weight * k_statistic(symmetry, order, u64::from(count), &sums(&values));
        }
        mean
    }

    #[test]
    fn unbiased_by_enumeration_of_all_samples() {
        let law = [(-1.0, 0.2), (0.5, 0.5), (2.0, 0.3)];
        let kappa = exact(&law);
        for order in 1..=MAX_ORDER {
            // The fewest values that the order needs, and one more.
            for count in [order as u32, order as u32 + 1] {
                let mean = enumerated(&law, count, Symmetry::None, order);
                assert!((mean - kappa[order - 1]).abs() < 1e-8, "order {order}, n = {count}: {mean} {kappa:?}");
            }
        }
    }

    #[test]
    fn even_estimators_are_unbiased_for_even_laws() {
        let law = [(-2.0, 0.1), (-1.0, 0.4), (1.0, 0.4), (2.0, 0.1)];
        let kappa = exact(&law);
        for order in [2, 4, 6, 8] {
            for count in [4, 6] {
                let mean = enumerated(&law, count, Symmetry::Even, order);
                assert!((mean - kappa[order - 1]).abs() < 1e-9, "order {order}, n = {count}: {mean} {kappa:?}");
            }
        }
        assert_eq!(k_statistic(Symmetry::Even, 3, 5, &sums(&[1.0, 2.0, 3.0, 5.0, 8.0])), 0.0);
    }

    #[test]
    fn the_known_formulas_of_fisher() {
        let values: [f64; 9] = [0.3, -1.2, 2.2, 0.7, -0.4, 1.9, -2.5, 0.1, 1.1];
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let centred = values.map(|x| x - mean);
        let s = sums(&centred);
        let k2 = s[1] / (n - 1.0);
        let k3 = n * s[2] / ((n - 1.0) * (n - 2.0));
        let k4 = (n * (n + 1.0) * s[3] - 3.0 * (n - 1.0) * s[1] * s[1]) / ((n - 1.0) * (n - 2.0) * (n - 3.0));
        // Kendall and Stuart eq. 12.28 with S_1 = 0.
        let falling: f64 = (1..=5).map(|i| n - i as f64).product();
        let k6 = ((n + 1.0) * (n * n + 15.0 * n - 4.0) * n * s[5]
            - 15.0 * (n - 1.0) * (n - 1.0) * (n + 4.0) * s[3] * s[1]
            - 10.0 * (n - 1.0) * (n * n - n + 4.0) * s[2] * s[2]
            + 30.0 * (n - 1.0) * (n - 2.0) * s[1] * s[1] * s[1])
            / falling;
        for (order, expected) in [(2, k2), (3, k3), (4, k4), (6, k6)] {
            for sums in [s, sums(&values)] {
                let found = k_statistic(Symmetry::None, order, 9, &sums);
                assert!((found - expected).abs() < 1e-10 * expected.abs().max(1.0), "k{order}: {found} {expected}");
            }
        }
    }

    #[test]
    fn the_table_has_all_partitions() {
        let counts: Vec<usize> = table(Symmetry::None).0.iter().map(Vec::len).collect();
        assert_eq!(counts, [1, 2, 3, 5, 7, 11, 15, 22]);
        assert_eq!(table(Symmetry::Even).0[7].len(), 5);
    }
}
