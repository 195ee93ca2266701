//! Writes valid files for the fuzz targets to begin with: `cargo run --bin seeds` in this folder fills `corpus/`.

use std::fs::{create_dir_all, write};
use std::io::Result;
use std::path::Path;

use pixgen_art::palette::Classic;
use pixgen_art::palette::format::Format;

fn main() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for format in Format::ALL {
        let target = match format {
            Format::Hex => "hex",
            Format::Gpl => "gpl",
            Format::Jasc => "jasc",
            Format::Riff => "riff",
            Format::Act => "act",
            Format::Ase => "ase",
            Format::Aseprite => "aseprite",
            Format::Png => "png",
            Format::PaintNet => "paint_net",
        };
        for classic in Classic::ALL {
            let file = format.write(&classic.colors()).map_err(std::io::Error::other)?;
            for target in [target, "detect", "picture"] {
                create_dir_all(corpus.join(target))?;
                write(corpus.join(target).join(format!("{}.{target}", classic.name)), &file)?;
            }
        }
    }
    #[cfg(feature = "engine")]
    {
        let mut request = pixgen_api::Request::new(pixgen_api::Kind::Item, "une clé dorée, 金の鍵");
        request.seed = Some(9);
        let model = "model 0123abcd".to_owned();
        let provenance =
            pixgen_engine::Provenance { request, model, native_size_px: 16, inputs: Vec::new(), recipe: None };
        let sprite = image::RgbaImage::from_pixel(4, 4, image::Rgba([200, 30, 90, 255]));
        create_dir_all(corpus.join("png_text"))?;
        write(corpus.join("png_text/sprite.png"), provenance.encode(&sprite).map_err(std::io::Error::other)?)?;
    }
    Ok(())
}
