//! Pictures for people: many sprites on one, enlarged by whole numbers, with labels.

pub(crate) mod text;

use image::{Rgba, RgbaImage, imageops};
use pixgen_art::MAX_EDGE_PX;
use pixgen_art::scale::enlarge;

use text::{LETTER_PX, LINE_PX, wrapped};

/// Ground of the pictures.
const GROUND: Rgba<u8> = Rgba([32, 32, 40, 255]);
/// The two greys of the checkerboard behind transparent pixels.
const CHECKERS: [Rgba<u8>; 2] = [Rgba([70, 70, 80, 255]), Rgba([84, 84, 95, 255])];
/// Colour of the labels.
const INK: Rgba<u8> = Rgba([225, 225, 230, 255]);
/// Free pixels around every cell.
const GAP_PX: u32 = 6;
/// Edge that cells are enlarged to, in pixels, if a whole number gets there.
const CELL_PX: u32 = 96;
/// Most lines of a label.
const LABEL_LINES: usize = 3;
/// Most cells on one picture: 2,000 of them are 12,000 px high.
pub(crate) const MAX_CELLS: usize = 2_000;
/// Most columns of a picture without rows of its own.
const MAX_COLUMNS: usize = 20;

/// A sprite with its label. `None` in a place where there is none.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// The sprite.
    pub(crate) sprite: Option<RgbaImage>,
    /// Text below it.
    pub(crate) label: String,
}

/// Cells row by row, each column as wide as the widest sprite.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    /// The cells, row by row.
    pub(crate) cells: Vec<Cell>,
    /// Cells in a row.
    pub(crate) columns: usize,
    /// Labels above the columns; may be empty.
    pub(crate) column_labels: Vec<String>,
    /// Labels left of the rows; may be empty.
    pub(crate) row_labels: Vec<String>,
}

/// How a grid lies, known before its sprites are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// How many times sprites are enlarged.
    factor: u32,
    /// Edge of a cell in pixels.
    edge: u32,
    /// From a cell to the next one, right and down.
    step: [u32; 2],
    /// What the labels left and above take.
    margin: [u32; 2],
}

impl Layout {
    /// For sprites of at most `widest` pixels; whether there are labels below cells, above columns, left of rows.
    fn new(widest: u32, [below, above, left]: [bool; 3]) -> Self {
        let widest = widest.max(1);
        // Rounded: 64 px sprites are shown twice as large, in cells of 128.
        let factor = (CELL_PX.saturating_add(widest / 2) / widest).max(1);
        let edge = widest.saturating_mul(factor).max(CELL_PX);
        let label_px = LABEL_LINES as u32 * LINE_PX;
        let wide = edge.saturating_add(GAP_PX);
        Self {
            factor,
            edge,
            step: [wide, if below { wide.saturating_add(label_px) } else { wide }],
            margin: [if left { wide } else { 0 }, if above { label_px + GAP_PX } else { 0 }],
        }
    }

    /// The picture's size for so many columns and rows.
    fn size(self, cells: [usize; 2]) -> anyhow::Result<[u32; 2]> {
        let px = |axis: usize| {
            let px = cells[axis] as u64 * u64::from(self.step[axis]) + u64::from(self.margin[axis]) + u64::from(GAP_PX);
            let fits = u32::try_from(px).ok().filter(|px| *px <= MAX_EDGE_PX);
            fits.ok_or_else(|| {
                let most = self.most(axis);
                let (found, what) = (cells[axis], ["columns", "rows"][axis]);
                anyhow::anyhow!("the picture of all sprites would be {px} px long: {found} {what}, at most {most} fit")
            })
        };
        Ok([px(0)?, px(1)?])
    }

    /// Most columns or rows that fit onto a picture.
    fn most(self, axis: usize) -> usize {
        (MAX_EDGE_PX.saturating_sub(self.margin[axis] + GAP_PX) / self.step[axis]) as usize
    }
}

/// Whether a labelled table of columns and rows with sprites of so many pixels can be drawn.
///
/// # Errors
/// When the picture would be larger than 16,384 px.
pub(crate) fn check_table(columns: usize, rows: usize, widest: u32) -> anyhow::Result<()> {
    Layout::new(widest, [false, true, true]).size([columns, rows]).map(|_| ())
}

/// Most labelled sprites of so many pixels that [`Grid::square`] can show.
pub(crate) fn most_cells(widest: u32) -> usize {
    most_cells_in(MAX_COLUMNS, widest)
}

/// Most labelled sprites of so many pixels in at most so many columns.
pub(crate) fn most_cells_in(columns: usize, widest: u32) -> usize {
    let layout = Layout::new(widest, [true, false, false]);
    (layout.most(0).min(columns) * layout.most(1)).min(MAX_CELLS)
}

impl Grid {
    /// Cells in about as many rows as columns, a little wider than high.
    pub(crate) fn square(cells: Vec<Cell>) -> Self {
        let widest = widest(&cells);
        let most = Layout::new(widest, [true, false, false]).most(0).clamp(1, MAX_COLUMNS);
        let columns = ((cells.len() as f64 * 1.5).sqrt().ceil() as usize).clamp(1, most);
        Self { cells, columns, ..Self::default() }
    }

    /// Draws the grid. More than 2,000 cells are not drawn; the caller is told how many were left out.
    ///
    /// # Errors
    /// When the picture would be larger than 16,384 px.
    pub(crate) fn draw(&self) -> anyhow::Result<(RgbaImage, usize)> {
        let shown = self.cells.len().min(MAX_CELLS);
        let cells = &self.cells[..shown];
        let has_labels = cells.iter().any(|cell| !cell.label.is_empty());
        let layout =
            Layout::new(widest(cells), [has_labels, !self.column_labels.is_empty(), !self.row_labels.is_empty()]);
        let Layout { factor, edge, step: [step_x, step_y], margin: [side_px, head_px] } = layout;
        let letters = (edge / LETTER_PX) as usize;
        let columns = self.columns.clamp(1, shown.max(1));
        let [width, height] = layout.size([columns, shown.div_ceil(columns)])?;
        let mut picture = RgbaImage::from_pixel(width, height, GROUND);
        let lines = |picture: &mut RgbaImage, x: u32, y: u32, text: &str| {
            for (line, text) in (0u32..).zip(wrapped(text, letters, LABEL_LINES)) {
                text::write(picture, x, y + line * LINE_PX, &text, INK);
            }
        };
        for (column, label) in (0u32..).zip(&self.column_labels) {
            lines(&mut picture, side_px + GAP_PX + column * step_x, GAP_PX, label);
        }
        for (row, label) in (0u32..).zip(&self.row_labels) {
            lines(&mut picture, GAP_PX, head_px + GAP_PX + row * step_y, label);
        }
        for (index, cell) in cells.iter().enumerate() {
            let x = side_px + GAP_PX + (index % columns) as u32 * step_x;
            let y = head_px + GAP_PX + (index / columns) as u32 * step_y;
            match &cell.sprite {
                Some(sprite) => {
                    checkered(&mut picture, x, y, sprite.width() * factor, sprite.height() * factor, factor);
                    imageops::overlay(&mut picture, &enlarge(sprite, factor)?, x.into(), y.into());
                }
                None => text::write(&mut picture, x, y, "missing", INK),
            }
            lines(&mut picture, x, y + edge + 2, &cell.label);
        }
        Ok((picture, self.cells.len() - shown))
    }
}

/// The longest edge of all sprites.
fn widest(cells: &[Cell]) -> u32 {
    let sprites = cells.iter().filter_map(|cell| cell.sprite.as_ref());
    sprites.map(|sprite| sprite.width().max(sprite.height())).max().unwrap_or(CELL_PX)
}

/// Paints a checkerboard with squares of four sprite pixels.
fn checkered(picture: &mut RgbaImage, left: u32, top: u32, width: u32, height: u32, factor: u32) {
    let square = 4 * factor;
    for y in 0..height {
        for x in 0..width {
            if let Some(pixel) = picture.get_pixel_mut_checked(left + x, top + y) {
                *pixel = CHECKERS[((x / square + y / square) % 2) as usize];
            }
        }
    }
}

/// A picture as the bytes of a PNG.
///
/// # Errors
/// When it cannot be encoded.
pub(crate) fn png(image: &RgbaImage) -> anyhow::Result<Vec<u8>> {
    crate::png_text::encode(image, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sprites_stand_enlarged_on_a_checkerboard() {
        let sprite = RgbaImage::from_fn(16, 16, |x, _| if x < 8 { Rgba([255, 0, 0, 255]) } else { Rgba([0; 4]) });
        let cells = vec![Cell { sprite: Some(sprite), label: "a red half".into() }; 5];
        let (picture, left_out) = Grid::square(cells).draw().unwrap();
        assert_eq!((left_out, picture.dimensions()), (0, (3 * 102 + 6, 2 * 132 + 6)));
        assert_eq!(picture.get_pixel(6, 6), &Rgba([255, 0, 0, 255]));
        assert!(CHECKERS.contains(picture.get_pixel(6 + 60, 6)));
        assert_eq!(picture.get_pixel(0, 0), &GROUND);
    }

    #[test]
    fn thousands_are_cut_and_nothing_is_a_small_picture() {
        let cell = Cell { sprite: Some(RgbaImage::new(8, 8)), label: String::new() };
        let (_, left_out) = Grid::square(vec![cell; 2_003]).draw().unwrap();
        assert_eq!(left_out, 3);
        assert!(Grid::square(Vec::new()).draw().is_ok());
        let huge = Cell { sprite: Some(RgbaImage::new(9_000, 4)), label: String::new() };
        assert!(Grid { cells: vec![huge; 2], columns: 2, ..Grid::default() }.draw().is_err());
    }

    #[test]
    fn what_fits_is_known_before_it_is_drawn() {
        for widest in [16, 100, 512, 4_096, pixgen_art::MAX_EDGE_PX] {
            let most = most_cells(widest);
            let layout = Layout::new(widest, [true, false, false]);
            let columns = layout.most(0).min(MAX_COLUMNS);
            assert!(most == 0 || layout.size([columns, most.div_ceil(columns)]).is_ok(), "{widest}: {most}");
        }
        // 500 sprites of 512 px are more than a picture holds, and 2,000 of 16 px are not.
        assert_eq!((most_cells(16), most_cells(512)), (MAX_CELLS, 580));
        assert!(check_table(3, 160, 32).is_ok());
        let error = check_table(2, 400, 64).unwrap_err().to_string();
        assert!(error.contains("400 rows, at most 121 fit"), "{error}");
    }
}
