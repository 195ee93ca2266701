//! The nearest of a few points, for many others: the same answer as point by point, eight of them at a time.

use std::array;

use pulp::{Arch, Simd, WithSimd};

use crate::oklab::{LANES, Lab, distance_squared};

/// Index of the nearest point, the first of several equally near ones.
pub(super) fn nearest(points: &[Lab], to: Lab) -> Option<usize> {
    let distances = points.iter().map(|point| distance_squared(*point, to));
    distances.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
}

/// For each of `all` what [`nearest`] says of `points`, 0 where there are none.
pub(super) fn nearest_of_each(points: &[Lab], all: &[Lab]) -> Vec<usize> {
    Arch::new().dispatch(Each { points, all })
}

struct Each<'a> {
    points: &'a [Lab],
    all: &'a [Lab],
}

impl WithSimd for Each<'_> {
    type Output = Vec<usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<usize> {
        // Filled up with points that are nobody's nearest.
        let lanes = |part: usize| -> Vec<[f32; LANES]> {
            let group = |points: &[Lab]| array::from_fn(|lane| points.get(lane).map_or(f32::INFINITY, |at| at[part]));
            self.points.chunks(LANES).map(group).collect()
        };
        let [l, a, b] = [lanes(0), lanes(1), lanes(2)];
        let first = |to: &Lab| -> usize {
            let (mut least, mut groups) = ([f32::INFINITY; LANES], [0u32; LANES]);
            for (group, ((l, a), b)) in (0u32..).zip(l.iter().zip(&a).zip(&b)) {
                let distance: [f32; LANES] = array::from_fn(|lane| distance_squared([l[lane], a[lane], b[lane]], *to));
                groups = array::from_fn(|lane| if distance[lane] < least[lane] { group } else { groups[lane] });
                least = array::from_fn(|lane| if distance[lane] < least[lane] { distance[lane] } else { least[lane] });
            }
            let index = |lane: usize| groups[lane] as usize * LANES + lane;
            let best = (0..LANES).min_by(|a, b| least[*a].total_cmp(&least[*b]).then(index(*a).cmp(&index(*b))));
            best.map_or(0, index)
        };
        self.all.iter().map(first).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_at_a_time_is_one_by_one() {
        let mut state = 3u32;
        let mut part = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Coarse, so that many lie equally near.
            f32::from((state >> 28) as u8) / 8.0 - 1.0
        };
        let mut points = |count: usize| -> Vec<Lab> { (0..count).map(|_| array::from_fn(|_| part())).collect() };
        let all = points(300);
        for count in [0, 1, 2, 7, 8, 9, 24, 65] {
            let points = points(count);
            let expected: Vec<_> = all.iter().map(|to| nearest(&points, *to).unwrap_or(0)).collect();
            assert_eq!(nearest_of_each(&points, &all), expected, "{count}");
        }
    }
}
