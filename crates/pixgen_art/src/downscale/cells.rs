//! Which pixels of a picture make one pixel of the sprite.

use std::ops::Range;

use image::{Rgba, RgbaImage};

use crate::restore::{Axis, Grid};

/// The columns and rows of cells, from left to right and from top to bottom. No cell is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    x: Vec<Range<u32>>,
    y: Vec<Range<u32>>,
}

impl Cells {
    /// Cells with an edge of `factor` pixels, from the upper left corner. Whole factors may cut the last cells; with
    /// others the picture holds the nearest whole number of cells. A factor below 1, or no number, counts as 1.
    #[must_use]
    pub fn by_factor((width, height): (u32, u32), factor: f32) -> Self {
        let factor = if factor >= 1.0 { factor } else { 1.0 };
        let axis = |edge: u32| {
            if factor.fract() == 0.0 {
                let step = factor as u32;
                let cells = 0..edge.div_ceil(step);
                cells.map(|cell| cell * step..cell.saturating_add(1).saturating_mul(step).min(edge)).collect()
            } else {
                even(edge, (f64::from(edge) / f64::from(factor)).round() as u32)
            }
        };
        Self { x: axis(width), y: axis(height) }
    }

    /// Exactly this many columns and rows, as even as pixels allow; at least one of each, and no more than pixels.
    #[must_use]
    pub fn by_size((width, height): (u32, u32), (columns, rows): (u32, u32)) -> Self {
        Self { x: even(width, columns), y: even(height, rows) }
    }

    /// The cells of a grid that was found in a picture.
    #[must_use]
    pub fn of_grid(grid: &Grid) -> Self {
        Self { x: along(&grid.x), y: along(&grid.y) }
    }

    /// Number of columns and rows.
    #[must_use]
    pub fn dimensions(&self) -> (u32, u32) {
        (self.x.len() as u32, self.y.len() as u32)
    }

    /// Pixel columns of every column of cells.
    pub(crate) fn columns(&self) -> &[Range<u32>] {
        &self.x
    }

    /// Pixel rows of every row of cells.
    pub(crate) fn rows(&self) -> &[Range<u32>] {
        &self.y
    }

    /// The same cells where the picture ends earlier than the cells do.
    pub(crate) fn within(&self, image: &RgbaImage) -> Self {
        let cut = |ranges: &[Range<u32>], edge: u32| {
            let cut = |range: &Range<u32>| range.start.min(edge.saturating_sub(1))..range.end.min(edge);
            if edge == 0 { Vec::new() } else { ranges.iter().map(cut).collect() }
        };
        Self { x: cut(&self.x, image.width()), y: cut(&self.y, image.height()) }
    }

    /// The sprite whose pixels are chosen by `choose` from the columns and rows of each cell.
    pub(crate) fn map(
        &self,
        image: &RgbaImage,
        mut choose: impl FnMut(Range<u32>, Range<u32>) -> Rgba<u8>,
    ) -> RgbaImage {
        let Self { x, y } = self.within(image);
        RgbaImage::from_fn(x.len() as u32, y.len() as u32, |column, row| {
            choose(x[column as usize].clone(), y[row as usize].clone())
        })
    }
}

/// `cells` ranges over `edge` pixels, as even as pixels allow.
fn even(edge: u32, cells: u32) -> Vec<Range<u32>> {
    let cells = u64::from(cells.clamp(1, edge.max(1)));
    let bound = |cell: u64| ((2 * cell * u64::from(edge) + cells) / (2 * cells)) as u32;
    if edge == 0 { Vec::new() } else { (0..cells).map(|cell| bound(cell)..bound(cell + 1)).collect() }
}

/// The pixels whose centres lie in each cell; a cell without any takes the pixel at its place.
fn along(axis: &Axis) -> Vec<Range<u32>> {
    let pixels = axis.coordinates.len() as u32;
    let first_from = |cell: u32| axis.coordinates.partition_point(|at| at.floor() < cell as f32) as u32;
    let last = pixels.saturating_sub(1);
    let range = |cell: u32| {
        let start = first_from(cell).min(last);
        start..first_from(cell + 1).clamp(start + 1, pixels.max(start + 1))
    };
    if pixels == 0 { Vec::new() } else { (0..axis.cells).map(range).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_and_leave_no_pixel_out() {
        for edge in 1..60 {
            for count in 1..=edge {
                let cells = Cells::by_size((edge, edge), (count, 1));
                assert_eq!(cells.dimensions(), (count, 1));
                assert_eq!((cells.x[0].start, cells.x[count as usize - 1].end), (0, edge));
                assert!(cells.x.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[0].is_empty()));
            }
        }
        assert_eq!(Cells::by_size((3, 3), (0, 9)).dimensions(), (1, 3));
    }

    #[test]
    fn factors_give_the_number_of_cells_that_fits() {
        let count = |edge, factor| Cells::by_factor((edge, edge), factor).dimensions().0;
        assert_eq!([count(1024, 8.0), count(1025, 8.0), count(1000, 3.33), count(100, 1.5)], [128, 129, 300, 67]);
        assert_eq!([count(7, f32::NAN), count(7, -2.0), count(7, f32::MAX)], [7, 7, 1]);
    }
}
