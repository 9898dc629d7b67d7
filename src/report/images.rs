//! Fields as images beside each other.

use super::colours::{cells, colour};
use super::html::escape;
use super::numbers::significant;
use super::plane::Images;
use std::fmt::Write;

/// Size of an image, gap, heights of title and labels, and the width of the colour bar with its numbers.
const SIDE: f64 = 130.0;
const GAP: f64 = 10.0;
const TITLE: f64 = 26.0;
const LABEL: f64 = 20.0;
const BAR: f64 = 76.0;
/// Images of a row.
const ROW: usize = 7;

/// The SVG element of `images`, which has at least one.
pub(super) fn draw(images: &Images) -> String {
    let longest = images.frames.iter().map(|(_, field)| field.len()).max().unwrap_or(1);
    let rows = longest.div_ceil(images.width);
    // Whole pixels of the largest extent look best; a chain of one row is a band.
    let cell = SIDE / images.width.max(rows) as f64;
    let (side, tall) = (cell * images.width as f64, (cell * rows as f64).max(8.0));
    let per_row = images.frames.len().min(ROW);
    let lines = images.frames.len().div_ceil(ROW);
    let (width, height) = (per_row as f64 * (side + GAP) + BAR, TITLE + lines as f64 * (tall + LABEL + GAP));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} \
         {height:.0}\" font-family=\"sans-serif\">\n<text x=\"0\" y=\"16\" font-size=\"15\">{}</text>\n",
        escape(&images.title)
    );
    for (index, (label, field)) in images.frames.iter().enumerate() {
        let x = (index % ROW) as f64 * (side + GAP);
        let y = TITLE + (index / ROW) as f64 * (tall + LABEL + GAP);
        let scale = images.scale.unwrap_or_else(|| own_scale(field));
        let values: Vec<f64> = field.iter().map(|value| value / scale).collect();
        let size = (cell, tall / rows as f64);
        svg += &cells(&values, images.width, (x, y), size, true);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{side:.1}\" height=\"{tall:.1}\" fill=\"none\" stroke=\"#888\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" text-anchor=\"middle\">{}</text>",
            x + 0.5 * side,
            y + tall + 15.0,
            escape(label)
        );
    }
    bar(&mut svg, images, (per_row as f64 * (side + GAP), TITLE, tall.max(90.0).min(height - TITLE - LABEL)));
    svg + "</svg>\n"
}

/// Full colour of an image by itself: twice its root mean square.
fn own_scale(field: &[f64]) -> f64 {
    let square = field.iter().map(|x| x * x).sum::<f64>() / field.len().max(1) as f64;
    (2.0 * square.sqrt()).max(f64::MIN_POSITIVE)
}

fn bar(svg: &mut String, images: &Images, (x, y, tall): (f64, f64, f64)) {
    const STEPS: i32 = 20;
    let step = tall / f64::from(2 * STEPS + 1);
    for index in -STEPS..=STEPS {
        let (r, g, b) = colour(2 * index, true);
        let top = y + step * f64::from(STEPS - index);
        let height = step + 0.3;
        let _ = write!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{top:.2}\" width=\"12\" height=\"{height:.2}\" fill=\"#{r:02x}{g:02x}{b:02x}\"/>"
        );
    }
    let (most, least) = match images.scale {
        Some(scale) => (significant(scale, 3), format!("\u{2212}{}", significant(scale, 3))),
        None => ("2 rms".into(), "\u{2212}2 rms".into()),
    };
    for (text, place) in [(most, y + 9.0), ("0".into(), y + 0.5 * tall + 4.0), (least, y + tall)] {
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{place:.1}\" font-size=\"11\">{text}</text>", x + 16.0);
    }
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"12\">{}</text>",
        y + tall + 15.0,
        escape(&images.label)
    );
}
