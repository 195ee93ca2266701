//! The asset source `gen://`: a folder of PNGs, always crisp, with a placeholder for what is not there yet.

use std::io;
use std::path::{Component, Path, PathBuf};

use bevy::asset::io::file::FileAssetReader;
use bevy::asset::io::{AssetReader, AssetReaderError, AssetSourceBuilder, PathStream, Reader, VecReader};
use bevy::asset::meta::{AssetAction, AssetMeta, AssetMetaDyn};
use bevy::image::{ImageLoader, ImageLoaderSettings, ImageSampler};
use pixgen_api::{Request, recipe_file};

use crate::png_limits::{self, MAX_FILE_BYTES, read_at_most};

/// The name of the source: `gen://…`.
pub(crate) const SOURCE: &str = "gen";

/// What the reader does about a sprite that has not been generated.
#[derive(Clone, Debug)]
pub(crate) enum Missing {
    /// Show a PNG of the wanted edge in its place: a build with the generator.
    #[cfg_attr(not(feature = "generate"), expect(dead_code, reason = "only a generator fills the placeholder in"))]
    Placeholder {
        /// Edge for a sprite without a recipe beside it, in pixels.
        default_size_px: u32,
        /// Draws it.
        draw: fn(u32) -> Vec<u8>,
    },
    /// Fail, and say how to make it: a build without.
    #[cfg_attr(feature = "generate", expect(dead_code, reason = "a generator never leaves a sprite out"))]
    Error,
}

/// The source `gen://` over `folder`. The processed reader is the same one: what is generated is never processed.
pub(crate) fn builder(folder: PathBuf, missing: Missing) -> AssetSourceBuilder {
    let reader = move || -> Box<dyn bevy::asset::io::ErasedAssetReader> {
        Box::new(GenReader::new(folder.clone(), missing.clone()))
    };
    AssetSourceBuilder::new(reader.clone()).with_processed_reader(reader)
}

struct GenReader {
    files: FileAssetReader,
    missing: Missing,
    /// Loader settings for every PNG without a `.meta` file of its own.
    meta: Vec<u8>,
}

impl GenReader {
    fn new(folder: PathBuf, missing: Missing) -> Self {
        Self { files: FileAssetReader::new(folder), missing, meta: nearest_meta() }
    }

    /// Edge of the sprite that a recipe beside the PNG asks for.
    async fn recipe_size_px(&self, png: &Path) -> Option<u32> {
        let recipe = recipe_file(png)?;
        let reader = self.files.read(&recipe).await.ok()?;
        let text = read_at_most(reader, pixgen_api::MAX_RECIPE_BYTES).await.ok()?;
        Request::from_recipe(&text).ok().map(|request| request.size_px)
    }
}

/// Loader settings that keep pixels crisp, whatever the game's default sampler is.
fn nearest_meta() -> Vec<u8> {
    let settings = ImageLoaderSettings { sampler: ImageSampler::nearest(), ..Default::default() };
    let loader = std::any::type_name::<ImageLoader>().to_owned();
    AssetMeta::<ImageLoader, ()>::new(AssetAction::Load { loader, settings }).serialize()
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

/// Refuses what leaves the folder, for games that allow unapproved paths in the asset server.
fn inside(path: &Path) -> Result<(), AssetReaderError> {
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        Ok(())
    } else {
        let message = format!("gen://{} leaves the folder of generated assets", path.display());
        Err(AssetReaderError::Io(io::Error::other(message).into()))
    }
}

async fn whole(reader: impl Reader, path: &Path) -> Result<VecReader, AssetReaderError> {
    let bytes = read_at_most(reader, MAX_FILE_BYTES).await;
    let checked = bytes.and_then(|bytes| png_limits::check(&bytes).map(|()| bytes));
    checked.map(VecReader::new).map_err(|error| {
        let message = format!("gen://{} cannot be read: {error}", path.display());
        AssetReaderError::Io(io::Error::new(error.kind(), message).into())
    })
}

impl AssetReader for GenReader {
    async fn read<'a>(&'a self, path: &'a Path) -> Result<impl Reader + 'a, AssetReaderError> {
        inside(path)?;
        match (self.files.read(path).await, &self.missing) {
            (Ok(reader), _) => whole(reader, path).await,
            (Err(AssetReaderError::NotFound(_)), Missing::Placeholder { default_size_px, draw }) if is_png(path) => {
                let size_px = self.recipe_size_px(path).await.unwrap_or(*default_size_px);
                Ok(VecReader::new(draw(size_px)))
            }
            (Err(AssetReaderError::NotFound(file)), Missing::Error) if is_png(path) => {
                let message = format!(
                    "the sprite gen://{} has not been generated: {} does not exist; make it with `dgx-pixels generate \
                     KIND PROMPT --output {}`, from a recipe beside it with `dgx-pixels bake {}`, or in a build with the \
                     feature `generate`",
                    path.display(),
                    file.display(),
                    file.display(),
                    file.parent().unwrap_or(Path::new("DIR")).display(),
                );
                Err(AssetReaderError::Io(io::Error::new(io::ErrorKind::NotFound, message).into()))
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn read_meta<'a>(&'a self, path: &'a Path) -> Result<impl Reader + 'a, AssetReaderError> {
        inside(path)?;
        match self.files.read_meta(path).await {
            Ok(reader) => whole(reader, path).await,
            Err(AssetReaderError::NotFound(_)) if is_png(path) => Ok(VecReader::new(self.meta.clone())),
            Err(error) => Err(error),
        }
    }

    async fn read_directory<'a>(&'a self, path: &'a Path) -> Result<Box<PathStream>, AssetReaderError> {
        inside(path)?;
        self.files.read_directory(path).await
    }

    async fn is_directory<'a>(&'a self, path: &'a Path) -> Result<bool, AssetReaderError> {
        inside(path)?;
        self.files.is_directory(path).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_read() {
        for path in ["../x.png", "a/../../x.png", "/etc/x.png"] {
            assert!(inside(Path::new(path)).is_err(), "{path}");
        }
        assert!(inside(Path::new("a/b.png")).is_ok());
    }
}
