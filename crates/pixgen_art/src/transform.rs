//! Turning sprites without blur: mirrors, quarter turns and any angle by RotSprite.

use image::{Rgba, RgbaImage, imageops};

use crate::error::{ArtError, checked_size};

/// Enlargements by Scale2x before a free rotation; three of them make ×8, as RotSprite does.
const DOUBLINGS: usize = 3;

/// Left and right exchanged.
#[must_use]
pub fn mirror(image: &RgbaImage) -> RgbaImage {
    imageops::flip_horizontal(image)
}

/// Turned clockwise by any angle in degrees, in a frame that holds all of it.
///
/// RotSprite (Xenowhirl 2007): the sprite is enlarged eight times by Scale2x, which invents no colour, turned by nearest
/// sampling and shrunk by taking the middle of every cell. Quarter turns are exact. An angle that is no number turns
/// nothing.
///
/// # Errors
/// When the result would be larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn rotate(image: &RgbaImage, degrees: f32) -> Result<RgbaImage, ArtError> {
    // A tiny negative angle's remainder rounds to the full turn.
    let degrees = if degrees.is_finite() { degrees.rem_euclid(360.0) % 360.0 } else { 0.0 };
    let quarters = [0.0, 90.0, 180.0, 270.0].iter().position(|quarter| *quarter == degrees);
    match quarters {
        Some(0) => return Ok(image.clone()),
        Some(1) => return Ok(imageops::rotate90(image)),
        Some(2) => return Ok(imageops::rotate180(image)),
        Some(_) => return Ok(imageops::rotate270(image)),
        None => {}
    }
    let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    // A little less than the exact hull: rounding must not add an empty row.
    let span = |a: f64, b: f64| (a * cos.abs() + b * sin.abs() - 1e-6).ceil().max(0.0) as u64;
    let (new_width, new_height) = checked_size(span(width, height), span(height, width))?;
    let factor = 1u32 << DOUBLINGS;
    checked_size(u64::from(image.width()) * u64::from(factor), u64::from(image.height()) * u64::from(factor))?;
    let mut large = image.clone();
    for _ in 0..DOUBLINGS {
        large = scale2x(&large)?;
    }
    let (half_x, half_y) = (f64::from(new_width) / 2.0, f64::from(new_height) / 2.0);
    Ok(RgbaImage::from_fn(new_width, new_height, |x, y| {
        let (dx, dy) = (f64::from(x) + 0.5 - half_x, f64::from(y) + 0.5 - half_y);
        let source_x = (dx * cos + dy * sin + width / 2.0) * f64::from(factor);
        let source_y = (dy * cos - dx * sin + height / 2.0) * f64::from(factor);
        let is_inside = source_x >= 0.0 && source_y >= 0.0;
        let pixel = is_inside.then(|| large.get_pixel_checked(source_x as u32, source_y as u32)).flatten();
        pixel.copied().unwrap_or(Rgba([0; 4]))
    }))
}

/// Twice as large, with diagonals made smooth (Scale2x, Mazzoleni 2001): every new pixel has a colour of the old ones.
///
/// # Errors
/// When the result would be larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn scale2x(image: &RgbaImage) -> Result<RgbaImage, ArtError> {
    let (width, height) = image.dimensions();
    let (new_width, new_height) = checked_size(2 * u64::from(width), 2 * u64::from(height))?;
    let at = |x: i64, y: i64| {
        let (x, y) = (x.clamp(0, i64::from(width) - 1), y.clamp(0, i64::from(height) - 1));
        *image.get_pixel(x as u32, y as u32)
    };
    Ok(RgbaImage::from_fn(new_width, new_height, |x, y| {
        let (cx, cy) = (i64::from(x / 2), i64::from(y / 2));
        let (side, other_side) = if x % 2 == 0 { (-1, 1) } else { (1, -1) };
        let (end, other_end) = if y % 2 == 0 { (-1, 1) } else { (1, -1) };
        let (beside, across) = (at(cx + side, cy), at(cx + other_side, cy));
        let (above, below) = (at(cx, cy + end), at(cx, cy + other_end));
        if beside == above && beside != below && above != across { beside } else { at(cx, cy) }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow() -> RgbaImage {
        RgbaImage::from_fn(9, 7, |x, y| {
            let is_drawn = y == 3 || (x > 4 && y.abs_diff(3) == 8 - x);
            if is_drawn { Rgba([10 * x as u8, 90, 200, 255]) } else { Rgba([0; 4]) }
        })
    }

    #[test]
    fn quarter_turns_are_exact_and_four_of_them_nothing() {
        let mut turned = arrow();
        for _ in 0..4 {
            turned = rotate(&turned, 90.0).unwrap();
        }
        assert_eq!(turned, arrow());
        assert_eq!(rotate(&arrow(), -180.0).unwrap(), imageops::rotate180(&arrow()));
        assert_eq!(rotate(&arrow(), f32::NAN).unwrap(), arrow());
        assert_eq!(rotate(&arrow(), -1e-9).unwrap(), arrow());
        assert!(scale2x(&RgbaImage::new(9000, 1)).is_err());
        assert_eq!(mirror(&mirror(&arrow())), arrow());
    }

    #[test]
    fn any_angle_keeps_the_colours_and_most_of_the_area() {
        let block = RgbaImage::from_fn(24, 24, |x, y| {
            if (4..20).contains(&x) && (4..20).contains(&y) {
                Rgba([200, if x < 12 { 0 } else { 90 }, 0, 255])
            } else {
                Rgba([0; 4])
            }
        });
        for degrees in [7.0, 30.0, 45.0, 120.0, 289.5] {
            let turned = rotate(&block, degrees).unwrap();
            let drawn = turned.pixels().filter(|pixel| pixel.0[3] > 0).count() as f32;
            assert!((drawn - 256.0).abs() < 16.0, "{degrees}: {drawn}");
            assert!(turned.pixels().all(|pixel| block.pixels().any(|old| old == pixel)));
        }
        assert_eq!(rotate(&RgbaImage::new(0, 0), 30.0).unwrap().dimensions(), (0, 0));
        assert!(rotate(&RgbaImage::new(3000, 3000), 30.0).is_err());
    }
}
