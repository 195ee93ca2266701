//! Cutting a sprite out of a painted background.
//!
//! The background is what the border shows: a colour that may change slowly over the picture and carry some noise. A
//! surface of second degree is fitted to the border's colours in OKLab, robustly, since a sprite may touch the border;
//! what fits the surface and is connected to the border is background, and so are enclosed holes that fit as well.

use image::{Rgba, RgbaImage};

use crate::alpha::{OPAQUE_FROM, neighbors};
use crate::oklab::{Lab, distance_squared, lab, labs, rgb_of, weighted_mean};

/// What counts as background.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackgroundOptions {
    /// How far a colour may lie from the background's, in OKLab; `None` takes it from the border's own noise.
    pub tolerance: Option<f32>,
    /// Whether enclosed parts of the background's colour are cut out too, as between an arm and a body.
    pub holes: bool,
    /// The background's colour where it is known; `None` takes it from the border.
    pub key: Option<[u8; 3]>,
}

impl Default for BackgroundOptions {
    fn default() -> Self {
        Self { tolerance: None, holes: true, key: None }
    }
}

/// Smallest and largest tolerance that the border's noise may lead to.
const TOLERANCE: (f32, f32) = (0.03, 0.10);

/// Share of the border that must agree on a background.
const BORDER_SHARE: f32 = 0.35;

/// Enclosed parts smaller than this are details of the sprite, in pixels.
const MIN_HOLE_PX: usize = 2;

/// Rounds of fitting the surface and flooding.
const ROUNDS: usize = 3;

/// Terms of a surface of second degree.
const TERMS: usize = 6;

/// The image with its background transparent, unchanged where its border shows no background or it is already cut out.
#[must_use]
pub fn remove_background(image: &RgbaImage, options: &BackgroundOptions) -> RgbaImage {
    match background_mask(image, options) {
        Some(mask) => {
            let mut cut = image.clone();
            for (pixel, is_background) in cut.pixels_mut().zip(mask) {
                if is_background {
                    *pixel = Rgba([0; 4]);
                }
            }
            cut
        }
        None => image.clone(),
    }
}

/// A rim pixel with more of the background's colour than this is halo and goes.
const HALO_FROM: f32 = 0.6;

/// A rim pixel with more of the background's colour than this takes the colour behind it.
const SPILL_FROM: f32 = 0.25;

/// How far a mixture of two colours may lie from the line between them, in encoded sRGB of 0 to 1.
const MIXTURE: f32 = 0.06;

/// Background and body must differ by this for a mixture of them to be told from noise, in encoded sRGB of 0 to 1.
const MIN_CONTRAST: f32 = 0.2;

/// A colour as encoded sRGB, 0 to 1: what interpolation mixes.
fn encoded(pixel: &Rgba<u8>) -> Lab {
    rgb_of(pixel).map(|value| f32::from(value) / 255.0)
}

/// Chroma in OKLab from which a background is a key colour: mixed with it even a black outline is coloured.
const KEY_CHROMA: f32 = 0.1;

/// Takes the tint of the background off the rim of a cut-out sprite. `before` is the picture that `cut` was made from.
///
/// A rim pixel whose colour is a mixture of the background beside it and of the drawn pixel behind it shows an edge that
/// was painted soft. It takes the colour behind it or, with more than 60 % background, becomes transparent. Before a
/// background as vivid as a key colour, a mixture with the sprite's darkest colour counts as well: of an outline of one
/// pixel nothing unmixed may be left beside it.
#[must_use]
pub fn despill(before: &RgbaImage, cut: &RgbaImage) -> RgbaImage {
    let mut clean = cut.clone();
    if before.dimensions() != cut.dimensions() {
        return clean;
    }
    let was_removed = |x: u32, y: u32| cut.get_pixel(x, y).0[3] == 0 && before.get_pixel(x, y).0[3] > 0;
    let drawn = cut.pixels().filter(|pixel| pixel.0[3] > 0);
    let lightness = |pixel: &Rgba<u8>| lab(rgb_of(pixel))[0];
    let darkest = drawn.min_by(|a, b| lightness(a).total_cmp(&lightness(b)).then(a.0.cmp(&b.0))).copied();
    for (x, y, pixel) in cut.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 0) {
        let ground = neighbors(cut, x, y).filter(|(x, y)| was_removed(*x, *y));
        let Some(ground) = weighted_mean(ground.map(|(x, y)| (encoded(before.get_pixel(x, y)), 1.0))) else {
            continue;
        };
        // Of the drawn neighbours the one that is least like the background is what lies behind the rim.
        let behind = neighbors(cut, x, y).map(|(x, y)| *cut.get_pixel(x, y)).filter(|near| near.0[3] > 0);
        let far = |pixel: &Rgba<u8>| distance_squared(encoded(pixel), ground);
        let behind = behind.max_by(|a, b| far(a).total_cmp(&far(b)).then(a.0.cmp(&b.0)));
        let [_, a, b] = lab(ground.map(|part| (255.0 * part).round() as u8));
        let line = darkest.filter(|_| behind.is_some() && a.hypot(b) >= KEY_CHROMA);
        let bodies = [behind, line].into_iter().flatten();
        let mut spilled = bodies.filter_map(|body| Some((body, share_of_ground(pixel, &body, ground)?)));
        if let Some((body, share)) = spilled.next() {
            clean.put_pixel(x, y, if share > HALO_FROM { Rgba([0; 4]) } else { body });
        }
    }
    clean
}

/// How much of the background a mixture of it and of `body` has; `None` for what is no such mixture or has too little.
fn share_of_ground(pixel: &Rgba<u8>, body: &Rgba<u8>, ground: Lab) -> Option<f32> {
    let (own, body) = (encoded(pixel), encoded(body));
    let axis = [0, 1, 2].map(|part| ground[part] - body[part]);
    let length = axis.iter().map(|part| part * part).sum::<f32>();
    if length < MIN_CONTRAST * MIN_CONTRAST {
        return None;
    }
    let share = (0..3).map(|part| (own[part] - body[part]) * axis[part]).sum::<f32>() / length;
    let mixture = [0, 1, 2].map(|part| body[part] + share * axis[part]);
    let is_mixture = distance_squared(mixture, own) < MIXTURE * MIXTURE && (SPILL_FROM..1.0).contains(&share);
    is_mixture.then_some(share)
}

/// Which pixels are background, in reading order; `None` where no background is found.
fn background_mask(image: &RgbaImage, options: &BackgroundOptions) -> Option<Vec<bool>> {
    let field = Field::new(image);
    let border = field.border();
    if border.len() < 4 || border.iter().any(|index| !field.is_drawn[*index]) {
        return None;
    }
    let mut surface = match options.key {
        Some(key) => Surface::flat(lab(key)),
        None => Surface::flat(field.commonest(&border)?),
    };
    let mut tolerance = options.tolerance.unwrap_or(TOLERANCE.1);
    for round in 0..ROUNDS {
        // The first look at the border only has to find its larger part: a gradient runs further than any noise.
        let reach = if round == 0 && options.key.is_none() { tolerance.max(0.08) } else { tolerance };
        let mask = field.flood(&border, &field.fitting(&surface, reach));
        let on_border = border.iter().filter(|index| mask[**index]).count();
        // A colour that was named needs no majority.
        let needed = if options.key.is_none() { BORDER_SHARE * border.len() as f32 } else { 1.0 };
        if (on_border as f32) < needed {
            return None;
        }
        if options.key.is_none() {
            surface = Surface::fit(&field, &mask);
        }
        if options.tolerance.is_none() {
            tolerance = surface.tolerance(&field, &mask);
        }
    }
    let mut mask = field.flood(&border, &field.fitting(&surface, tolerance));
    if options.holes {
        field.add_holes(&mut mask, &field.fitting(&surface, 0.8 * tolerance));
    }
    // A picture that is background wherever it is drawn, as a frame around nothing, shows no sprite to cut out.
    mask.iter().zip(&field.is_drawn).any(|(is_background, is_drawn)| *is_drawn && !is_background).then_some(mask)
}

/// The image as points in OKLab.
struct Field {
    width: usize,
    height: usize,
    labs: Vec<Lab>,
    is_drawn: Vec<bool>,
}

impl Field {
    fn new(image: &RgbaImage) -> Self {
        let labs = labs(image);
        let is_drawn = image.pixels().map(|pixel| pixel.0[3] >= OPAQUE_FROM).collect();
        Self { width: image.width() as usize, height: image.height() as usize, labs, is_drawn }
    }

    /// The outermost pixels, in reading order.
    fn border(&self) -> Vec<usize> {
        let Some(last) = self.width.checked_sub(1) else { return Vec::new() };
        let mut border = Vec::with_capacity(2 * (self.width + self.height));
        for y in 0..self.height {
            let start = y * self.width;
            if y == 0 || y + 1 == self.height {
                border.extend(start..=start + last);
            } else {
                border.push(start);
                border.extend((last > 0).then_some(start + last));
            }
        }
        border
    }

    /// The colour with the most others of the border around it.
    fn commonest(&self, border: &[usize]) -> Option<Lab> {
        let near = |a: usize, b: usize| distance_squared(self.labs[a], self.labs[b]) < 0.06 * 0.06;
        // Every few pixels of a long border are enough, and keep this quick.
        let step = border.len().div_ceil(256).max(1);
        let sample: Vec<usize> = border.iter().copied().step_by(step).collect();
        let count = |a: &usize| sample.iter().filter(|b| near(*a, **b)).count();
        let best = sample.iter().copied().enumerate().max_by_key(|(place, a)| (count(a), usize::MAX - place))?.1;
        weighted_mean(sample.iter().filter(|b| near(best, **b)).map(|b| (self.labs[*b], 1.0)))
    }

    fn neighbors(&self, index: usize) -> impl Iterator<Item = usize> {
        let (x, y) = (index % self.width, index / self.width);
        let (width, height) = (self.width, self.height);
        [(-1isize, 0isize), (1, 0), (0, -1), (0, 1)].into_iter().filter_map(move |(dx, dy)| {
            let (x, y) = (x.checked_add_signed(dx)?, y.checked_add_signed(dy)?);
            (x < width && y < height).then_some(y * width + x)
        })
    }

    /// Which pixels have the background's colour.
    fn fitting(&self, surface: &Surface, tolerance: f32) -> Vec<bool> {
        let mut fitting = Vec::with_capacity(self.labs.len());
        self.each_row(surface, |_, distances| {
            fitting.extend(distances.iter().map(|distance| *distance < tolerance * tolerance));
        });
        fitting
    }

    /// Gives the squared distances of every row from the surface, with the index of the row's first pixel.
    fn each_row(&self, surface: &Surface, mut use_row: impl FnMut(usize, &[f32])) {
        let mut distances = vec![0.0f32; self.width];
        for (y, row) in self.labs.chunks_exact(self.width.max(1)).enumerate() {
            // In one row y is fixed, so that the surface is a parabola.
            let parabolas = surface.parabolas(place(y, self.height));
            for (x, (lab, distance)) in row.iter().zip(&mut distances).enumerate() {
                let x = place(x, self.width);
                let at = parabolas.map(|[base, slope, bend]| base + x * (slope + x * bend));
                *distance = distance_squared(*lab, at);
            }
            use_row(y * self.width, &distances);
        }
    }

    /// What fits the surface and hangs together with the border.
    fn flood(&self, border: &[usize], fitting: &[bool]) -> Vec<bool> {
        let mut mask = vec![false; self.labs.len()];
        let mut open: Vec<usize> = Vec::new();
        let reach = |index: usize, mask: &mut Vec<bool>, open: &mut Vec<usize>| {
            if fitting[index] && !mask[index] {
                mask[index] = true;
                open.push(index);
            }
        };
        border.iter().for_each(|index| reach(*index, &mut mask, &mut open));
        while let Some(index) = open.pop() {
            self.neighbors(index).for_each(|next| reach(next, &mut mask, &mut open));
        }
        mask
    }

    /// Adds what fits the surface and is enclosed.
    fn add_holes(&self, mask: &mut [bool], fitting: &[bool]) {
        let mut seen = mask.to_vec();
        for start in 0..mask.len() {
            if seen[start] || !fitting[start] {
                continue;
            }
            let mut hole = vec![start];
            seen[start] = true;
            let mut next = 0;
            while let Some(index) = hole.get(next).copied() {
                next += 1;
                for near in self.neighbors(index) {
                    if !seen[near] && fitting[near] {
                        seen[near] = true;
                        hole.push(near);
                    }
                }
            }
            if hole.len() >= MIN_HOLE_PX {
                hole.into_iter().for_each(|index| mask[index] = true);
            }
        }
    }
}

/// Where a column or row lies, -1 to 1.
fn place(at: usize, count: usize) -> f32 {
    (2 * at + 1) as f32 / count as f32 - 1.0
}

/// A colour that changes slowly over the picture.
struct Surface {
    /// For each part of the colour the weights of 1, x, y, x², xy, y².
    weights: [[f32; TERMS]; 3],
}

impl Surface {
    fn flat(color: Lab) -> Self {
        Self { weights: color.map(|part| [part, 0.0, 0.0, 0.0, 0.0, 0.0]) }
    }

    /// The surface along the row at `y`: for each part of the colour the weights of 1, x and x².
    fn parabolas(&self, y: f32) -> [[f32; 3]; 3] {
        self.weights.map(|[one, x, below, xx, xy, yy]| [one + y * (below + y * yy), x + y * xy, xx])
    }

    /// Least squares over the pixels of the mask, with a little pull towards a flat colour.
    fn fit(field: &Field, mask: &[bool]) -> Self {
        let inside = field.labs.iter().zip(mask).filter(|(_, is_inside)| **is_inside);
        let count = inside.clone().count();
        let Some(mean) = weighted_mean(inside.map(|(lab, _)| (*lab, 1.0))) else {
            return Self::flat([0.0; 3]);
        };
        // Sums over all pixels of xⁱ·yʲ, and of every part of the colour times that.
        let mut moments = [[0.0f64; 5]; 5];
        let mut products = [[[0.0f64; 3]; 3]; 3];
        let width = field.width.max(1);
        for (y, (row, mask)) in field.labs.chunks_exact(width).zip(mask.chunks_exact(width)).enumerate() {
            let mut along = [0.0f64; 5];
            let mut parts = [[0.0f64; 3]; 3];
            for (x, (lab, _)) in row.iter().zip(mask).enumerate().filter(|(_, (_, is_inside))| **is_inside) {
                let x = f64::from(place(x, field.width));
                let powers = [1.0, x, x * x, x * x * x, x * x * x * x];
                along.iter_mut().zip(powers).for_each(|(sum, power)| *sum += power);
                for ((sums, value), mean) in parts.iter_mut().zip(lab).zip(mean) {
                    let value = f64::from(value - mean);
                    sums.iter_mut().zip(powers).for_each(|(sum, power)| *sum += value * power);
                }
            }
            let y = f64::from(place(y, field.height));
            let powers = [1.0, y, y * y, y * y * y, y * y * y * y];
            for (moments, along) in moments.iter_mut().zip(along) {
                moments.iter_mut().zip(powers).for_each(|(sum, power)| *sum += along * power);
            }
            for (products, parts) in products.iter_mut().zip(parts) {
                for (products, part) in products.iter_mut().zip(parts) {
                    products.iter_mut().zip(powers).for_each(|(sum, power)| *sum += part * power);
                }
            }
        }
        // Powers of x and of y in every term.
        const POWERS: [[usize; 2]; TERMS] = [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]];
        let mut normal = POWERS.map(|a| POWERS.map(|b| moments[a[0] + b[0]][a[1] + b[1]]));
        let pull = 1e-3 * count as f64 + 1e-6;
        (0..TERMS).for_each(|i| normal[i][i] += pull);
        let right = products.map(|products| POWERS.map(|[x, y]| products[x][y]));
        let mut weights = right.map(|right| solve(normal, right).map(|value| value as f32));
        for (weights, mean) in weights.iter_mut().zip(mean) {
            weights[0] += mean;
        }
        Self { weights }
    }

    /// How far the background's own pixels lie from the surface, with room for noise.
    fn tolerance(&self, field: &Field, mask: &[bool]) -> f32 {
        let mut distances: Vec<f32> = Vec::with_capacity(mask.len());
        field.each_row(self, |start, row| {
            distances
                .extend(row.iter().zip(&mask[start..]).filter(|(_, is_in)| **is_in).map(|(distance, _)| *distance));
        });
        let middle = distances.len() / 2;
        let median =
            if distances.is_empty() { 0.0 } else { *distances.select_nth_unstable_by(middle, f32::total_cmp).1 };
        (4.0 * median.sqrt() + 0.015).clamp(TOLERANCE.0, TOLERANCE.1)
    }
}

/// Gaussian elimination; the matrix is symmetric and, by the pull, never singular.
fn solve(mut matrix: [[f64; TERMS]; TERMS], mut right: [f64; TERMS]) -> [f64; TERMS] {
    for i in 0..TERMS {
        let (pivot, pivot_right) = (matrix[i], right[i]);
        for (row, right) in matrix.iter_mut().zip(&mut right).skip(i + 1) {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(pivot).for_each(|(cell, above)| *cell -= factor * above);
            *right -= factor * pivot_right;
        }
    }
    for i in (0..TERMS).rev() {
        for j in i + 1..TERMS {
            right[i] -= matrix[i][j] * right[j];
        }
        right[i] /= matrix[i][i];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A brown ring with a hole, on a background that goes from one colour to another.
    fn ring(background: impl Fn(u32, u32) -> [u8; 3]) -> RgbaImage {
        RgbaImage::from_fn(32, 32, |x, y| {
            let distance = (f64::from(x) - 15.5).hypot(f64::from(y) - 15.5);
            let [r, g, b] = if (5.0..11.0).contains(&distance) { [120, 70, 30] } else { background(x, y) };
            Rgba([r, g, b, 255])
        })
    }

    fn drawn(image: &RgbaImage) -> usize {
        image.pixels().filter(|pixel| pixel.0[3] > 0).count()
    }

    #[test]
    fn flat_gradient_and_noisy_backgrounds_go() {
        let body = ring(|_, _| [0; 3]).pixels().filter(|pixel| pixel.0[0] == 120).count();
        let noise = |x: u32, y: u32| 120 + ((x * 7919 + y * 104_729) % 13) as u8;
        let backgrounds: [&dyn Fn(u32, u32) -> [u8; 3]; 3] =
            [&|_, _| [200, 30, 200], &|x, y| [100 + 2 * x as u8, 140, 160 + y as u8], &|x, y| [noise(x, y), 200, 210]];
        for background in backgrounds {
            let picture = ring(background);
            assert_eq!(drawn(&remove_background(&picture, &BackgroundOptions::default())), body);
            let kept = BackgroundOptions { holes: false, ..BackgroundOptions::default() };
            assert!(drawn(&remove_background(&picture, &kept)) > body + 50, "the hole stays");
        }
    }

    #[test]
    fn a_key_colour_needs_no_majority() {
        let picture = ring(|x, _| if x < 20 { [0, 255, 0] } else { [90, 90, 90] });
        let key = BackgroundOptions { key: Some([0, 255, 0]), tolerance: Some(0.05), holes: true };
        let cut = remove_background(&picture, &key);
        assert!(cut.pixels().all(|pixel| pixel.0[3] == 0 || pixel.0 != [0, 255, 0, 255]));
        assert_eq!(cut.get_pixel(31, 31).0, [90, 90, 90, 255]);
    }

    #[test]
    fn what_is_cut_out_or_has_no_background_stays() {
        let cut = remove_background(&ring(|_, _| [9, 9, 9]), &BackgroundOptions::default());
        assert_eq!(remove_background(&cut, &BackgroundOptions::default()), cut);
        let wild = RgbaImage::from_fn(16, 16, |x, y| Rgba([(x * 97) as u8, (y * 61) as u8, (x * y * 31) as u8, 255]));
        assert_eq!(remove_background(&wild, &BackgroundOptions::default()), wild);
        for size in [(0, 0), (1, 1), (1, 5)] {
            let small = RgbaImage::from_pixel(size.0, size.1, Rgba([5, 5, 5, 255]));
            assert_eq!(remove_background(&small, &BackgroundOptions::default()).dimensions(), size);
        }
    }

    #[test]
    fn soft_rims_lose_the_background_and_outlines_keep_their_colour() {
        let picture = RgbaImage::from_fn(16, 16, |x, y| {
            let [r, g, b] = match x.min(y).min(15 - x).min(15 - y) {
                0..3 => [0, 255, 0],
                3 => [70, 190, 20],
                4 => [130, 110, 25],
                _ => [200, 30, 30],
            };
            Rgba([r, g, b, 255])
        });
        let cut = remove_background(&picture, &BackgroundOptions::default());
        let clean = despill(&picture, &cut);
        let greenish = |image: &RgbaImage| image.pixels().filter(|p| p.0[3] > 0 && p.0[1] > 150).count();
        assert!(greenish(&cut) > 20 && greenish(&clean) == 0, "{} {}", greenish(&cut), greenish(&clean));
        let sharp = ring(|_, _| [0, 255, 0]);
        let cut = remove_background(&sharp, &BackgroundOptions::default());
        assert_eq!(despill(&sharp, &cut), cut);
    }

    #[test]
    fn a_thin_black_line_before_a_key_colour_is_black_again() {
        // White, then a line of one pixel that is half green everywhere.
        let picture = RgbaImage::from_fn(16, 16, |x, y| match x.min(y).min(15 - x).min(15 - y) {
            0..3 => Rgba([0, 220, 60, 255]),
            3 => Rgba([6, 118, 34, 255]),
            _ if x == 8 && y == 8 => Rgba([8, 8, 10, 255]),
            _ => Rgba([240, 240, 240, 255]),
        });
        let clean = despill(&picture, &remove_background(&picture, &BackgroundOptions::default()));
        assert_eq!(clean.get_pixel(3, 7).0, [8, 8, 10, 255]);
        assert!(clean.pixels().all(|pixel| pixel.0[3] == 0 || pixel.0[1] <= pixel.0[0].max(pixel.0[2])));
    }

    #[test]
    fn a_picture_of_nothing_stays() {
        // A frame around nothing: what its border shows is all there is.
        let frame = RgbaImage::from_fn(8, 8, |x, y| match (x, y) {
            (2..6, 2..6) => Rgba([0; 4]),
            _ => Rgba([120, 70, 30, 255]),
        });
        assert_eq!(remove_background(&frame, &BackgroundOptions::default()), frame);
        let wall = RgbaImage::from_pixel(12, 9, Rgba([40, 90, 200, 255]));
        assert_eq!(remove_background(&wall, &BackgroundOptions::default()), wall);
    }
}
