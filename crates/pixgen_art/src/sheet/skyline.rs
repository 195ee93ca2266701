//! Rectangles laid close together: the skyline method, bottom-left rule (Jylänki 2010, "A Thousand Ways to Pack the
//! Bin").
//!
//! Written here and not taken from a crate because sheets are kept in version control: the same frames must lie in the
//! same places after every update of a dependency.

/// Widths of the sheet that are tried, from narrow to wide.
const WIDTHS: u32 = 24;

/// A stretch of the upper contour of what lies already.
#[derive(Clone, Copy, Debug)]
struct Ledge {
    x: u32,
    width: u32,
    /// The first free row above it.
    y: u32,
}

/// Where rectangles lie, and what they take together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Upper left corners, in the order of the rectangles.
    pub(super) corners: Vec<[u32; 2]>,
    /// Columns and rows.
    pub(super) size: [u32; 2],
}

/// Lays rectangles (columns, rows; at least 1 each) into the smallest sheet found whose edges are at most `max_edge`.
/// `None` if none of the sheets that are tried is small enough.
pub(super) fn tight(sizes: &[[u32; 2]], max_edge: u32) -> Option<Placed> {
    let widest = sizes.iter().map(|size| size[0]).max()?;
    let area: u64 = sizes.iter().map(|size| u64::from(size[0]) * u64::from(size[1])).sum();
    // From three fifths of the square's edge to twice of it.
    let edge = (area as f64).sqrt();
    let widths = (0..WIDTHS).map(|step| (edge * (0.6 + 1.4 * f64::from(step) / f64::from(WIDTHS - 1))).ceil() as u32);
    let mut widths: Vec<u32> = widths.map(|width| width.clamp(widest, max_edge.max(widest))).collect();
    widths.dedup();
    let placed = widths.into_iter().map(|width| place(sizes, width));
    // The smallest area; of equal ones the nearest to a square, then the narrowest.
    placed.filter(|placed| placed.size.iter().all(|edge| *edge <= max_edge)).min_by_key(|placed| {
        let [width, height] = placed.size;
        (u64::from(width) * u64::from(height), width.abs_diff(height), width)
    })
}

/// Lays rectangles into a sheet of a given width, at least that of the widest, as low as they lie.
fn place(sizes: &[[u32; 2]], width: u32) -> Placed {
    // High ones first: what is low fits into the gaps. Equal ones in their order.
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse((sizes[*index][1], sizes[*index][0])));
    let mut skyline = vec![Ledge { x: 0, width, y: 0 }];
    let mut placed = Placed { corners: vec![[0, 0]; sizes.len()], size: [0, 0] };
    for index in order {
        let size = sizes[index];
        let fits =
            (0..skyline.len()).filter_map(|first| Some((rest(&skyline, first, size[0], width)?, skyline[first].x)));
        // The one whose upper edge would be lowest, then the leftmost.
        let Some((y, x)) = fits.min() else { continue };
        placed.corners[index] = [x, y];
        placed.size = [placed.size[0].max(x + size[0]), placed.size[1].max(y.saturating_add(size[1]))];
        raise(&mut skyline, Ledge { x, width: size[0], y: y.saturating_add(size[1]) });
    }
    placed
}

/// The row in which a rectangle rests when it begins with a ledge; `None` if it would stick out.
fn rest(skyline: &[Ledge], first: usize, columns: u32, width: u32) -> Option<u32> {
    let end = skyline[first].x.checked_add(columns).filter(|end| *end <= width)?;
    skyline[first..].iter().take_while(|ledge| ledge.x < end).map(|ledge| ledge.y).max()
}

/// Puts a new ledge over those below it.
fn raise(skyline: &mut Vec<Ledge>, new: Ledge) {
    let end = new.x + new.width;
    let mut raised = Vec::with_capacity(skyline.len() + 2);
    for ledge in skyline.iter().filter(|ledge| ledge.x < new.x) {
        raised.push(Ledge { width: ledge.width.min(new.x - ledge.x), ..*ledge });
    }
    raised.push(new);
    for ledge in skyline.iter().filter(|ledge| ledge.x + ledge.width > end) {
        let x = ledge.x.max(end);
        raised.push(Ledge { x, width: ledge.x + ledge.width - x, ..*ledge });
    }
    *skyline = raised;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_that_fill_a_square_do() {
        let placed = tight(&[[8, 8]; 16], 16_384).unwrap();
        assert_eq!(placed.size, [32, 32]);
        assert_eq!(placed.corners[..3], [[0, 0], [8, 0], [16, 0]]);
    }

    #[test]
    fn small_ones_go_beside_a_large_one() {
        let placed = tight(&[[4, 4], [4, 4], [12, 12], [4, 4], [12, 4]], 16_384).unwrap();
        assert_eq!(placed.size, [12, 20], "{placed:?}");
    }

    #[test]
    fn what_does_not_fit_is_not_placed() {
        assert_eq!(tight(&[], 100), None);
        assert_eq!(tight(&[[60, 60], [60, 60], [60, 60], [60, 60]], 100), None);
        assert_eq!(tight(&[[101, 1]], 100), None);
        assert_eq!(tight(&[[100, 100]], 100).map(|placed| placed.size), Some([100, 100]));
    }
}
