//! Figures that several experiments draw.

use stoq::analysis::FlowPoint;
use stoq::report::{Figure, Observable, Plane, Plot, Row, Table};

/// Superscripts and subscripts of orders.
fn kappa(order: usize) -> String {
    format!("\u{3ba}{}", char::from_u32(0x2080 + order as u32).unwrap_or('?'))
}

/// Cumulants of some orders against time along the forward process (marks) and the backward process (bands), with what they must
/// be (dashed); an order a panel, shown up to the time at which noise hides it.
pub fn cumulants(name: &str, scheme: &str, forward: &[FlowPoint], backward: &[FlowPoint], orders: &[usize]) -> Figure {
    let caption = format!(
        "{scheme}: cumulants of the field along the forward process (marks) and the backward process (bands: one standard error); \
         dashed: \u{3ba}\u{2099}(0) f(t)\u{207f}, and f(t)\u{b2} \u{3ba}\u{2082}(0) + \u{39e}(t) for the second."
    );
    let figure = Figure::new(name, caption);
    orders.iter().fold(figure, |figure, &order| figure.panel(one_order(scheme, forward, backward, order)))
}

fn one_order(scheme: &str, forward: &[FlowPoint], backward: &[FlowPoint], order: usize) -> Plot {
    let all = || forward.iter().chain(backward);
    let largest = all().map(|point| point.expected[order - 1].0.abs()).fold(f64::MIN_POSITIVE, f64::max);
    let hidden = |point: &&FlowPoint| order > 2 && point.found.cumulants[order - 1].error > 0.5 * largest;
    let end = all().filter(hidden).map(|point| point.time).fold(f64::INFINITY, f64::min);
    // As far as the forward process is followed: beyond, all is noise.
    let last = forward.iter().map(|point| point.time).fold(0.0, f64::max);
    let end = match order {
        2 => last,
        _ => all().map(|point| point.time).filter(|time| *time <= end.min(last)).fold(0.0, f64::max),
    };
    let shown = |points: &[FlowPoint]| {
        let within = points.iter().filter(|point| point.time <= end * 1.0001);
        let estimate = |point: &FlowPoint| {
            let found = &point.found.cumulants[order - 1];
            (point.time, found.value, found.error)
        };
        within.map(estimate).collect::<Vec<_>>()
    };
    let mut exact: Vec<(f64, f64)> = all().map(|point| (point.time, point.expected[order - 1].0)).collect();
    exact.sort_by(|a, b| a.0.total_cmp(&b.0));
    let plot = Plot::new(format!("{scheme}: {}", kappa(order)), "t", format!("{}(t)", kappa(order)));
    let plot = plot.band("backward", shown(backward)).coloured(1);
    let plot = plot.points("forward", shown(forward)).coloured(2);
    let plot = plot.dashed("exact", exact).coloured(0).x_range(0.0, end);
    let most = forward.iter().map(|point| point.expected[1].0 / forward[0].expected[1].0).fold(0.0, f64::max);
    match order {
        2 if most > 10.0 => plot.log_y(),
        2 => plot,
        _ => {
            let ends = all().filter(|point| point.time <= end * 1.0001).map(|point| point.expected[order - 1].0);
            let (low, high) = ends.fold((0.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
            let room = 0.6 * (high - low).max(f64::MIN_POSITIVE);
            plot.y_range(low - room, high + room)
        }
    }
}

/// z of the cumulants along both processes at a handful of times; points along a backward path are strongly correlated.
pub fn cumulant_table(scheme: &str, forward: &[FlowPoint], backward: &[FlowPoint], orders: &[usize]) -> Table {
    const TIMES: usize = 6;
    let title =
        format!("{scheme}: cumulants along the process, found(error) [z against f(t)^n kappa_n(0), + Xi(t) for n = 2]");
    let mut table = Table::wide(title);
    let end = forward.iter().map(|point| point.time).fold(0.0, f64::max);
    for (process, points) in [("forward", forward), ("backward", backward)] {
        let within: Vec<&FlowPoint> = points.iter().filter(|point| point.time <= end * 1.0001).collect();
        let chosen = (0..TIMES).map(|i| i * (within.len().saturating_sub(1)) / (TIMES - 1));
        for point in chosen.filter_map(|index| within.get(index)) {
            let time = (1e4 * point.time).round() / 1e4;
            let row = Row::new().label("scheme", scheme).label("process", process).label("t", time);
            let row = orders.iter().fold(row, |row, &order| {
                let (found, (exact, error)) = (&point.found.cumulants[order - 1], point.expected[order - 1]);
                let found = Observable::new(format!("kappa{order}"), found.value, found.error);
                row.with(found.reference(exact, error).with_z(point.z_value(order)).uncounted())
            });
            table = table.row(row);
        }
    }
    table
}

/// Bars of a histogram of independent values as a density: centre, height, error.
pub fn density(values: impl IntoIterator<Item = f64>, (low, high): (f64, f64), bars: usize) -> Vec<(f64, f64, f64)> {
    let (width, mut counts, mut total) = ((high - low) / bars as f64, vec![0u64; bars], 0u64);
    for value in values {
        total += 1;
        if (low..high).contains(&value) {
            counts[(((value - low) / width) as usize).min(bars - 1)] += 1;
        }
    }
    let scale = 1.0 / (total.max(1) as f64 * width);
    let bar = |(index, &count): (usize, &u64)| {
        let count = count as f64;
        (low + width * (index as f64 + 0.5), count * scale, count.sqrt() * scale)
    };
    counts.iter().enumerate().map(bar).collect()
}

/// The density of places in the plane on `columns` x `rows` cells, in the order of [`Plane::cells`].
pub fn density_cells(places: &[(f64, f64)], plane: &Plane, columns: usize, rows: usize) -> Vec<f64> {
    let (x, y) = ((plane.x.1, plane.x.2), (plane.y.1, plane.y.2));
    let mut counts = vec![0.0; columns * rows];
    for &(px, py) in places {
        let (u, v) = ((px - x.0) / (x.1 - x.0), (py - y.0) / (y.1 - y.0));
        if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
            counts[(v * rows as f64) as usize * columns + (u * columns as f64) as usize] += 1.0;
        }
    }
    let cell = (x.1 - x.0) / columns as f64 * (y.1 - y.0) / rows as f64;
    counts.iter().map(|count| count / (places.len().max(1) as f64 * cell)).collect()
}
