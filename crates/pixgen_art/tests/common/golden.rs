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
    let difference = difference(&path, image);
    if difference.is_some() {
        save(&got, image);
    }
    assert!(
        difference.is_none(),
        "{name} {}; it is in {}; if it is right: UPDATE_GOLDEN=1 cargo test -p pixgen_art",
        difference.unwrap_or_default(),
        got.display()
    );
}

/// In what an image differs from the golden one.
fn difference(path: &Path, image: &RgbaImage) -> Option<String> {
    let Ok(golden) = image::open(path) else {
        return Some(format!("has no golden image {}", path.display()));
    };
    let golden = golden.to_rgba8();
    if golden.dimensions() != image.dimensions() {
        return Some(format!("has {:?} px, the golden image {:?}", image.dimensions(), golden.dimensions()));
    }
    let differing = golden.pixels().zip(image.pixels()).filter(|(a, b)| a != b).count();
    (differing > 0).then(|| format!("differs from the golden image in {differing} pixels"))
}

fn save(path: &Path, image: &RgbaImage) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Small, since it is kept in version control: flat colours pack best unfiltered.
    let file = std::fs::File::create(path).unwrap();
    image.write_with_encoder(PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::NoFilter)).unwrap();
}
