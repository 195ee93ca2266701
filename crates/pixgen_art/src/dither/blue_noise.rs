//! A blue-noise threshold matrix by void and cluster (Ulichney 1993), made once, on a torus.

use std::sync::OnceLock;

/// Edge of the matrix.
const EDGE: usize = 32;

/// Spread of a point's influence, in pixels; Ulichney's own choice.
const SIGMA: f32 = 1.5;

/// The threshold of a place, 0 to 1.
pub(super) fn threshold(x: u32, y: u32) -> f32 {
    static RANKS: OnceLock<Vec<u16>> = OnceLock::new();
    let ranks = RANKS.get_or_init(ranks);
    let place = (y as usize % EDGE) * EDGE + x as usize % EDGE;
    (f32::from(ranks[place]) + 0.5) / (EDGE * EDGE) as f32
}

/// Points on the torus, with the energy that they give every place.
struct Points {
    is_set: Vec<bool>,
    energy: Vec<f32>,
    /// Influence by distance in columns and rows.
    influence: Vec<f32>,
}

impl Points {
    fn new() -> Self {
        let along = |d: usize| d.min(EDGE - d) as f32;
        let influence = (0..EDGE * EDGE)
            .map(|i| (-(along(i % EDGE).powi(2) + along(i / EDGE).powi(2)) / (2.0 * SIGMA * SIGMA)).exp())
            .collect();
        Self { is_set: vec![false; EDGE * EDGE], energy: vec![0.0; EDGE * EDGE], influence }
    }

    fn put(&mut self, place: usize, is_set: bool) {
        self.is_set[place] = is_set;
        let sign = if is_set { 1.0 } else { -1.0 };
        let (x, y) = (place % EDGE, place / EDGE);
        for (other, energy) in self.energy.iter_mut().enumerate() {
            let (dx, dy) = ((other % EDGE).abs_diff(x), (other / EDGE).abs_diff(y));
            *energy += sign * self.influence[dy * EDGE + dx];
        }
    }

    /// The point with the most others around it.
    fn tightest_cluster(&self) -> usize {
        let set = (0..EDGE * EDGE).filter(|place| self.is_set[*place]);
        set.max_by(|a, b| self.energy[*a].total_cmp(&self.energy[*b]).then(b.cmp(a))).unwrap_or(0)
    }

    /// The free place with the fewest points around it.
    fn largest_void(&self) -> usize {
        let free = (0..EDGE * EDGE).filter(|place| !self.is_set[*place]);
        free.min_by(|a, b| self.energy[*a].total_cmp(&self.energy[*b]).then(a.cmp(b))).unwrap_or(0)
    }
}

fn ranks() -> Vec<u16> {
    let mut points = Points::new();
    // A tenth of the places, scattered by a fixed rule, then spread out.
    let start = EDGE * EDGE / 10;
    let mut state = 1u32;
    while points.is_set.iter().filter(|is_set| **is_set).count() < start {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let place = (state >> 16) as usize % (EDGE * EDGE);
        if !points.is_set[place] {
            points.put(place, true);
        }
    }
    for _ in 0..EDGE * EDGE {
        let cluster = points.tightest_cluster();
        points.put(cluster, false);
        let void = points.largest_void();
        points.put(void, true);
        if void == cluster {
            break;
        }
    }
    let mut ranks = vec![0u16; EDGE * EDGE];
    let prototype: Vec<usize> = (0..EDGE * EDGE).filter(|place| points.is_set[*place]).collect();
    for rank in (0..prototype.len()).rev() {
        let cluster = points.tightest_cluster();
        points.put(cluster, false);
        ranks[cluster] = rank as u16;
    }
    prototype.iter().for_each(|place| points.put(*place, true));
    for rank in prototype.len()..EDGE * EDGE {
        let void = points.largest_void();
        points.put(void, true);
        ranks[void] = rank as u16;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_is_there_once_and_neighbours_differ() {
        let mut all = ranks();
        let far = (0..EDGE * EDGE - 1).filter(|i| all[*i].abs_diff(all[i + 1]) > 100).count();
        // White noise would have 81 % of such neighbours, a blue one has more.
        assert!(far > EDGE * EDGE * 9 / 10, "{far}");
        all.sort_unstable();
        assert!(all.iter().enumerate().all(|(rank, value)| usize::from(*value) == rank));
    }
}
