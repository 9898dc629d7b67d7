use super::*;

fn lattice(extents: &[usize], components: usize) -> Lattice {
    Lattice::new(extents).unwrap().with_components(components).unwrap()
}

fn offsets(layout: &Layout) -> Vec<isize> {
    let mut seen = vec![isize::MIN; layout.lattice().values()];
    layout.for_each_offset(|index, offset| seen[index] = offset);
    seen
}

#[test]
fn strided_layout_visits_fortran_order() {
    let layout = Layout::strided(lattice(&[2, 3], 1), &[1, 2], 0).unwrap();
    assert_eq!(offsets(&layout), [0, 2, 4, 1, 3, 5]);
}

#[test]
fn components_may_be_fastest() {
    let three = lattice(&[3], 2);
    let layout = Layout::strided(three.clone(), &[2], 1).unwrap();
    assert_eq!(offsets(&layout), [0, 2, 4, 1, 3, 5]);
    assert!(!layout.is_contiguous() && Layout::strided(three.clone(), &[1], 3).unwrap().is_contiguous());
    assert!(Layout::strided(three, &[2], 2).is_err());
}

#[test]
fn overlapping_values_are_refused() {
    let square = lattice(&[4, 4], 1);
    for strides in [[1isize, 1], [0, 1], [2, 1], [isize::MAX, 1]] {
        assert!(Layout::strided(square.clone(), &strides, 0).is_err(), "{strides:?}");
    }
    assert!(Layout::strided(square, &[-8, 2], 0).is_ok());
    let pairs = lattice(&[3], 2);
    for (table, component) in
        [([0, 2, 1], 1), ([0, 1, 1], 8), ([0, 1, 2], 0), ([0, 1, 1 << 61], 8), ([0, 1, 2], isize::MAX)]
    {
        assert!(Layout::mapped(pairs.clone(), &table, component).is_err(), "{table:?} {component}");
    }
    assert!(Layout::mapped(pairs.clone(), &[0, 1], 8).is_err());
    assert!(Layout::mapped(pairs, &[-4, 7, 1], -1).is_ok());
}

/// The index of a value in an order that a lattice community knows by name, written as its documentation does.
struct Convention {
    name: &'static str,
    /// With axes (t, z, y, x), slowest first, and `mu` the component.
    index: fn(extents: &[usize], x: &[usize], mu: usize, components: usize) -> usize,
    layout: fn(Lattice) -> Layout,
}

fn lexicographic(n: &[usize], x: &[usize]) -> usize {
    x.iter().zip(n).fold(0, |index, (x, n)| index * n + x)
}

fn even_odd(n: &[usize], x: &[usize]) -> usize {
    // MILC, node_index(): even sites at i/2, odd ones at (i + sites)/2, for an even extent of x.
    let i = lexicographic(n, x);
    if x.iter().sum::<usize>().is_multiple_of(2) { i / 2 } else { (i + n.iter().product::<usize>()) / 2 }
}

const CONVENTIONS: [Convention; 7] = [
    Convention {
        name: "C, [mu][site]",
        index: |n, x, mu, _| mu * n.iter().product::<usize>() + lexicographic(n, x),
        layout: Layout::contiguous,
    },
    Convention {
        name: "C, [site][mu]",
        index: |n, x, mu, components| lexicographic(n, x) * components + mu,
        layout: |lattice| {
            let components = lattice.components();
            let strides: Vec<isize> = lattice.strides().iter().map(|&stride| (stride * components) as isize).collect();
            Layout::strided(lattice, &strides, 1).unwrap()
        },
    },
    Convention {
        name: "Fortran phi(t, z, y, x, mu)",
        index: |n, x, mu, _| {
            let sites = (0..n.len()).rev().fold(0, |index, axis| index * n[axis] + x[axis]);
            mu * n.iter().product::<usize>() + sites
        },
        layout: Layout::fortran,
    },
    Convention {
        name: "QDP, x fastest, a lattice field for each mu, checkerboard of two colours",
        index: |n, x, mu, _| {
            // QDP++ crtesn() of the lattice with half the extent of x, after the parity.
            let (parity, mut half, mut at) = (x.iter().sum::<usize>() % 2, n.to_vec(), x.to_vec());
            *half.last_mut().unwrap() /= 2;
            *at.last_mut().unwrap() /= 2;
            let sites = half.iter().product::<usize>();
            mu * 2 * sites + parity * sites + lexicographic(&half, &at)
        },
        layout: |lattice| {
            let (table, sites) = (Layout::even_odd_offsets(&lattice, 1), lattice.sites() as isize);
            Layout::mapped(lattice, &table, sites).unwrap()
        },
    },
    Convention {
        name: "MILC, even sites first, the directions of a site together",
        index: |n, x, mu, components| even_odd(n, x) * components + mu,
        layout: |lattice| {
            let table = Layout::even_odd_offsets(&lattice, lattice.components() as isize);
            Layout::mapped(lattice, &table, 1).unwrap()
        },
    },
    Convention {
        name: "C with a halo of two sites around every face",
        index: |n, x, mu, _| {
            let (wide, at): (Vec<_>, Vec<_>) = n.iter().zip(x).map(|(n, x)| (n + 4, x + 2)).unzip();
            mu * wide.iter().product::<usize>() + lexicographic(&wide, &at) - lexicographic(&wide, &vec![2; n.len()])
        },
        layout: |lattice| {
            let wide: Vec<usize> = lattice.extents().iter().map(|extent| extent + 4).collect();
            let wide = Lattice::new(&wide).unwrap();
            let strides: Vec<isize> = wide.strides().iter().map(|&stride| stride as isize).collect();
            Layout::strided(lattice, &strides, wide.sites() as isize).unwrap()
        },
    },
    Convention {
        name: "a table in C order",
        index: |n, x, mu, _| mu * n.iter().product::<usize>() + lexicographic(n, x),
        layout: |lattice| {
            let table: Vec<isize> = (0..lattice.sites() as isize).collect();
            let sites = lattice.sites() as isize;
            Layout::mapped(lattice, &table, sites).unwrap()
        },
    },
];

/// Every value lies where the convention says, also as [`Layout::offset`] and [`Layout::reach`] see it; written
/// there and read back it is the same, and nothing between is touched.
#[test]
fn named_conventions_there_and_back() {
    for extents in [&[6][..], &[4, 6], &[3, 5, 2], &[2, 3, 4, 6]] {
        for components in [1, 2, 4] {
            for Convention { name, index, layout } in CONVENTIONS {
                let lattice = lattice(extents, components);
                let (layout, sites) = (layout(lattice.clone()), lattice.sites());
                let (low, high) = layout.reach();
                assert!(low == 0 && high as usize + 1 >= lattice.values(), "{name} {extents:?}");
                assert_eq!(layout.is_contiguous(), offsets(&layout) == Vec::from_iter(0..lattice.values() as isize));
                let mut memory = vec![-1.0; high as usize + 1];
                layout.for_each_offset(|value, offset| {
                    let expected = index(extents, &lattice.coordinates(value % sites), value / sites, components);
                    assert_eq!((offset, layout.offset(value)), (expected as isize, offset), "{name} {extents:?}");
                    memory[offset as usize] = value as f64;
                });
                assert_eq!(memory.iter().filter(|&&value| value != -1.0).count(), lattice.values(), "{name}");
                let mut back = vec![0.0; lattice.values()];
                layout.for_each_offset(|value, offset| back[value] = memory[offset as usize]);
                assert!(back.iter().enumerate().all(|(value, &found)| found == value as f64), "{name} {extents:?}");
            }
        }
    }
}

/// Odd extents too: even sites first, each parity in C order.
#[test]
fn parities_are_apart_for_any_extents() {
    for extents in [&[3][..], &[3, 5], &[3, 3, 5], &[2, 2, 3, 3]] {
        let lattice = lattice(extents, 1);
        let table = Layout::even_odd_offsets(&lattice, -2);
        let mut sites: Vec<usize> = (0..lattice.sites()).collect();
        sites.sort_by_key(|&site| (lattice.coordinates(site).iter().sum::<usize>() % 2, site));
        assert!(sites.iter().enumerate().all(|(number, &site)| table[site] == -2 * number as isize), "{extents:?}");
    }
}
