//! Textures for the tests of tiles, in the few colours an artist uses.

use image::{Rgba, RgbaImage};

use super::Random;

/// Joint, shadow, body and light of a stone.
const STONE: [[u8; 3]; 4] = [[38, 34, 48], [78, 76, 92], [112, 112, 126], [150, 154, 162]];

fn rgba([r, g, b]: [u8; 3]) -> Rgba<u8> {
    Rgba([r, g, b, 255])
}

/// Cobbles: every pixel belongs to the nearest of scattered points, with a joint where two are as near. `wraps` makes them
/// repeat; without it they are cut at the edges as in any piece of a larger picture.
pub fn cobbles(edge: u32, stones: u32, wraps: bool, random: &mut Random) -> RgbaImage {
    let points: Vec<(f32, f32)> = (0..stones)
        .map(|_| (random.below(u64::from(edge) * 16) as f32 / 16.0, random.below(u64::from(edge) * 16) as f32 / 16.0))
        .collect();
    let side = edge as f32;
    let gap = |a: f32, b: f32| {
        let gap = a - b;
        if wraps { gap - side * (gap / side).round() } else { gap }
    };
    RgbaImage::from_fn(edge, edge, |x, y| {
        let mut near: Vec<(f32, f32)> = points
            .iter()
            .map(|point| {
                let (dx, dy) = (gap(x as f32 + 0.5, point.0), gap(y as f32 + 0.5, point.1));
                (dx.hypot(dy), dx + dy)
            })
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (first, second) = (near[0], near[1]);
        rgba(match second.0 - first.0 {
            between if between < 1.0 => STONE[0],
            _ if first.1 > 2.0 => STONE[1],
            _ if first.1 < -2.0 => STONE[3],
            _ => STONE[2],
        })
    })
}

/// Bricks in courses of 8 px, shifted by half a brick, with joints; cut at any column and row.
pub fn bricks(width: u32, height: u32, (left, top): (u32, u32)) -> RgbaImage {
    const BRICK: [[u8; 3]; 4] = [[58, 40, 44], [120, 58, 48], [146, 74, 56], [176, 98, 70]];
    RgbaImage::from_fn(width, height, |x, y| {
        let (x, y) = (x + left, y + top);
        let (course, row) = (y / 8, y % 8);
        let along = x + 8 * (course % 2);
        let (brick, column) = (along / 16, along % 16);
        rgba(match (column, row) {
            (15, _) | (_, 7) => BRICK[0],
            (_, 0) | (0, _) => BRICK[3],
            _ if (brick + 2 * course) % 3 == 0 => BRICK[1],
            _ => BRICK[2],
        })
    })
}
