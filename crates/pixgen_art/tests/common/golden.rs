//! Golden images: what an operation gave when somebody last looked at it, kept as `tests/golden/NAME.png`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p pixgen_art` writes them anew; look at them before they are committed.

use std::path::Path;

use image::RgbaImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

/// Compares an image with `tests/golden/NAME.png`, pixel for pixel. NAME may have folders: `tile/repaired`.
///
/// # Panics
/// When the file is missing or differs; what came out lies as `NAME.got.png` in the folder that the message names.
#[track_caller]
pub fn check(name: &str, image: &RgbaImage) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.png"));
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        save(&path, image);
        return;
    }
    let got = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.got.png"));
    let hint = format!("is in {}; if it is right: UPDATE_GOLDEN=1 cargo test -p pixgen_art", got.display());
    let Ok(golden) = image::open(&path) else {
        save(&got, image);
        panic!("{} is missing or no picture; what came out {hint}", path.display());
    };
    let golden = golden.to_rgba8();
    if golden.dimensions() != image.dimensions() {
        save(&got, image);
        panic!("{name} has {:?} px, the golden image {:?}; it {hint}", image.dimensions(), golden.dimensions());
    }
    let differing = golden.pixels().zip(image.pixels()).filter(|(a, b)| a != b).count();
    if differing > 0 {
        save(&got, image);
        panic!("{name} differs from the golden image in {differing} pixels; it {hint}");
    }
}

fn save(path: &Path, image: &RgbaImage) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Small, since it is kept in version control: flat colours pack best unfiltered.
    let file = std::fs::File::create(path).unwrap();
    image.write_with_encoder(PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::NoFilter)).unwrap();
}
