//! Draws egui's triangles on the CPU, as its shaders would: pictures of the panel need no graphics driver and come out
//! the same on every machine.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use egui::epaint::{ClippedPrimitive, ImageData, ImageDelta, Mesh, Primitive, Vertex};
use egui::{Color32, ColorImage, Rect, TextureFilter, TextureId, TextureOptions, TexturesDelta, Vec2, pos2};
use egui_kittest::TestRenderer;
use image::{Rgba, RgbaImage};

/// The textures that egui has set so far.
#[derive(Clone, Default)]
pub(crate) struct Textures(Rc<RefCell<HashMap<TextureId, (ColorImage, TextureOptions)>>>);

impl TestRenderer for Textures {
    fn handle_delta(&mut self, delta: &TexturesDelta) {
        let mut textures = self.0.borrow_mut();
        for (id, ImageDelta { image: ImageData::Color(image), options, pos }) in &delta.set {
            match (pos, textures.get_mut(id)) {
                (Some([left, top]), Some((whole, _))) => {
                    for (y, row) in image.pixels.chunks(image.size[0]).enumerate() {
                        let at = (top + y) * whole.size[0] + left;
                        whole.pixels[at..at + row.len()].copy_from_slice(row);
                    }
                }
                _ => {
                    textures.insert(*id, (image.as_ref().clone(), *options));
                }
            }
        }
        for id in &delta.free {
            textures.remove(id);
        }
    }
}

impl Textures {
    /// Draws what was tessellated for `size_px`, on the colour of egui's panels.
    pub(crate) fn draw(&self, primitives: &[ClippedPrimitive], size_px: [u32; 2], pixels_per_point: f32) -> RgbaImage {
        let ground = egui::Visuals::dark().panel_fill;
        let mut target = RgbaImage::from_pixel(size_px[0], size_px[1], Rgba(ground.to_array()));
        let textures = self.0.borrow();
        for ClippedPrimitive { clip_rect, primitive } in primitives {
            let Primitive::Mesh(mesh) = primitive else { unreachable!("the panel has no callbacks") };
            let (texture, options) = &textures[&mesh.texture_id];
            draw_mesh(&mut target, mesh, texture, *options, *clip_rect * pixels_per_point, pixels_per_point);
        }
        target
    }
}

fn draw_mesh(
    target: &mut RgbaImage,
    mesh: &Mesh,
    texture: &ColorImage,
    options: TextureOptions,
    clip: Rect,
    scale: f32,
) {
    let is_linear = options.magnification == TextureFilter::Linear;
    let screen = Rect::from_min_size(pos2(0.0, 0.0), Vec2::new(target.width() as f32, target.height() as f32));
    // Scissors are whole pixels.
    let clip = Rect::from_min_max(clip.min.round(), clip.max.round()).intersect(screen);
    for corner in mesh.indices.chunks_exact(3) {
        let [a, b, c] = [corner[0], corner[1], corner[2]].map(|index| mesh.vertices[index as usize]);
        let twice_area = cross(a, b, c.pos) * scale * scale;
        if twice_area == 0.0 {
            continue;
        }
        // Most of what is drawn has one colour; there is no need to mix it anew for each pixel.
        let is_flat = a.color == b.color && b.color == c.color && a.uv == b.uv && b.uv == c.uv;
        let flat = is_flat.then(|| {
            let texel = sample(texture, a.uv.x, a.uv.y, is_linear);
            [0, 1, 2, 3].map(|channel| f32::from(a.color.to_array()[channel]) * texel[channel] / 255.0)
        });
        let [a, b, c] = if twice_area > 0.0 { [a, b, c] } else { [a, c, b] };
        let colors = [a, b, c].map(|vertex| vertex.color.to_array().map(f32::from));
        let owns_edge = [is_top_left(b, c), is_top_left(c, a), is_top_left(a, b)];
        let around = Rect::from_points(&[a.pos, b.pos, c.pos]) * scale;
        let around = around.intersect(clip);
        if around.is_negative() {
            continue;
        }
        for y in around.top().floor() as u32..(around.bottom().ceil() as u32).min(clip.bottom() as u32) {
            for x in around.left().floor() as u32..(around.right().ceil() as u32).min(clip.right() as u32) {
                let center = pos2(x as f32 + 0.5, y as f32 + 0.5);
                if !clip.contains(center) {
                    continue;
                }
                let at = (center.to_vec2() / scale).to_pos2();
                let weights = [cross(b, c, at), cross(c, a, at), cross(a, b, at)];
                let is_in = |side: usize| weights[side] > 0.0 || (weights[side] == 0.0 && owns_edge[side]);
                if !(is_in(0) && is_in(1) && is_in(2)) {
                    continue;
                }
                if let Some(flat) = flat {
                    blend(target.get_pixel_mut(x, y), flat, [255.0; 4]);
                    continue;
                }
                let total = weights[0] + weights[1] + weights[2];
                let mix = |values: [f32; 3]| {
                    (weights[0] * values[0] + weights[1] * values[1] + weights[2] * values[2]) / total
                };
                let color =
                    [0, 1, 2, 3].map(|channel| mix([colors[0][channel], colors[1][channel], colors[2][channel]]));
                let (u, v) = (mix([a.uv.x, b.uv.x, c.uv.x]), mix([a.uv.y, b.uv.y, c.uv.y]));
                let texel = sample(texture, u, v, is_linear);
                blend(target.get_pixel_mut(x, y), color, texel);
            }
        }
    }
}

/// Twice the area of a triangle; positive when `point` lies right of the edge, with y downwards.
fn cross(from: Vertex, to: Vertex, point: egui::Pos2) -> f32 {
    let (edge, way) = (to.pos - from.pos, point - from.pos);
    edge.x * way.y - edge.y * way.x
}

/// Whether pixels exactly on this edge belong to the triangle, so that neighbours never draw one twice.
fn is_top_left(from: Vertex, to: Vertex) -> bool {
    let edge = to.pos - from.pos;
    (edge.y == 0.0 && edge.x > 0.0) || edge.y < 0.0
}

/// A colour of the texture, 0 to 255 with the alpha multiplied in.
fn sample(texture: &ColorImage, u: f32, v: f32, is_linear: bool) -> [f32; 4] {
    let [width, height] = texture.size;
    let texel = |x: i64, y: i64| {
        let (x, y) = (x.clamp(0, width as i64 - 1) as usize, y.clamp(0, height as i64 - 1) as usize);
        texture.pixels[y * width + x].to_array().map(f32::from)
    };
    let (x, y) = (u * width as f32, v * height as f32);
    if !is_linear {
        return texel(x.floor() as i64, y.floor() as i64);
    }
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let mut mixed = [0.0; 4];
    for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let share = (1.0 - (x - left - dx as f32).abs()) * (1.0 - (y - top - dy as f32).abs());
        for (sum, value) in mixed.iter_mut().zip(texel(left as i64 + dx, top as i64 + dy)) {
            *sum += share * value;
        }
    }
    mixed
}

/// Over what is there, in gamma space as egui's shaders do it.
fn blend(pixel: &mut Rgba<u8>, color: [f32; 4], texel: [f32; 4]) {
    let left = 1.0 - color[3] * texel[3] / (255.0 * 255.0);
    for channel in 0..4 {
        let source = color[channel] * texel[channel] / 255.0;
        let mixed = source + f32::from(pixel.0[channel]) * left;
        pixel.0[channel] = (mixed + 0.5).clamp(0.0, 255.0) as u8;
    }
}

#[test]
fn a_rectangle_of_two_triangles_is_drawn_once_and_whole() {
    let mut mesh = Mesh::default();
    mesh.add_colored_rect(
        Rect::from_min_max(pos2(1.0, 1.0), pos2(3.0, 3.0)),
        Color32::from_rgba_premultiplied(0, 0, 0, 128),
    );
    let white = ColorImage::filled([1, 1], Color32::WHITE);
    let textures = Textures::default();
    textures.0.borrow_mut().insert(mesh.texture_id, (white, TextureOptions::NEAREST));
    let clip_rect = Rect::EVERYTHING;
    let image = textures.draw(&[ClippedPrimitive { clip_rect, primitive: Primitive::Mesh(mesh) }], [4, 4], 1.0);
    let ground = egui::Visuals::dark().panel_fill.r();
    let dark = (f32::from(ground) * 127.0 / 255.0).round() as u8;
    for (x, y, pixel) in image.enumerate_pixels() {
        let inside = (1..3).contains(&x) && (1..3).contains(&y);
        assert_eq!(pixel.0[0], if inside { dark } else { ground }, "{x}, {y}");
    }
}
