//! Loads a recipe and the PNG beside it as a [`SpriteSheet`].

use std::io;

use bevy::asset::io::{AssetReaderError, Reader};
use bevy::asset::{AssetLoader, AssetPath, LoadContext, ReadAssetBytesError, RenderAssetUsages};
use bevy::image::ImageSampler;
use bevy::prelude::*;
use image::{DynamicImage, ImageFormat, ImageReader, RgbaImage};
use pixgen_api::{MAX_RECIPE_BYTES, RECIPE_EXTENSION, RecipeError, Request, baked_file};
use thiserror::Error;

use super::files::{Files, Roots, Stamps};
use super::overseer::Overseer;
use super::{BakeState, IMAGE_LABEL, LAYOUT_LABEL, SpriteSheet};
use crate::png_limits::{self, MAX_FILE_BYTES, read_at_most};

/// Why a recipe gives no sprite.
#[derive(Debug, Error)]
pub enum RecipeLoadError {
    /// The recipe's text is wrong.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The recipe could not be read.
    #[error("the recipe cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The file was loaded as a recipe, but is not named like one.
    #[error("{path} is no recipe: their names end in .{RECIPE_EXTENSION}")]
    Name {
        /// The file.
        path: AssetPath<'static>,
    },
    /// The sprite has not been drawn, and this game does not draw.
    #[error(
        "the sprite of this recipe has not been baked: {baked} does not exist; run `dgx-pixels bake {folder}`, or use a \
         build with the feature `generate`"
    )]
    NotBaked {
        /// The PNG that is missing.
        baked: String,
        /// The folder to bake.
        folder: String,
    },
    /// The PNG beside the recipe cannot be read.
    #[error("{baked} beside the recipe cannot be read: {reason}; mend it, or delete it to have it drawn again")]
    Png {
        /// The PNG.
        baked: AssetPath<'static>,
        /// What is wrong with it.
        reason: String,
    },
}

/// What the loader saw of a recipe, good or bad.
#[cfg_attr(not(feature = "generate"), expect(dead_code, reason = "only a generator looks at it"))]
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) path: AssetPath<'static>,
    pub(super) files: Option<Files>,
    /// How the files looked before they were read: whatever is written later looks different.
    pub(super) stamps: Option<Stamps>,
    pub(super) outcome: Result<(Request, BakeState), String>,
}

#[derive(TypePath)]
pub(super) struct SpriteSheetLoader {
    pub(super) roots: Roots,
    pub(super) overseer: Overseer,
}

impl AssetLoader for SpriteSheetLoader {
    type Asset = SpriteSheet;
    type Settings = ();
    type Error = RecipeLoadError;

    async fn load(
        &self,
        reader: &mut dyn Reader,
        _: &(),
        context: &mut LoadContext<'_>,
    ) -> Result<SpriteSheet, RecipeLoadError> {
        let path = context.path().without_label().clone_owned();
        let files = self.roots.files(&path);
        let stamps = files.as_ref().map(Files::stamps);
        let result = self.sheet(reader, &path, stamps, context).await;
        let outcome = match &result {
            Ok(sheet) => Ok((sheet.recipe.clone(), sheet.bake)),
            Err(error) => Err(error.to_string()),
        };
        self.overseer.saw(Seen { path, files, stamps, outcome });
        result
    }

    fn extensions(&self) -> &[&str] {
        &[RECIPE_EXTENSION]
    }
}

impl SpriteSheetLoader {
    async fn sheet(
        &self,
        reader: &mut dyn Reader,
        path: &AssetPath<'static>,
        stamps: Option<Stamps>,
        context: &mut LoadContext<'_>,
    ) -> Result<SpriteSheet, RecipeLoadError> {
        let baked = baked_file(path.path()).ok_or_else(|| RecipeLoadError::Name { path: path.clone() })?;
        let baked = AssetPath::from_path_buf(baked).with_source(path.source().clone_owned()).into_owned();
        let recipe = Request::from_recipe(&read_at_most(reader, MAX_RECIPE_BYTES).await?)?;
        let broken = |reason: String| RecipeLoadError::Png { baked: baked.clone(), reason };
        if stamps.is_some_and(|stamps| stamps.baked_bytes() > MAX_FILE_BYTES as u64) {
            return Err(broken(format!("it has more than {MAX_FILE_BYTES} bytes")));
        }
        let found = match context.read_asset_bytes(baked.clone()).await {
            Ok(png) if self.overseer.is_placeholder(&png, &recipe) => None,
            Ok(png) => Some(png),
            Err(ReadAssetBytesError::AssetReaderError(error)) if is_missing(&error) => None,
            Err(error) => return Err(broken(error.to_string())),
        };
        let (png, bake) = match (found, self.overseer.placeholder(&recipe)) {
            (Some(png), _) => {
                png_limits::check(&png).map_err(|e| broken(e.to_string()))?;
                let bake = self.overseer.state(&png, &recipe).map_err(&broken)?;
                (png, bake)
            }
            (None, Some(placeholder)) => (placeholder, BakeState::Missing),
            (None, None) => {
                let folder = self.roots.of(path.source()).map_or_else(|| "DIR".to_owned(), |f| f.display().to_string());
                return Err(RecipeLoadError::NotBaked { baked: baked.to_string(), folder });
            }
        };
        let picture = decode(&png).map_err(broken)?;
        let size = UVec2::new(picture.width(), picture.height());
        let (cell_px, grid) = cells(size, recipe.size_px);
        let layout = TextureAtlasLayout::from_grid(cell_px, grid.x, grid.y, None, None);
        Ok(SpriteSheet {
            image: context.add_labeled_asset(IMAGE_LABEL, image(picture)),
            layout: context.add_labeled_asset(LAYOUT_LABEL, layout),
            cell_px,
            cells: grid.element_product(),
            recipe,
            bake,
        })
    }
}

fn is_missing(error: &AssetReaderError) -> bool {
    match error {
        AssetReaderError::NotFound(_) | AssetReaderError::HttpError(404) => true,
        AssetReaderError::Io(error) => error.kind() == io::ErrorKind::NotFound,
        AssetReaderError::HttpError(_) => false,
    }
}

fn decode(png: &[u8]) -> Result<RgbaImage, String> {
    let reader = ImageReader::with_format(io::Cursor::new(png), ImageFormat::Png);
    reader.decode().map(DynamicImage::into_rgba8).map_err(|e| e.to_string())
}

fn image(picture: RgbaImage) -> Image {
    let mut image = Image::from_dynamic(DynamicImage::ImageRgba8(picture), true, RenderAssetUsages::default());
    image.sampler = ImageSampler::nearest();
    image
}

/// Edges of a cell, and columns and rows of them.
fn cells(size: UVec2, cell_px: u32) -> (UVec2, UVec2) {
    let divides = size.cmpgt(UVec2::ZERO).all() && (size % cell_px) == UVec2::ZERO;
    if divides { (UVec2::splat(cell_px), size / cell_px) } else { (size, UVec2::ONE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_divided_only_when_it_divides_evenly() {
        let cell = UVec2::splat(16);
        assert_eq!(cells(UVec2::new(16, 16), 16), (cell, UVec2::ONE));
        assert_eq!(cells(UVec2::new(64, 32), 16), (cell, UVec2::new(4, 2)));
        assert_eq!(cells(UVec2::new(24, 16), 16), (UVec2::new(24, 16), UVec2::ONE));
        assert_eq!(cells(UVec2::new(8, 8), 16), (UVec2::splat(8), UVec2::ONE));
    }
}
