//! Drawing of plots and planes with `plotters`. Everything is drawn at twice its size and shown at half: coordinates of the
//! backend are whole pixels, which print too coarsely.

use super::colours::{COLOURS, cells, colour, shade};
use super::coordinate::{Coordinate, clip};
use super::numbers::{round_step, significant, tick_label, ticks};
use super::plane::Plane;
use super::plot::{Plot, Series, Style, bar_width};
use crate::error::{Error, Result};
use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Size of a plot as drawn.
const SIZE: (u32, u32) = (1220, 740);
/// Font sizes: title; labels of axes and legend; numbers.
const TITLE: i32 = 40;
const LABEL: i32 = 35;
const NUMBER: i32 = 31;
/// Room for the numbers and the label of the vertical and the horizontal axis.
const LEFT: i32 = 150;
const BELOW: i32 = 100;
const MARGIN: i32 = 16;
/// Room for a sample in the legend, and width of a character relative to the font.
const SAMPLE: i32 = 46;
const CHARACTER: f64 = 0.45;
/// Room for the colour bar of a plane, and its width.
const BAR: (i32, i32) = (184, 32);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Coordinate, Coordinate>>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn tint(index: usize) -> RGBColor {
    let (r, g, b) = COLOURS[index % COLOURS.len()];
    RGBColor(r, g, b)
}

fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().into()
}

fn text_width(text: &str, size: i32) -> i32 {
    (text.chars().count() as f64 * CHARACTER * f64::from(size)) as i32
}

fn finish(title: &str, svg: String, size: (u32, u32), drawn: Drawn) -> Result<String> {
    drawn.map_err(|error| Error::Internal(format!("plot {title}: {error}")))?;
    let (width, height) = size;
    let header = format!("<svg width=\"{width}\" height=\"{height}\"");
    let shown = format!("<svg width=\"{}\" height=\"{}\"", width / 2, height / 2);
    Ok(svg.replacen(&header, &shown, 1))
}

/// The SVG of a plot; `None` without a point in it.
pub(super) fn plot(plot: &Plot) -> Result<Option<String>> {
    let Some([x, y]) = plot.ranges() else { return Ok(None) };
    let mut svg = String::new();
    let drawn = draw_plot(&mut svg, plot, x, y);
    finish(&plot.title, svg, SIZE, drawn).map(Some)
}

fn draw_plot(svg: &mut String, plot: &Plot, x: (f64, f64), y: (f64, f64)) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let samples = plot.series.iter().filter(|series| !series.label.is_empty() && !series.points.is_empty());
    let entries: Vec<Entry> = samples.map(|series| (series.label.as_str(), series.style, series.colour)).collect();
    let height = header(&root, &plot.title, &entries, SIZE.0 as i32)?;
    let (_, lower) = root.split_vertically(height);
    let axes = (Coordinate::new(x, plot.x.logarithmic), Coordinate::new(y, plot.y.logarithmic));
    let mut builder = ChartBuilder::on(&lower);
    builder.margin(MARGIN).margin_right(3 * MARGIN).x_label_area_size(BELOW).y_label_area_size(LEFT);
    let mut chart = builder.build_cartesian_2d(axes.0, axes.1)?;
    draw_axes(&mut chart, (&plot.x.label, &plot.y.label), (9, 8), true)?;
    let grey = BLACK.mix(0.55).stroke_width(2);
    let guides = plot.guides.iter().filter(|guide| axes.1.holds(**guide));
    let guides: Vec<_> = guides.map(|&g| PathElement::new(vec![(x.0, g), (x.1, g)], grey)).collect();
    chart.draw_series(guides)?;
    for &mark in plot.marks.iter().filter(|mark| axes.0.holds(**mark)) {
        chart.draw_series([DashedPathElement::new(vec![(mark, y.0), (mark, y.1)], 8, 8, grey)])?;
    }
    plot.series.iter().try_for_each(|series| draw_series(&mut chart, series, axes))?;
    root.present()?;
    Ok(())
}

/// Axes with their labels, at most so many numbers each, and lines across at the numbers if asked for.
fn draw_axes(chart: &mut Chart<'_, '_>, (x, y): (&str, &str), numbers: (usize, usize), lines: bool) -> Drawn {
    let mut mesh = chart.configure_mesh();
    mesh.x_labels(numbers.0).y_labels(numbers.1).light_line_style(TRANSPARENT).x_desc(x).y_desc(y);
    mesh.bold_line_style(if lines { BLACK.mix(0.10) } else { TRANSPARENT });
    mesh.axis_desc_style(font(LABEL)).label_style(font(NUMBER)).axis_style(BLACK.stroke_width(2));
    mesh.set_all_tick_mark_size(8).draw()?;
    Ok(())
}

/// Text, style and colour of a line of the legend.
type Entry<'a> = (&'a str, Style, usize);

/// Draws title and legend; returns their height.
fn header(
    root: &Area<'_>,
    title: &str,
    entries: &[Entry<'_>],
    width: i32,
) -> std::result::Result<i32, Box<dyn std::error::Error>> {
    let mut y = MARGIN;
    for line in wrapped(title, ((width - 2 * MARGIN) as f64 / (CHARACTER * f64::from(TITLE))) as usize) {
        root.draw(&Text::new(line, (2 * MARGIN, y), font(TITLE)))?;
        y += TITLE + 10;
    }
    let mut x = 2 * MARGIN;
    for &(label, style, colour) in entries {
        let room = SAMPLE + 14 + text_width(label, LABEL) + 22;
        if x > 2 * MARGIN && x + room > width {
            (x, y) = (2 * MARGIN, y + LABEL + 12);
        }
        sample(root, (x, y + LABEL / 2 + 2), style, colour)?;
        root.draw(&Text::new(label.to_string(), (x + SAMPLE + 14, y), font(LABEL)))?;
        x += room;
    }
    Ok(if entries.is_empty() { y } else { y + LABEL + 12 })
}

/// Words in lines of at most `most` characters.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => *line += &format!(" {word}"),
            _ => lines.push(word.into()),
        }
    }
    lines
}

fn sample(root: &Area<'_>, (x, y): (i32, i32), style: Style, colour: usize) -> Drawn {
    let (ink, middle) = (tint(colour), x + SAMPLE / 2);
    let ends = vec![(x, y), (x + SAMPLE, y)];
    match style {
        Style::Points => {
            root.draw(&PathElement::new(vec![(middle, y - 14), (middle, y + 14)], ink.stroke_width(3)))?;
            root.draw(&(EmptyElement::at((middle, y)) + mark(colour)))?;
        }
        Style::Line => root.draw(&PathElement::new(ends, ink.stroke_width(4)))?,
        Style::Dashed => root.draw(&DashedPathElement::new(ends, 12, 7, ink.stroke_width(4)))?,
        Style::Band => {
            root.draw(&Rectangle::new([(x, y - 10), (x + SAMPLE, y + 10)], ink.mix(0.25).filled()))?;
            root.draw(&PathElement::new(ends, ink.stroke_width(4)))?;
        }
        Style::Bars => {
            root.draw(&Rectangle::new([(x + 8, y - 12), (x + SAMPLE - 8, y + 12)], ink.mix(0.35).filled()))?
        }
        Style::Dots => root.draw(&Circle::new((middle, y), 6, ink.filled()))?,
    }
    Ok(())
}

/// The mark of a colour: shapes differ as well, for print without colours.
fn mark(colour: usize) -> Polygon<(i32, i32)> {
    let ring = |corners: usize, size: f64, turn: f64| {
        let angle = |corner: usize| (corner as f64 + turn) * std::f64::consts::TAU / corners as f64;
        let corner = |corner: usize| {
            ((size * libm::cos(angle(corner))).round() as i32, (size * libm::sin(angle(corner))).round() as i32)
        };
        (0..corners).map(corner).collect::<Vec<_>>()
    };
    let corners = match colour % COLOURS.len() {
        0 => ring(16, 8.0, 0.0),
        1 => ring(4, 10.0, 0.5),
        2 => ring(3, 11.0, 0.25),
        3 => ring(4, 11.0, 0.0),
        4 => ring(3, 11.0, 0.75),
        _ => ring(6, 9.0, 0.0),
    };
    Polygon::new(corners, tint(colour).filled())
}

fn draw_series(chart: &mut Chart<'_, '_>, series: &Series, (x, y): (Coordinate, Coordinate)) -> Drawn {
    let ink = tint(series.colour);
    let inside = |point: &&(f64, f64, f64)| x.holds(point.0) && y.holds(point.1);
    let places = || series.points.iter().map(|point| (point.0, point.1));
    let whiskers = |chart: &mut Chart<'_, '_>| -> Drawn {
        let bars = series.points.iter().filter(|point| x.holds(point.0) && point.2 > 0.0);
        for &(at, value, error) in bars {
            if let Some(ends) = y.overlap(value - error, value + error) {
                chart.draw_series([PathElement::new(vec![(at, ends.0), (at, ends.1)], ink.stroke_width(3))])?;
            }
        }
        Ok(())
    };
    match series.style {
        Style::Points => {
            whiskers(chart)?;
            let marks = series.points.iter().filter(inside);
            chart.draw_series(marks.map(|point| EmptyElement::at((point.0, point.1)) + mark(series.colour)))?;
        }
        Style::Line | Style::Band => {
            if series.style == Style::Band {
                band(chart, series, (x, y))?;
            }
            let pieces = clip(places(), x, y).into_iter();
            chart.draw_series(pieces.map(|piece| PathElement::new(piece, ink.stroke_width(3))))?;
        }
        Style::Dashed => {
            let pieces = clip(places(), x, y).into_iter();
            chart.draw_series(pieces.map(|piece| DashedPathElement::new(piece, 12, 7, ink.stroke_width(3))))?;
        }
        Style::Bars => {
            let half = 0.5 * bar_width(&series.points);
            let base = y.nearest(0.0);
            // One outline for all bars: rectangles beside each other would leave seams.
            let visible = series.points.iter().filter(|point| x.overlap(point.0 - half, point.0 + half).is_some());
            let tops = visible.flat_map(|point| {
                let top = y.nearest(point.1);
                [(x.nearest(point.0 - half), top), (x.nearest(point.0 + half), top)]
            });
            let mut outline: Vec<(f64, f64)> = tops.filter(|place| place.1.is_finite()).collect();
            if let (Some(&first), Some(&last)) = (outline.first(), outline.last()) {
                outline.extend([(last.0, base), (first.0, base)]);
                chart.draw_series([Polygon::new(outline, ink.mix(0.35).filled())])?;
            }
            whiskers(chart)?;
        }
        Style::Dots => {
            let dots = series.points.iter().filter(inside);
            chart.draw_series(dots.map(|point| Circle::new((point.0, point.1), 4, ink.mix(0.6).filled())))?;
        }
    }
    Ok(())
}

fn band(chart: &mut Chart<'_, '_>, series: &Series, (x, y): (Coordinate, Coordinate)) -> Drawn {
    let usable = |point: &(f64, f64, f64)| x.holds(point.0) && point.1.is_finite() && point.2.is_finite();
    for run in series.points.chunk_by(|a, b| usable(a) == usable(b)).filter(|run| run.len() > 1 && usable(&run[0])) {
        let upper = run.iter().map(|point| (point.0, y.nearest(point.1 + point.2)));
        let lower = run.iter().rev().map(|point| (point.0, y.nearest(point.1 - point.2)));
        chart.draw_series([Polygon::new(
            upper.chain(lower).collect::<Vec<_>>(),
            tint(series.colour).mix(0.25).filled(),
        )])?;
    }
    Ok(())
}

/// The SVG of a plane.
pub(super) fn plane(plane: &Plane) -> Result<String> {
    let aspect = ((plane.y.2 - plane.y.1) / (plane.x.2 - plane.x.1)).abs().clamp(0.7, 1.7);
    let bar = if plane.cells.is_some() { BAR.0 } else { 2 * MARGIN };
    let wide = 460;
    let mut entries: Vec<Entry> =
        plane.arrows.iter().map(|arrows| (arrows.label.as_str(), Style::Line, arrows.colour)).collect();
    let count = plane.arrows.len();
    entries.extend(plane.curves.iter().enumerate().map(|(n, (label, _))| (label.as_str(), Style::Line, count + n)));
    let count = count + plane.curves.len();
    entries.extend(plane.dots.iter().enumerate().map(|(n, (label, _))| (label.as_str(), Style::Dots, count + n)));
    entries.retain(|(label, ..)| !label.is_empty());
    let width = LEFT + wide + bar + 2 * MARGIN;
    let tall = (f64::from(wide) * aspect) as i32;
    // The height of the legend is known after it was drawn once.
    let mut trial = String::new();
    let root = SVGBackend::with_string(&mut trial, (width as u32, 2000)).into_drawing_area();
    let top =
        header(&root, &plane.title, &entries, width).map_err(|error| Error::Internal(format!("plane: {error}")))?;
    drop(root);
    let size = (width as u32, (top + tall + BELOW + 2 * MARGIN) as u32);
    let mut svg = String::new();
    let mut below = String::new();
    let drawn = draw_plane(&mut svg, plane, &entries, size, bar, &mut below);
    let svg = finish(&plane.title, svg, size, drawn)?;
    // Cells lie under all that plotters drew.
    Ok(match svg.split_once(">\n") {
        Some((header, rest)) => format!("{header}>\n{below}{rest}"),
        None => svg,
    })
}

fn draw_plane(
    svg: &mut String,
    plane: &Plane,
    entries: &[Entry<'_>],
    size: (u32, u32),
    bar: i32,
    below: &mut String,
) -> Drawn {
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    let top = header(&root, &plane.title, entries, size.0 as i32)?;
    let (_, lower) = root.split_vertically(top);
    let axes = (Coordinate::new((plane.x.1, plane.x.2), false), Coordinate::new((plane.y.1, plane.y.2), false));
    let mut builder = ChartBuilder::on(&lower);
    builder.margin(MARGIN).margin_right(bar + MARGIN).x_label_area_size(BELOW).y_label_area_size(LEFT);
    let mut chart = builder.build_cartesian_2d(axes.0, axes.1)?;
    let (across, down) = chart.plotting_area().get_pixel_range();
    draw_axes(&mut chart, (&plane.x.0, &plane.y.0), (6, 7), false)?;
    if let Some(shown) = &plane.cells {
        let largest = shown.values.iter().filter(|v| v.is_finite()).fold(0.0, |most: f64, v| most.max(v.abs()));
        let scale = largest.max(f64::MIN_POSITIVE);
        // From the top, as pixels go.
        let rows = shown.values.chunks(shown.columns.max(1)).rev();
        let values: Vec<f64> =
            rows.flatten().map(|value| if value.is_finite() { value / scale } else { 0.0 }).collect();
        let rows = (values.len() / shown.columns.max(1)).max(1);
        let cell = (
            f64::from(across.end - across.start) / shown.columns.max(1) as f64,
            f64::from(down.end - down.start) / rows as f64,
        );
        *below =
            cells(&values, shown.columns.max(1), (f64::from(across.start), f64::from(down.start)), cell, shown.signed);
        colour_bar(&root, (across.end + 2 * MARGIN, down.start, down.end), scale, shown.signed, &shown.label)?;
    }
    for (number, (_, places)) in plane.curves.iter().enumerate() {
        let ink = tint(plane.arrows.len() + number).stroke_width(3);
        let pieces = clip(places.iter().copied(), axes.0, axes.1).into_iter();
        chart.draw_series(pieces.map(|piece| PathElement::new(piece, ink)))?;
    }
    for (number, (_, places)) in plane.dots.iter().enumerate() {
        let ink = tint(plane.arrows.len() + plane.curves.len() + number).mix(0.6).filled();
        let inside = places.iter().filter(|place| axes.0.holds(place.0) && axes.1.holds(place.1));
        chart.draw_series(inside.map(|&place| Circle::new(place, 3, ink)))?;
    }
    for arrows in &plane.arrows {
        arrows.arrows.iter().try_for_each(|arrow| draw_arrow(&mut chart, *arrow, tint(arrows.colour), axes))?;
    }
    root.present()?;
    Ok(())
}

fn draw_arrow(
    chart: &mut Chart<'_, '_>,
    [x, y, dx, dy]: [f64; 4],
    ink: RGBColor,
    axes: (Coordinate, Coordinate),
) -> Drawn {
    let (tail, tip) = ((x, y), (x + dx, y + dy));
    let ends = [tail, tip].iter().all(|place| axes.0.holds(place.0) && axes.1.holds(place.1));
    if !ends {
        return Ok(());
    }
    let area = chart.plotting_area();
    let (from, to) = (area.map_coordinate(&tail), area.map_coordinate(&tip));
    let (u, v) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = u.hypot(v);
    chart.draw_series([PathElement::new(vec![tail, tip], ink.stroke_width(2))])?;
    if length > 4.0 {
        let head = (0.45 * length).clamp(5.0, 13.0) / length;
        let wing = |turn: f64| {
            let (sine, cosine) = libm::sincos(turn);
            ((-head * (u * cosine - v * sine)) as i32, (-head * (u * sine + v * cosine)) as i32)
        };
        let shape = Polygon::new(vec![(0, 0), wing(0.45), wing(-0.45)], ink.filled());
        chart.draw_series([EmptyElement::at(tip) + shape])?;
    }
    Ok(())
}

fn colour_bar(root: &Area<'_>, (x, top, bottom): (i32, i32, i32), scale: f64, signed: bool, label: &str) -> Drawn {
    let low = if signed { -1.0 } else { 0.0 };
    let place = |value: f64| bottom - ((value - low) / (1.0 - low) * f64::from(bottom - top)) as i32;
    const STEPS: i32 = 40;
    for step in 0..STEPS {
        let at = |step: i32| low + (1.0 - low) * f64::from(step) / f64::from(STEPS);
        let (r, g, b) = colour(shade(0.5 * (at(step) + at(step + 1)), signed), signed);
        root.draw(&Rectangle::new(
            [(x, place(at(step + 1))), (x + BAR.1, place(at(step)))],
            RGBColor(r, g, b).filled(),
        ))?;
    }
    root.draw(&Rectangle::new([(x, top), (x + BAR.1, bottom)], BLACK.mix(0.5)))?;
    let step = round_step(scale * (1.0 - low), 6);
    for tick in ticks((low * scale, scale), false, 6) {
        let anchor = font(NUMBER).pos(Pos::new(HPos::Left, VPos::Center));
        let text = if scale < 1e-3 { significant(tick, 3) } else { tick_label(tick, step) };
        root.draw(&Text::new(text, (x + BAR.1 + 8, place(tick / scale)), anchor))?;
    }
    let turned = ("sans-serif", LABEL).into_font().transform(FontTransform::Rotate90);
    let turned = TextStyle::from(turned).pos(Pos::new(HPos::Center, VPos::Bottom));
    root.draw(&Text::new(label.to_string(), (x + BAR.1 + 104, (top + bottom) / 2), turned))?;
    Ok(())
}
