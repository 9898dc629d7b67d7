//! Colours of plots and of the cells of pictures.

/// Colours that can be told apart without red and green, and in grey (Okabe and Ito).
pub(super) const COLOURS: [(u8, u8, u8); 6] =
    [(0, 0, 0), (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (128, 128, 128)];
/// Shades that cells are rounded to: each is one path of a picture, however many cells it has.
const SHADES: f64 = 40.0;

/// The shade of `value` in units of full colour, -1 to 1 (0 to 1 when not `signed`).
pub(super) fn shade(value: f64, signed: bool) -> i32 {
    (value.clamp(if signed { -1.0 } else { 0.0 }, 1.0) * SHADES).round() as i32
}

/// Blue below 0, white at 0, orange above; without sign from white to dark blue.
pub(super) fn colour(shade: i32, signed: bool) -> (u8, u8, u8) {
    let full = match (signed, shade < 0) {
        (false, _) => (8, 48, 107),
        (true, true) => COLOURS[1],
        (true, false) => COLOURS[2],
    };
    let amount = f64::from(shade.abs()) / SHADES;
    let mix = |full: u8| (255.0 - (255.0 - f64::from(full)) * amount) as u8;
    (mix(full.0), mix(full.1), mix(full.2))
}

/// SVG paths of cells: `values` (in units of full colour) row by row from the top, `columns` a row, in the rectangle that
/// begins at `corner` with cells of size `cell`.
pub(super) fn cells(values: &[f64], columns: usize, corner: (f64, f64), cell: (f64, f64), signed: bool) -> String {
    use std::fmt::Write;
    let mut paths = std::collections::BTreeMap::<i32, String>::new();
    for (row, line) in values.chunks(columns).enumerate() {
        let shades: Vec<i32> = line.iter().map(|&value| shade(value, signed)).collect();
        let mut column = 0;
        for run in shades.chunk_by(|a, b| a == b) {
            // Neighbours of one shade are one piece.
            let (x, y) = (corner.0 + cell.0 * column as f64, corner.1 + cell.1 * row as f64);
            let (width, height) = (cell.0 * run.len() as f64, cell.1);
            if run[0] != 0 {
                let path = paths.entry(run[0]).or_default();
                let _ = write!(path, "M{x:.2} {y:.2}h{width:.2}v{height:.2}h-{width:.2}z");
            }
            column += run.len();
        }
    }
    let mut svg = String::from("<g shape-rendering=\"crispEdges\">");
    for (shade, path) in paths {
        let (r, g, b) = colour(shade, signed);
        let _ = write!(svg, "<path fill=\"#{r:02x}{g:02x}{b:02x}\" d=\"{path}\"/>");
    }
    svg + "</g>\n"
}
