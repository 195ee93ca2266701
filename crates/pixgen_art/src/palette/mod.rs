//! The colours of a sprite, and their reduction to few that are all the artist's own.
//!
//! What a decoder paints has a thousand colours where a sprite has sixteen: flat areas carry noise of
//! a few levels, and soft transitions lie between areas. The reduction works on the distinct opaque
//! colours in OKLab: (1) colours that look the same are merged, (2) weighted k-means finds the
//! places of the palette, (3) every place is taken by a colour that the image really has, so that
//! no colour is a grey average of two.

mod classic;
pub mod format;
mod nearest;
mod ramp;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use image::RgbaImage;

pub use self::classic::Classic;
use self::nearest::{nearest, nearest_of_each};
use crate::error::ArtError;
use crate::oklab::{Lab, LabRow, distance_squared, lab, labs, rgb, rgb_of, weighted_mean};

/// Colours nearer than this look the same and become one when colours are reduced: the just noticeable
/// difference of OKLab, as CSS Color 4 uses it for gamut mapping. It spans noise of ±2 levels.
pub const MERGE_DELTA_E: f32 = 0.02;

/// Lloyd's algorithm ends by itself, nearly always within 20 rounds; this bounds the worst case.
const MAX_ROUNDS: usize = 64;

/// Passes of [`merge_noise`].
const MERGE_ROUNDS: usize = 3;

/// The distinct opaque colours of an image or of several, from dark to light and then by hue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    colors: Vec<[u8; 3]>,
}

/// A distinct colour, or several that look the same.
#[derive(Clone, Debug)]
struct Swatch {
    rgb: [u8; 3],
    lab: Lab,
    /// Pixels that have it.
    count: u32,
}

impl Swatch {
    /// Square root of the area: an eye or a gem of two pixels must not drown in a robe of four hundred.
    fn weight(&self) -> f32 {
        (self.count as f32).sqrt()
    }
}

impl Palette {
    /// A palette of these colours; repeated ones count once.
    #[must_use]
    pub fn new(colors: impl IntoIterator<Item = [u8; 3]>) -> Self {
        let mut colors: Vec<_> = colors.into_iter().map(|rgb| (lab(rgb), rgb)).collect();
        colors.sort_by(|(a, a_rgb), (b, b_rgb)| {
            a[0].total_cmp(&b[0]).then(hue(*a).total_cmp(&hue(*b))).then(a_rgb.cmp(b_rgb))
        });
        colors.dedup_by_key(|(_, rgb)| *rgb);
        Self { colors: colors.into_iter().map(|(_, rgb)| rgb).collect() }
    }

    /// Every colour of the pixels that are not fully transparent.
    #[must_use]
    pub fn of(image: &RgbaImage) -> Self {
        Self::new(swatches([image]).into_iter().map(|swatch| swatch.rgb))
    }

    /// At most `max_colors` (1 if it is 0) colours that hold the image best, all of them in the image.
    /// An image that has no more keeps all of its colours, so that a reduced image is left alone.
    #[must_use]
    pub fn reduced(image: &RgbaImage, max_colors: u32) -> Self {
        Self::reduced_jointly([image], max_colors)
    }

    /// As [`Palette::reduced`], one palette for several images: the frames of one sheet.
    #[must_use]
    pub fn reduced_jointly<'a>(images: impl IntoIterator<Item = &'a RgbaImage>, max_colors: u32) -> Self {
        Self::new(reduce(swatches(images), max_colors.max(1) as usize))
    }

    /// As [`Palette::reduced_jointly`] with one colour that is always there, as an outline's: the other colours take
    /// what room is left.
    #[must_use]
    pub fn reduced_beside<'a>(
        images: impl IntoIterator<Item = &'a RgbaImage>,
        max_colors: u32,
        fixed: [u8; 3],
    ) -> Self {
        let mut others = swatches(images);
        others.retain(|swatch| swatch.rgb != fixed);
        let colors = reduce(others, max_colors.saturating_sub(1).max(1) as usize);
        Self::new(colors.into_iter().chain([fixed]))
    }

    /// As many colours as can be told apart in the images, at most `max_colors`, all of them in the images.
    ///
    /// The criterion: two colours are two when they lie further apart than the eye's threshold
    /// ([`MERGE_DELTA_E`]) and than three times the images' noise, up to 0.05. The noise is the median difference of
    /// neighbouring pixels that differ by less than 0.06; flat areas of equal pixels have none.
    #[must_use]
    pub fn automatic<'a>(images: impl IntoIterator<Item = &'a RgbaImage> + Clone, max_colors: u32) -> Self {
        let threshold = (3.0 * noise_of(images.clone())).clamp(MERGE_DELTA_E, 0.05);
        let mut swatches = swatches(images);
        loop {
            // Choosing each group's colour may move two of them together: merged until all are apart.
            let merged = merge_alike(&swatches, threshold);
            if merged.len() == swatches.len() {
                break;
            }
            swatches = merged;
        }
        let max_colors = max_colors.max(1) as usize;
        if swatches.len() > max_colors {
            return Self::new(k_means(&swatches, max_colors));
        }
        Self::new(swatches.into_iter().map(|swatch| swatch.rgb))
    }

    /// The colours, from dark to light.
    #[must_use]
    pub fn colors(&self) -> &[[u8; 3]] {
        &self.colors
    }

    /// Number of colours.
    #[must_use]
    pub fn len(&self) -> usize {
        self.colors.len()
    }

    /// Whether there is no colour.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.colors.is_empty()
    }

    /// The colour of the palette that looks most like this one; `None` if the palette is empty.
    #[must_use]
    pub fn nearest(&self, rgb: [u8; 3]) -> Option<[u8; 3]> {
        let labs: Vec<_> = self.colors.iter().map(|rgb| lab(*rgb)).collect();
        nearest(&labs, lab(rgb)).map(|index| self.colors[index])
    }

    /// The image in the colours of the palette, alpha unchanged. An empty palette changes nothing.
    #[must_use]
    pub fn apply(&self, image: &RgbaImage) -> RgbaImage {
        let labs: Vec<_> = self.colors.iter().map(|rgb| lab(*rgb)).collect();
        let key = |[r, g, b]: [u8; 3]| u32::from_be_bytes([0, r, g, b]);
        // Its own colours map to themselves without arithmetic, which is what makes this idempotent.
        let mut known: HashMap<u32, [u8; 3], BuildHasherDefault<ColorHasher>> =
            self.colors.iter().map(|rgb| (key(*rgb), *rgb)).collect();
        // The others are looked up once, together.
        let mut others: Vec<[u8; 3]> = Vec::new();
        let mut rgba: Vec<u8> = Vec::new();
        for pixel in image.pixels().filter(|pixel| pixel.0[3] > 0) {
            let own = rgb_of(pixel);
            known.entry(key(own)).or_insert_with(|| {
                others.push(own);
                rgba.extend(pixel.0);
                own
            });
        }
        if self.colors.is_empty() || others.is_empty() {
            return image.clone();
        }
        let mut points = LabRow::default();
        points.read(&rgba);
        let points: Vec<Lab> = (0..others.len()).map(|index| points.at(index)).collect();
        for (own, index) in others.into_iter().zip(nearest_of_each(&labs, &points)) {
            known.insert(key(own), self.colors[index]);
        }
        let mut mapped = image.clone();
        for pixel in mapped.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
            let own = rgb_of(pixel);
            let [r, g, b] = known.get(&key(own)).copied().unwrap_or(own);
            pixel.0 = [r, g, b, pixel.0[3]];
        }
        mapped
    }
}

/// The image in at most `max_colors` of its own colours; see [`Palette::reduced`].
#[must_use]
pub fn reduce_colors(image: &RgbaImage, max_colors: u32) -> RgbaImage {
    Palette::reduced(image, max_colors).apply(image)
}

/// The image with each colour of `from` exchanged for the one at the same place in `to`; other colours stay, and so does
/// alpha. Where a colour is in `from` twice, its first place counts.
///
/// # Errors
/// When the two lists have different lengths.
pub fn swap_palette(image: &RgbaImage, from: &[[u8; 3]], to: &[[u8; 3]]) -> Result<RgbaImage, ArtError> {
    if from.len() != to.len() {
        return Err(ArtError::SwapLengths { from: from.len(), to: to.len() });
    }
    let targets: HashMap<[u8; 3], [u8; 3]> = from.iter().copied().zip(to.iter().copied()).rev().collect();
    let mut swapped = image.clone();
    for pixel in swapped.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
        let [r, g, b] = targets.get(&rgb_of(pixel)).copied().unwrap_or(rgb_of(pixel));
        pixel.0 = [r, g, b, pixel.0[3]];
    }
    Ok(swapped)
}

/// The colours of at most `max_colors` swatches that hold all of them best; all when there are no more.
fn reduce(mut swatches: Vec<Swatch>, max_colors: usize) -> Vec<[u8; 3]> {
    if swatches.len() > max_colors {
        // The second round merges what the first moved together by choosing each group's colour.
        swatches = merge_alike(&merge_alike(&swatches, MERGE_DELTA_E), MERGE_DELTA_E);
    }
    if swatches.len() > max_colors {
        return k_means(&swatches, max_colors);
    }
    swatches.into_iter().map(|swatch| swatch.rgb).collect()
}

/// What noise moves a colour by: the median difference of horizontal neighbours that nearly look the same.
fn noise_of<'a>(images: impl IntoIterator<Item = &'a RgbaImage>) -> f32 {
    let mut differences = Vec::new();
    for image in images {
        let labs = labs(image);
        let width = image.width().max(1) as usize;
        for (row, pixels) in labs.chunks(width).zip(image.as_raw().chunks(4 * width)) {
            for (x, pair) in row.windows(2).enumerate() {
                let is_drawn = pixels[4 * x + 3] > 0 && pixels[4 * x + 7] > 0;
                let difference = distance_squared(pair[0], pair[1]);
                if is_drawn && difference < 0.06 * 0.06 {
                    differences.push(difference);
                }
            }
        }
    }
    let middle = differences.len() / 2;
    if differences.is_empty() { 0.0 } else { differences.select_nth_unstable_by(middle, f32::total_cmp).1.sqrt() }
}

/// No two 8-bit colours lie nearer in OKLab, but for the darkest.
const LEAST_NOISE_DELTA_E: f32 = 1e-3;

/// The image with colours that differ by noise only made one: the mean of each group. A `noise_delta_e` below 0.001
/// changes nothing.
///
/// The number of colours is chosen by this criterion: two colours are two as long as they lie at least
/// `noise_delta_e` apart, which is what the picture's noise moves a colour by. Two passes
/// after the first let the groups settle around their means.
#[must_use]
pub fn merge_noise(image: &RgbaImage, noise_delta_e: f32) -> RgbaImage {
    if noise_delta_e.is_nan() || noise_delta_e < LEAST_NOISE_DELTA_E {
        return image.clone();
    }
    let swatches = swatches([image]);
    let seeds = groups_alike(&swatches, noise_delta_e);
    let mean = |group: &[&Swatch]| weighted_mean(group.iter().map(|swatch| (swatch.lab, swatch.count as f32)));
    let mut centers: Vec<Lab> = seeds.iter().filter_map(|group| mean(group)).collect();
    let mut targets: HashMap<[u8; 3], [u8; 3]> = HashMap::new();
    for _ in 0..MERGE_ROUNDS {
        let mut groups: Vec<Vec<&Swatch>> = vec![Vec::new(); centers.len()];
        for swatch in &swatches {
            if let Some(index) = nearest(&centers, swatch.lab) {
                groups[index].push(swatch);
            }
        }
        groups.retain(|group| !group.is_empty());
        // Groups whose means came nearer than the noise are one.
        let means: Vec<(Lab, u32)> = groups.iter().filter_map(|g| Some((mean(g)?, use_of(g)))).collect();
        centers = joined(means, noise_delta_e);
        targets = swatches
            .iter()
            .filter_map(|swatch| Some((swatch.rgb, rgb(centers[nearest(&centers, swatch.lab)?]))))
            .collect();
    }
    let mut merged = image.clone();
    for pixel in merged.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
        let [r, g, b, a] = pixel.0;
        let [r, g, b] = targets.get(&[r, g, b]).copied().unwrap_or([r, g, b]);
        pixel.0 = [r, g, b, a];
    }
    merged
}

/// Centres with those that lie within `threshold` of a more used one left out.
fn joined(mut means: Vec<(Lab, u32)>, threshold: f32) -> Vec<Lab> {
    means.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut kept: Vec<Lab> = Vec::new();
    for (lab, _) in means {
        if !kept.iter().any(|other| distance_squared(*other, lab) < threshold * threshold) {
            kept.push(lab);
        }
    }
    kept
}

/// Hue angle in radians; greys, whose angle is noise, get 0.
fn hue([_, a, b]: Lab) -> f32 {
    if a.hypot(b) < MERGE_DELTA_E { 0.0 } else { b.atan2(a).rem_euclid(std::f32::consts::TAU) }
}

/// The distinct colours of all pixels that are not fully transparent, the most used first.
fn swatches<'a>(images: impl IntoIterator<Item = &'a RgbaImage>) -> Vec<Swatch> {
    // Counted by value, so that only the distinct ones are sorted.
    let mut counts: HashMap<u32, u32, BuildHasherDefault<ColorHasher>> = HashMap::default();
    for image in images {
        for pixel in image.pixels().filter(|pixel| pixel.0[3] > 0) {
            let [r, g, b, _] = pixel.0;
            *counts.entry(u32::from_be_bytes([0, r, g, b])).or_default() += 1;
        }
    }
    let colors: Vec<(u32, u32)> = counts.into_iter().collect();
    let rgba: Vec<u8> = colors.iter().flat_map(|(color, _)| (color << 8).to_be_bytes()).collect();
    let mut points = LabRow::default();
    points.read(&rgba);
    let swatch = |(index, (color, count)): (usize, (u32, u32))| {
        let [_, r, g, b] = color.to_be_bytes();
        Swatch { rgb: [r, g, b], lab: points.at(index), count }
    };
    // The order of the map goes no further: the sort below has no ties.
    let mut swatches: Vec<_> = colors.into_iter().enumerate().map(swatch).collect();
    sort_by_use(&mut swatches);
    swatches
}

/// A hasher for colours and small grid places: one multiplication (Knuth's), quick where nobody picks the keys to hurt.
#[derive(Default)]
struct ColorHasher(u64);

impl Hasher for ColorHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(value)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_i32(&mut self, value: i32) {
        self.write_u32(value.cast_unsigned());
    }
}

/// The most used first; ties by value, so that the order never depends on the place in the image.
fn sort_by_use(swatches: &mut [Swatch]) {
    swatches.sort_by(|a, b| b.count.cmp(&a.count).then(a.rgb.cmp(&b.rgb)));
}

/// Makes one swatch of each group that lies within `threshold` of a more used colour.
///
/// `swatches` is sorted by use: whoever finds no more used colour nearby founds a group.
fn merge_alike(swatches: &[Swatch], threshold: f32) -> Vec<Swatch> {
    let groups = groups_alike(swatches, threshold);
    let mut merged: Vec<_> =
        groups.iter().map(|group| Swatch { count: use_of(group), ..representative(group).clone() }).collect();
    sort_by_use(&mut merged);
    merged
}

/// How many pixels have a colour of the group.
fn use_of(group: &[&Swatch]) -> u32 {
    group.iter().fold(0u32, |sum, swatch| sum.saturating_add(swatch.count))
}

/// The groups of swatches that lie within `threshold` of a more used one.
fn groups_alike(swatches: &[Swatch], threshold: f32) -> Vec<Vec<&Swatch>> {
    let cell = |lab: Lab| lab.map(|part| (part / threshold).floor() as i32);
    let mut founders: Vec<Lab> = Vec::new();
    let mut groups: Vec<Vec<&Swatch>> = Vec::new();
    // Founders by grid cell: with cells as wide as the threshold, only 27 of them can hold a match.
    let mut grid: HashMap<[i32; 3], Vec<usize>, BuildHasherDefault<ColorHasher>> = HashMap::default();
    // Nearly all of the 27 are empty, which a few bits tell without a search in the map.
    let mut is_used = vec![false; 1 << 13];
    let spot = |[l, a, b]: [i32; 3]| {
        (l.wrapping_mul(1) ^ a.wrapping_mul(45) ^ b.wrapping_mul(1013)).cast_unsigned() as usize & 0x1fff
    };
    for swatch in swatches {
        let [l, a, b] = cell(swatch.lab);
        let around =
            (l - 1..=l + 1).flat_map(|l| (a - 1..=a + 1).flat_map(move |a| (b - 1..=b + 1).map(move |b| [l, a, b])));
        let candidates = around.filter(|cell| is_used[spot(*cell)]).filter_map(|cell| grid.get(&cell)).flatten();
        let best = candidates
            .map(|index| (distance_squared(founders[*index], swatch.lab), *index))
            .filter(|(distance, _)| *distance < threshold * threshold)
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        match best {
            Some((_, index)) => groups[index].push(swatch),
            None => {
                is_used[spot([l, a, b])] = true;
                grid.entry([l, a, b]).or_default().push(founders.len());
                founders.push(swatch.lab);
                groups.push(vec![swatch]);
            }
        }
    }
    groups
}

/// The colour that stands for a group: the most used one, unless that more than doubles the
/// group's squared error; then the one nearest to the mean, which has the least error of all members.
fn representative<'a>(group: &[&'a Swatch]) -> &'a Swatch {
    let mean = weighted_mean(group.iter().map(|swatch| (swatch.lab, swatch.weight()))).unwrap_or(group[0].lab);
    let to_mean = |swatch: &Swatch| distance_squared(swatch.lab, mean);
    let by_mean = |a: &&&Swatch, b: &&&Swatch| to_mean(a).total_cmp(&to_mean(b)).then(a.rgb.cmp(&b.rgb));
    let most = group.iter().map(|swatch| swatch.count).max().unwrap_or(0);
    let most_used = group.iter().filter(|swatch| swatch.count == most).min_by(by_mean).unwrap_or(&group[0]);
    // Moving the group's colour from the mean to c adds (total weight)·|c − mean|² to its error.
    let total_weight: f32 = group.iter().map(|swatch| swatch.weight()).sum();
    let error_of_mean: f32 = group.iter().map(|swatch| swatch.weight() * to_mean(swatch)).sum();
    let alike = MERGE_DELTA_E * MERGE_DELTA_E;
    if to_mean(most_used) <= alike || total_weight * to_mean(most_used) <= error_of_mean {
        most_used
    } else {
        group.iter().min_by(by_mean).unwrap_or(&group[0])
    }
}

/// The colours of `k` clusters by weighted k-means. `swatches` is sorted by use and longer than `k`.
fn k_means(swatches: &[Swatch], k: usize) -> Vec<[u8; 3]> {
    let mut centers = largest_error_seeds(swatches, k);
    let points: Vec<Lab> = swatches.iter().map(|swatch| swatch.lab).collect();
    let mut assigned = vec![usize::MAX; swatches.len()];
    let mut clusters: Vec<Vec<&Swatch>> = vec![Vec::new(); centers.len()];
    for _ in 0..MAX_ROUNDS {
        let next = nearest_of_each(&centers, &points);
        if next == assigned {
            break;
        }
        assigned = next;
        clusters.iter_mut().for_each(Vec::clear);
        for (swatch, cluster) in swatches.iter().zip(&assigned) {
            clusters[*cluster].push(swatch);
        }
        for (center, members) in centers.iter_mut().zip(&clusters) {
            // A cluster that lost all its members keeps its place and may win some back.
            if let Some(mean) = weighted_mean(members.iter().map(|swatch| (swatch.lab, swatch.weight()))) {
                *center = mean;
            }
        }
    }
    clusters.iter().filter(|cluster| !cluster.is_empty()).map(|cluster| representative(cluster).rgb).collect()
}

/// The most used colour, then again and again the colour that the chosen ones serve worst.
///
/// The area counts even less here, by its fourth root: a seed is a question, and Lloyd's rounds take it
/// back where nothing is, but a gem that gets no seed has lost its colour for good.
fn largest_error_seeds(swatches: &[Swatch], k: usize) -> Vec<Lab> {
    let mut centers = Vec::with_capacity(k);
    let mut distances = vec![f32::INFINITY; swatches.len()];
    let mut next = 0;
    while centers.len() < k {
        let Some(chosen) = swatches.get(next) else { break };
        centers.push(chosen.lab);
        let mut worst = (0.0, None);
        for (index, (swatch, distance)) in swatches.iter().zip(&mut distances).enumerate() {
            *distance = distance.min(distance_squared(swatch.lab, chosen.lab));
            let error = swatch.weight().sqrt() * *distance;
            if error > worst.0 {
                worst = (error, Some(index));
            }
        }
        match worst.1 {
            Some(index) => next = index,
            None => break,
        }
    }
    centers
}
