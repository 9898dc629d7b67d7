//! Nested dissection of a periodic lattice (George 1973): the order in which sites are eliminated when a nearest-neighbour
//! operator is factorised, and where the factor differs from zero.
//!
//! A box of sites is cut by a plane of them (by two where it closes around the torus); the halves are eliminated before the
//! plane. So the factor on n sites in two dimensions has of the order of n log n numbers and takes n^(3/2) multiplications.

use crate::lattice::Lattice;

/// Most multiplications of one factorisation.
const MOST_WORK: usize = 1 << 28;
/// Most sites for which an order is sought at all.
const MOST_SITES: usize = 1 << 18;
/// Boxes of at most so many sites are eliminated as they are.
const LEAF: usize = 16;
/// Numbers of the widest register.
pub(super) const LANES: usize = 8;

/// Sites that are eliminated together, and those after them that this couples.
#[derive(Clone, Debug)]
pub(super) struct Front {
    /// Place of the first of its own sites; the others follow.
    pub first: usize,
    /// Their number.
    pub own: usize,
    /// Places of the others, ascending.
    pub rows: Vec<u32>,
    /// Where those are in the front that this one is handed on to: its own sites first, then its rows.
    pub in_parent: Vec<u32>,
    /// Fronts that are handed on to this one.
    pub children: Vec<usize>,
    /// Among the numbers that wait, where those that it hands on are made, behind those of its children, and where they wait.
    pub made: usize,
    pub waits: usize,
    /// Where its columns begin among the numbers of a factor.
    pub columns: usize,
    /// From one of them to the next: its size, and room for whole registers.
    pub stride: usize,
}

/// The next multiple of a register's numbers.
fn whole(count: usize) -> usize {
    count.next_multiple_of(LANES)
}

impl Front {
    /// Own sites and rows.
    pub fn size(&self) -> usize {
        self.own + self.rows.len()
    }

    /// Where a place is among its own sites and its rows.
    pub fn position(&self, place: u32) -> usize {
        match (place as usize).checked_sub(self.first + self.own) {
            None => place as usize - self.first,
            Some(_) => self.own + self.rows.partition_point(|&row| row < place),
        }
    }

    /// From one column of what it hands on to the next.
    pub fn row_stride(&self) -> usize {
        whole(self.rows.len())
    }

    /// Numbers that it hands on: a column for every row.
    pub fn handed(&self) -> usize {
        self.rows.len() * self.row_stride()
    }
}

/// The fronts of a lattice, children before parents.
#[derive(Clone, Debug, Default)]
pub(super) struct Dissection {
    pub fronts: Vec<Front>,
    /// Place in the order of every site.
    pub place: Vec<u32>,
    /// Numbers of a factor.
    pub numbers: usize,
    /// Most numbers that wait to be handed on at one time.
    pub waiting: usize,
}

/// One axis of a box.
#[derive(Clone, Copy)]
struct Side {
    start: usize,
    length: usize,
    /// Whether it closes around the torus.
    closed: bool,
}

/// The sites of a front, and how many fronts are handed on to it.
type Cut = (Vec<usize>, usize);

impl Dissection {
    /// Of `lattice`; none where a factorisation would take longer than the networks that it serves.
    pub fn new(lattice: &Lattice) -> Option<Self> {
        if lattice.sites() > MOST_SITES {
            return None;
        }
        let sides: Vec<Side> =
            lattice.extents().iter().map(|&length| Side { start: 0, length, closed: length > 2 }).collect();
        let mut cuts = vec![];
        cut(lattice, &sides, &mut cuts);
        let mut place = vec![0; lattice.sites()];
        cuts.iter().flat_map(|(sites, _)| sites).enumerate().for_each(|(at, &site)| place[site] = at as u32);
        let mut found = Dissection { fronts: vec![], place, numbers: 0, waiting: 0 };
        found.couple(cuts, lattice)?;
        Some(found)
    }

    /// Where a factor has the number of the places `row` >= `column`, neighbours or the same.
    pub fn index(&self, row: usize, column: usize) -> usize {
        let front = &self.fronts[self.fronts.partition_point(|front| front.first + front.own <= column)];
        let within = front.position(row as u32);
        front.columns + (column - front.first) * front.stride + within
    }

    /// Finds the rows of every front.
    fn couple(&mut self, cuts: Vec<Cut>, lattice: &Lattice) -> Option<()> {
        let (neighbours, directions) = (lattice.neighbours(), 2 * lattice.rank());
        let (mut first, mut work, mut end) = (0, 0, 0);
        // Fronts that have not been handed on.
        let mut open: Vec<usize> = vec![];
        for (number, (sites, children)) in cuts.into_iter().enumerate() {
            let own = sites.len();
            let handed = open.split_off(open.len() - children);
            let next = sites.iter().flat_map(|&site| &neighbours[site * directions..(site + 1) * directions]);
            let next = next.map(|&site| self.place[site as usize]);
            let mut rows: Vec<u32> =
                next.chain(handed.iter().flat_map(|&c| self.fronts[c].rows.iter().copied())).collect();
            rows.retain(|&place| place as usize >= first + own);
            rows.sort_unstable();
            rows.dedup();
            let stride = whole(own + whole(rows.len()));
            let waits = handed.first().map_or(end, |&child| self.fronts[child].waits);
            let columns = self.numbers;
            let front =
                Front { first, own, rows, in_parent: vec![], children: handed, made: end, waits, columns, stride };
            for &child in &front.children {
                let in_parent = self.fronts[child].rows.iter().map(|&row| front.position(row) as u32).collect();
                self.fronts[child].in_parent = in_parent;
            }
            self.waiting = self.waiting.max(end + front.handed());
            end = waits + front.handed();
            self.numbers += stride * own;
            work += (front.size().pow(3) - front.rows.len().pow(3)) / 6;
            if work > MOST_WORK {
                return None;
            }
            first += own;
            self.fronts.push(front);
            open.push(number);
        }
        Some(())
    }
}

/// Appends the fronts of a box, children before parents; returns how many of them are left to be handed on.
fn cut(lattice: &Lattice, sides: &[Side], cuts: &mut Vec<Cut>) -> usize {
    let count: usize = sides.iter().map(|side| side.length).product();
    if count == 0 {
        return 0;
    }
    if count <= LEAF {
        cuts.push((sites(lattice, sides), 0));
        return 1;
    }
    let longest = |axis: &usize| (sides[*axis].length, sides[*axis].closed, sides.len() - axis);
    let axis = (0..sides.len()).max_by_key(longest).unwrap_or(0);
    let Side { start, length, closed } = sides[axis];
    let part = |start: usize, length: usize| {
        let mut part = sides.to_vec();
        part[axis] = Side { start, length, closed: false };
        part
    };
    let open = length - usize::from(closed);
    let middle = open / 2;
    let mut children = cut(lattice, &part(start, middle), cuts);
    children += cut(lattice, &part(start + middle + 1, open - middle - 1), cuts);
    let mut plane = sites(lattice, &part(start + middle, 1));
    if closed {
        plane.extend(sites(lattice, &part(start + open, 1)));
    }
    cuts.push((plane, children));
    1
}

/// All sites of a box.
fn sites(lattice: &Lattice, sides: &[Side]) -> Vec<usize> {
    let mut all = vec![vec![]];
    for side in sides {
        let longer = |x: Vec<usize>| (side.start..side.start + side.length).map(move |next| [&x[..], &[next]].concat());
        all = all.into_iter().flat_map(longer).collect();
    }
    all.iter().map(|x| lattice.index(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extents: &[usize]) -> Option<Dissection> {
        Dissection::new(&Lattice::new(extents).unwrap())
    }

    #[test]
    fn every_site_has_one_place_and_every_front_one_parent() {
        for extents in [vec![1], vec![2], vec![9, 1], vec![6, 7], vec![2, 2, 2, 2], vec![3, 4, 5]] {
            let found = of(&extents).unwrap();
            let mut places = found.place.clone();
            places.sort_unstable();
            assert!(places.iter().enumerate().all(|(index, &place)| index == place as usize), "{extents:?}");
            let handed: usize = found.fronts.iter().map(|front| front.children.len()).sum();
            assert_eq!(handed, found.fronts.len() - 1, "{extents:?}");
            assert!(found.fronts.last().unwrap().rows.is_empty());
        }
    }

    #[test]
    fn large_lattices_are_left_out() {
        assert!(of(&[128, 128]).is_some() && of(&[16, 16, 16]).is_some());
        assert!(of(&[512, 512]).is_none());
        assert!(of(&[1 << 20]).is_none());
    }
}
