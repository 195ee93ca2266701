//! Sprites in the panel: crisp, at whole-number zoom, on a checkerboard.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use egui::{Color32, ColorImage, Mesh, Painter, Pos2, Rect, TextureHandle, TextureOptions, Ui, Vec2, pos2, vec2};
use pixgen_api::{GenPath, JobId, Pixels};

/// Edge of a square of the checkerboard, in points.
const CHECKER_PT: f32 = 8.0;

/// What a thumbnail shows; one texture each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ThumbnailKey {
    /// A sprite of the history by its hash.
    Sprite(String),
    /// The image that a job is drawing.
    Preview(JobId),
    /// A sprite in the world.
    Target(GenPath),
    /// A picture that the request names.
    File(PathBuf),
}

/// The textures of what was shown in the last pass.
#[derive(Default)]
pub(super) struct Thumbnails {
    textures: HashMap<ThumbnailKey, Thumbnail>,
}

struct Thumbnail {
    pixels: Pixels,
    texture: TextureHandle,
    is_shown: bool,
}

impl std::fmt::Debug for Thumbnails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.textures.keys()).finish()
    }
}

impl Thumbnails {
    /// Call before the first thumbnail of a pass.
    pub(super) fn begin_pass(&mut self) {
        for thumbnail in self.textures.values_mut() {
            thumbnail.is_shown = false;
        }
    }

    /// Frees what was not shown since [`Thumbnails::begin_pass`].
    pub(super) fn end_pass(&mut self) {
        self.textures.retain(|_, thumbnail| thumbnail.is_shown);
    }

    /// Number of textures held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.textures.len()
    }

    /// Draws a sprite in the middle of `rect`, as large as a whole-number zoom allows. Nothing is drawn
    /// for pixels that are no image, or more than a texture holds.
    pub(super) fn paint(&mut self, ui: &Ui, rect: Rect, key: ThumbnailKey, pixels: &Pixels) {
        // egui panics over textures that are larger than it was told they may be.
        let max_edge = ui.input(|input| input.max_texture_side);
        let fits = pixels.width_px.max(pixels.height_px) as usize <= max_edge;
        if !ui.is_rect_visible(rect) || !is_image(pixels) || !fits {
            return;
        }
        let texture = self.texture(ui.ctx(), key, pixels);
        let size = zoomed_size([pixels.width_px, pixels.height_px], rect.size(), ui.pixels_per_point());
        let place = to_physical_pixels(rect.center() - size / 2.0, ui.pixels_per_point());
        let uv = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
        ui.painter().with_clip_rect(rect.intersect(ui.clip_rect())).image(
            texture,
            Rect::from_min_size(place, size),
            uv,
            Color32::WHITE,
        );
    }

    fn texture(&mut self, ctx: &egui::Context, key: ThumbnailKey, pixels: &Pixels) -> egui::TextureId {
        let thumbnail = self.textures.entry(key).or_insert_with_key(|key| Thumbnail {
            texture: ctx.load_texture(format!("{key:?}"), color_image(pixels), TextureOptions::NEAREST),
            pixels: pixels.clone(),
            is_shown: true,
        });
        // The stored pixels keep their memory alive, so an equal address is an equal image.
        if !Arc::ptr_eq(&thumbnail.pixels.rgba, &pixels.rgba) {
            if thumbnail.pixels != *pixels {
                thumbnail.texture.set(color_image(pixels), TextureOptions::NEAREST);
            }
            thumbnail.pixels = pixels.clone();
        }
        thumbnail.is_shown = true;
        thumbnail.texture.id()
    }
}

/// Whether there are as many bytes as the size says, and any.
fn is_image(pixels: &Pixels) -> bool {
    // Two u32 and a factor of four do not fit into 64 bits.
    let bytes = u128::from(pixels.width_px) * u128::from(pixels.height_px) * 4;
    bytes > 0 && bytes == pixels.rgba.len() as u128
}

fn color_image(pixels: &Pixels) -> ColorImage {
    ColorImage::from_rgba_unmultiplied([pixels.width_px as usize, pixels.height_px as usize], &pixels.rgba)
}

/// The size in points at which every sprite pixel is the same whole number of screen pixels. What is larger
/// than its place is shrunk by a whole number.
fn zoomed_size(image_px: [u32; 2], place_pt: Vec2, pixels_per_point: f32) -> Vec2 {
    let [width, height] = image_px.map(|px| px.max(1) as f32);
    let place_px = (place_pt * pixels_per_point).max(Vec2::splat(1.0));
    // A hair is added against rounding: 64.0 pt at 1.25 may come out as 79.99 px.
    let fit = (place_px.x / width).min(place_px.y / height) + 1e-3;
    let zoom = if fit >= 1.0 { fit.floor() } else { 1.0 / (1.0 / fit).ceil() };
    vec2(width, height) * zoom / pixels_per_point
}

/// The corner of the nearest screen pixel: off it, even a whole zoom smears.
fn to_physical_pixels(position: Pos2, pixels_per_point: f32) -> Pos2 {
    (position.to_vec2() * pixels_per_point).round().to_pos2() / pixels_per_point
}

/// Fills `rect` with the pattern that means "transparent here".
pub(super) fn paint_checkerboard(painter: &Painter, rect: Rect, is_dark: bool) {
    let (base, other) = if is_dark { (52, 64) } else { (214, 236) };
    painter.rect_filled(rect, 0.0, Color32::from_gray(base));
    let mut squares = Mesh::default();
    let (columns, rows) = ((rect.width() / CHECKER_PT).ceil() as u32, (rect.height() / CHECKER_PT).ceil() as u32);
    for row in 0..rows {
        for column in (row % 2..columns).step_by(2) {
            let corner = rect.min + vec2(column as f32, row as f32) * CHECKER_PT;
            let square = Rect::from_min_size(corner, Vec2::splat(CHECKER_PT)).intersect(rect);
            squares.add_colored_rect(square, Color32::from_gray(other));
        }
    }
    painter.add(squares);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_zoom_is_a_whole_number_of_screen_pixels() {
        let size = |px, place, ppp| zoomed_size([px, px], Vec2::splat(place), ppp).x * ppp;
        assert_eq!(size(32, 68.0, 1.0), 64.0);
        assert_eq!(size(32, 64.0, 1.25), 64.0);
        assert_eq!(size(16, 68.0, 1.5), 96.0);
        assert_eq!(size(32, 68.0, 2.0), 128.0);
        assert_eq!(size(128, 68.0, 1.0), 64.0, "shrunk to a half");
        assert_eq!(size(512, 68.0, 1.0), 64.0, "shrunk to an eighth");
        assert_eq!(zoomed_size([32, 16], vec2(64.0, 64.0), 1.0), vec2(64.0, 32.0));
        assert!(zoomed_size([0, 0], Vec2::ZERO, 1.0).is_finite());
    }

    #[test]
    fn pixels_that_are_no_image_are_recognised() {
        let pixels = |width_px, height_px, bytes: usize| Pixels { width_px, height_px, rgba: vec![0; bytes].into() };
        assert!(is_image(&pixels(2, 3, 24)));
        assert!(!is_image(&pixels(2, 3, 23)));
        assert!(!is_image(&pixels(0, 0, 0)));
        assert!(!is_image(&pixels(u32::MAX, u32::MAX, 4)));
    }

    #[test]
    fn textures_live_as_long_as_they_are_shown() {
        let mut thumbnails = Thumbnails::default();
        let sprite = |value| Pixels { width_px: 2, height_px: 2, rgba: vec![value; 16].into() };
        let show = |thumbnails: &mut Thumbnails, hashes: &[&str]| {
            let context = egui::Context::default();
            drop(context.run_ui(egui::RawInput::default(), |ui| {
                thumbnails.begin_pass();
                for hash in hashes {
                    let key = ThumbnailKey::Sprite((*hash).to_owned());
                    thumbnails.paint(ui, Rect::from_min_size(Pos2::ZERO, Vec2::splat(8.0)), key, &sprite(9));
                }
                thumbnails.end_pass();
            }));
        };
        show(&mut thumbnails, &["a", "b"]);
        assert_eq!(thumbnails.len(), 2);
        show(&mut thumbnails, &["b"]);
        assert_eq!(thumbnails.textures.keys().collect::<Vec<_>>(), [&ThumbnailKey::Sprite("b".into())]);
        show(&mut thumbnails, &[]);
        assert_eq!(thumbnails.len(), 0);
    }

    #[test]
    fn a_new_preview_replaces_the_texture_in_place() {
        let mut thumbnails = Thumbnails::default();
        let context = egui::Context::default();
        let key = ThumbnailKey::Preview(JobId(1));
        let first =
            thumbnails.texture(&context, key.clone(), &Pixels { width_px: 1, height_px: 1, rgba: [0; 4].into() });
        let larger = Pixels { width_px: 2, height_px: 1, rgba: [7; 8].into() };
        assert_eq!(thumbnails.texture(&context, key.clone(), &larger), first);
        let size = context.tex_manager().read().meta(first).unwrap().size;
        assert_eq!((size, thumbnails.len()), ([2, 1], 1));
    }
}
