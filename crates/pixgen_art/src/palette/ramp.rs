//! Mapping to a palette that keeps ramps in order: of two shades of one hue the lighter one never becomes the darker one.
//!
//! The nearest colour is chosen for every shade on its own. Where the palette has few colours of a hue, one shade finds a
//! dull lighter one and the next a vivid darker one, and a smooth fold gets a light stripe. Here the shades of a ramp
//! are mapped together: of all ways that go up in lightness the one with the least error.

use std::collections::HashMap;

use image::RgbaImage;

use super::nearest::nearest;
use super::{Palette, hue, swatches};
use crate::oklab::{Lab, distance_squared, lab, rgb_of};

/// Half of the hues that one ramp spans, around its most used colour: artists turn the hue along a ramp.
const RAMP_HUE_RADIANS: f32 = 0.6;

/// Colours of less chroma than this are the ramp of greys, whatever their hue.
const GREY_CHROMA: f32 = 0.03;

/// A shade of a ramp.
struct Shade {
    rgb: [u8; 3],
    lab: Lab,
    /// Square root of the area, as everywhere where colours compete.
    weight: f32,
}

impl Palette {
    /// The images in the colours of the palette as by [`Palette::apply`], but the shades of a ramp keep their order of
    /// lightness: they may become equal, never exchange places. The images share their ramps, as frames of a sheet
    /// must. An empty palette changes nothing; colours of the palette itself stay as they are where all of a ramp's are.
    ///
    /// A ramp is what lies within 34° of the hue of its most used colour in OKLab; greys are one more.
    #[must_use]
    pub fn apply_in_order(&self, images: &[RgbaImage]) -> Vec<RgbaImage> {
        let points: Vec<Lab> = self.colors.iter().map(|rgb| lab(*rgb)).collect();
        let mut targets: HashMap<[u8; 3], [u8; 3]> = HashMap::new();
        for ramp in ramps(images) {
            for (shade, index) in ramp.iter().zip(rising(&ramp, &points)) {
                targets.insert(shade.rgb, self.colors[index]);
            }
        }
        let mapped = |image: &RgbaImage| {
            let mut mapped = image.clone();
            for pixel in mapped.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
                let [r, g, b] = targets.get(&rgb_of(pixel)).copied().unwrap_or(rgb_of(pixel));
                pixel.0 = [r, g, b, pixel.0[3]];
            }
            mapped
        };
        images.iter().map(mapped).collect()
    }
}

/// The ramps of the images, each from dark to light.
fn ramps(images: &[RgbaImage]) -> Vec<Vec<Shade>> {
    // The hue of each ramp's first colour; the greys come first, without one.
    let mut ramps: Vec<(Option<f32>, Vec<Shade>)> = vec![(None, Vec::new())];
    for swatch in swatches(images) {
        let shade = Shade { rgb: swatch.rgb, lab: lab(swatch.rgb), weight: swatch.weight() };
        let own = (shade.lab[1].hypot(shade.lab[2]) >= GREY_CHROMA).then(|| hue(shade.lab));
        let away = |other: Option<f32>| match (own, other) {
            (None, None) => 0.0,
            (Some(own), Some(other)) => {
                let turn = (own - other).abs();
                turn.min(std::f32::consts::TAU - turn)
            }
            _ => f32::INFINITY,
        };
        let best = ramps.iter_mut().min_by(|a, b| away(a.0).total_cmp(&away(b.0)));
        match best {
            Some((center, shades)) if away(*center) <= RAMP_HUE_RADIANS => shades.push(shade),
            _ => ramps.push((own, vec![shade])),
        }
    }
    let mut ramps: Vec<Vec<Shade>> = ramps.into_iter().map(|(_, shades)| shades).collect();
    for ramp in &mut ramps {
        // The order of `Palette::new`, so that the palette's own colours are in its order.
        ramp.sort_by(|a, b| {
            a.lab[0].total_cmp(&b.lab[0]).then(hue(a.lab).total_cmp(&hue(b.lab))).then(a.rgb.cmp(&b.rgb))
        });
    }
    ramps
}

/// For each shade an index of the palette, which never falls from one shade to the next, with the least weighted squared
/// error. `points` go from dark to light, as a palette's colours do.
fn rising(ramp: &[Shade], points: &[Lab]) -> Vec<usize> {
    if points.is_empty() {
        return Vec::new();
    }
    // Nearly always the nearest colours are in order already.
    let chosen: Vec<usize> = ramp.iter().map(|shade| nearest(points, shade.lab).unwrap_or(0)).collect();
    if chosen.is_sorted() {
        return chosen;
    }
    // least[j]: the least error of the shades so far with the last of them at j; came[i][j]: where the one before was.
    let mut least = vec![0.0f64; points.len()];
    let mut came: Vec<Vec<usize>> = Vec::with_capacity(ramp.len());
    for shade in ramp {
        let mut best = 0;
        let mut from = Vec::with_capacity(points.len());
        let mut next = Vec::with_capacity(points.len());
        for (index, point) in points.iter().enumerate() {
            if least[index] < least[best] {
                best = index;
            }
            from.push(best);
            next.push(least[best] + f64::from(shade.weight) * f64::from(distance_squared(shade.lab, *point)));
        }
        least = next;
        came.push(from);
    }
    let mut index = (0..points.len()).min_by(|a, b| least[*a].total_cmp(&least[*b]).then(a.cmp(b))).unwrap_or(0);
    let mut indices = vec![0; ramp.len()];
    for (place, from) in indices.iter_mut().zip(&came).rev() {
        *place = index;
        index = from[index];
    }
    indices
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;
    use crate::palette::Classic;

    /// One pixel each.
    fn strip(colors: &[[u8; 3]]) -> RgbaImage {
        RgbaImage::from_fn(colors.len() as u32, 1, |x, _| {
            let [r, g, b] = colors[x as usize];
            Rgba([r, g, b, 255])
        })
    }

    fn lightness(image: &RgbaImage) -> Vec<f32> {
        image.pixels().map(|pixel| lab(rgb_of(pixel))[0]).collect()
    }

    /// Ramps of one hue, from dark to light, that several palettes turn round.
    fn hues() -> Vec<Vec<[u8; 3]>> {
        let ramp = |[r, g, b]: [f32; 3]| {
            let shade = |step: u32| {
                let (light, white) = ((step as f32 / 20.0).min(1.0), (step as f32 - 20.0).max(0.0) / 14.0);
                [r, g, b].map(|part| (255.0 * (part * light + white * (1.0 - part))) as u8)
            };
            (4..30).map(shade).collect()
        };
        (0..12)
            .map(|turn| {
                let part = |shift: f32| {
                    let angle = std::f32::consts::TAU * (turn as f32 / 12.0 + shift);
                    (0.5 + 0.5 * angle.cos()).clamp(0.05, 1.0)
                };
                ramp([part(0.0), part(1.0 / 3.0), part(2.0 / 3.0)])
            })
            .collect()
    }

    #[test]
    fn ramps_keep_their_order_in_every_classic_palette() {
        let mut turned_round = 0;
        for classic in Classic::ALL {
            let palette = Palette::new(classic.colors());
            for hue in hues() {
                let image = strip(&hue);
                turned_round += usize::from(!lightness(&palette.apply(&image)).is_sorted());
                for ramp in ramps(std::slice::from_ref(&image)) {
                    let ramp = strip(&ramp.iter().map(|shade| shade.rgb).collect::<Vec<_>>());
                    // All of the picture's colours are there, as the shades are mapped together.
                    let mapped = palette.apply_in_order(std::slice::from_ref(&image)).remove(0);
                    let target = |pixel: &Rgba<u8>| {
                        image.pixels().zip(mapped.pixels()).find(|(old, _)| *old == pixel).map(|(_, new)| *new)
                    };
                    let shades: Vec<f32> = ramp.pixels().filter_map(target).map(|p| lab(rgb_of(&p))[0]).collect();
                    assert_eq!(shades.len(), ramp.width() as usize);
                    assert!(shades.is_sorted(), "{}: {shades:?}", classic.name);
                }
            }
        }
        assert!(turned_round >= 5, "the nearest colours turn {turned_round} ramps round: too few to show a difference");
    }

    #[test]
    fn what_is_mapped_stays_and_what_is_in_order_is_what_the_nearest_gives() {
        for classic in Classic::ALL {
            let palette = Palette::new(classic.colors());
            let images: Vec<RgbaImage> = hues().iter().map(|hue| strip(hue)).collect();
            let once = palette.apply_in_order(&images);
            assert_eq!(palette.apply_in_order(&once), once, "{}", classic.name);
            let own = strip(palette.colors());
            assert_eq!(palette.apply_in_order(std::slice::from_ref(&own)), [own], "{}", classic.name);
        }
        let greys = Palette::new((0..16).map(|step| [step * 17; 3]));
        let image = strip(&(0..=255).map(|value| [value; 3]).collect::<Vec<_>>());
        assert_eq!(greys.apply_in_order(std::slice::from_ref(&image)), [greys.apply(&image)]);
    }

    #[test]
    fn the_least_error_that_rises_is_found() {
        // Against all rising choices, one by one.
        let palette = Palette::new([[40, 40, 160], [120, 30, 30], [90, 140, 60], [220, 160, 40], [230, 220, 230]]);
        let points: Vec<Lab> = palette.colors().iter().map(|rgb| lab(*rgb)).collect();
        for colors in [[[50, 40, 30], [90, 150, 90], [60, 60, 230]], [[160, 20, 20], [30, 90, 250], [250, 240, 90]]] {
            let mut ramp: Vec<Shade> = colors
                .iter()
                .zip([3.0, 1.0, 2.0])
                .map(|(rgb, weight)| Shade { rgb: *rgb, lab: lab(*rgb), weight })
                .collect();
            ramp.sort_by(|a, b| a.lab[0].total_cmp(&b.lab[0]));
            let error = |choice: &[usize]| -> f32 {
                ramp.iter().zip(choice).map(|(s, i)| s.weight * distance_squared(s.lab, points[*i])).sum()
            };
            let found = rising(&ramp, &points);
            assert!(found.is_sorted());
            for a in 0..5 {
                for b in a..5 {
                    for c in b..5 {
                        assert!(error(&found) <= error(&[a, b, c]) + 1e-6, "{found:?} against {:?}", [a, b, c]);
                    }
                }
            }
        }
    }

    #[test]
    fn alpha_and_empty_things_stay() {
        let mut image = strip(&[[200, 30, 30], [20, 200, 40]]);
        image.put_pixel(0, 0, Rgba([200, 30, 30, 0]));
        image.put_pixel(1, 0, Rgba([20, 200, 40, 77]));
        let images = [image, RgbaImage::new(0, 0)];
        assert_eq!(Palette::default().apply_in_order(&images), images);
        let mapped = Palette::new([[0, 255, 0]]).apply_in_order(&images);
        assert_eq!(mapped[0].get_pixel(0, 0).0, [200, 30, 30, 0]);
        assert_eq!(mapped[0].get_pixel(1, 0).0, [0, 255, 0, 77]);
        assert!(Palette::default().apply_in_order(&[]).is_empty());
    }
}
