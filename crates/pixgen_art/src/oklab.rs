//! Colours as the eye compares them: OKLab (Björn Ottosson 2020) under a little room light.

use palette::{IntoColor, LinSrgb, Oklab, Srgb};

/// Light that falls on every screen and is added to both colours before they are compared, as a
/// share of white. Without it OKLab's cube root makes the invisible steps between near-black
/// values the largest differences in the picture: black and `#020202` would be 0.085 apart, as far as
/// two neighbouring shades of an artist's ramp.
const ROOM_LIGHT: f32 = 0.005;

/// Lightness (0 to 1), green–red, blue–yellow.
pub(crate) type Lab = [f32; 3];

/// The colour as a point whose distances are differences for the eye.
pub(crate) fn lab(rgb: [u8; 3]) -> Lab {
    let linear: LinSrgb<f32> = Srgb::from(rgb).into_linear();
    let lit = LinSrgb::new(linear.red + ROOM_LIGHT, linear.green + ROOM_LIGHT, linear.blue + ROOM_LIGHT);
    let Oklab { l, a, b } = lit.into_color();
    [l, a, b]
}

/// The colour of a point, the inverse of [`lab`].
pub(crate) fn rgb([l, a, b]: Lab) -> [u8; 3] {
    let lit: LinSrgb<f32> = Oklab::new(l, a, b).into_color();
    let dark = LinSrgb::new(lit.red - ROOM_LIGHT, lit.green - ROOM_LIGHT, lit.blue - ROOM_LIGHT);
    let srgb: Srgb<f32> = Srgb::from_linear(dark);
    [srgb.red, srgb.green, srgb.blue].map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
}

/// Squared distance of two points.
pub(crate) fn distance_squared(a: Lab, b: Lab) -> f32 {
    let [l, x, y] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    l * l + x * x + y * y
}

/// The point in the middle of weighted points; `None` when there is no weight.
pub(crate) fn weighted_mean(points: impl Iterator<Item = (Lab, f32)>) -> Option<Lab> {
    // f64, so that the sum over a large image keeps its last digits.
    let mut sum = [0.0f64; 3];
    let mut total = 0.0f64;
    for (point, weight) in points {
        for (sum, part) in sum.iter_mut().zip(point) {
            *sum += f64::from(part) * f64::from(weight);
        }
        total += f64::from(weight);
    }
    (total > 0.0).then(|| sum.map(|sum| (sum / total) as f32))
}

/// How different two colours look: the distance in OKLab (0 = equal, 0.02 = just noticeable,
/// 1 = black against white), with half a percent of room light on both.
#[must_use]
pub fn delta_e(a: [u8; 3], b: [u8; 3]) -> f32 {
    distance_squared(lab(a), lab(b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_the_stated_scale() {
        assert_eq!(delta_e([12, 200, 7], [12, 200, 7]), 0.0);
        let black_white = delta_e([0, 0, 0], [255, 255, 255]);
        // Room light lifts black to the cube root of 0.005.
        assert!((0.82..0.84).contains(&black_white), "{black_white}");
        let near_black = delta_e([0, 0, 0], [2, 2, 2]);
        assert!(near_black < 0.01, "{near_black}");
        assert!(delta_e([255, 0, 0], [0, 0, 255]) > delta_e([255, 0, 0], [255, 80, 0]));
    }

    #[test]
    fn the_mean_of_nothing_is_none() {
        assert_eq!(weighted_mean(std::iter::empty()), None);
        assert_eq!(
            weighted_mean([([0.5, 0.0, 0.0], 3.0), ([1.0, 0.0, 0.0], 1.0)].into_iter()),
            Some([0.625, 0.0, 0.0])
        );
    }
}
