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
use super::overseer::{Overseer, Wish};
use super::{BakeState, IMAGE_LABEL, LAYOUT_LABEL, SpriteSheet};
use crate::png_limits::{self, MAX_FILE_BYTES, read_at_most};

/// Why a recipe gives no sprite.
#[derive(Debug, Error)]
pub enum RecipeLoadError {
    /// The recipe's text is wrong.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// It names a file that is none of its business, or one that cannot be read.
    #[error("{0}")]
    Files(String),
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
        "the sprite of this recipe has not been baked: {baked} does not exist; run `dgx-pixels bake {folder}`, or use \
         a build with the feature `generate`"
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
    pub(super) look: Look,
    pub(super) outcome: Result<Found, String>,
}

/// A look at a recipe.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) path: AssetPath<'static>,
    #[cfg_attr(not(feature = "generate"), expect(dead_code, reason = "only a generator looks at it"))]
    pub(super) files: Option<Files>,
    /// How the files looked before they were read: whatever is written later looks different.
    pub(super) stamps: Option<Stamps>,
}

/// A good recipe.
#[cfg_attr(not(feature = "generate"), expect(dead_code, reason = "only a generator looks at it"))]
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What it asks for.
    pub(super) wish: Wish,
    pub(super) bake: BakeState,
    /// Its sprite's name in the history, where that is not beside it but was drawn in an earlier run.
    pub(super) remembered: Option<String>,
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
        let mut look = Look { path, stamps: files.as_ref().map(Files::stamps), files };
        let result = self.sheet(reader, &mut look, context).await;
        let (result, outcome) = match result {
            Ok((sheet, found)) => (Ok(sheet), Ok(found)),
            Err(error) => {
                let outcome = Err(error.to_string());
                (Err(error), outcome)
            }
        };
        self.overseer.saw(Seen { look, outcome });
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
        look: &mut Look,
        context: &mut LoadContext<'_>,
    ) -> Result<(SpriteSheet, Found), RecipeLoadError> {
        let path = look.path.clone();
        let baked = baked_file(path.path()).ok_or_else(|| RecipeLoadError::Name { path: path.clone() })?;
        let baked = AssetPath::from_path_buf(baked).with_source(path.source().clone_owned()).into_owned();
        let recipe = Request::from_recipe(&read_at_most(reader, MAX_RECIPE_BYTES).await?)?;
        let wish = self.overseer.wish(&self.roots, look, &recipe).await.map_err(RecipeLoadError::Files)?;
        let broken = |reason: String| RecipeLoadError::Png { baked: baked.clone(), reason };
        if look.stamps.as_ref().is_some_and(|stamps| stamps.baked_bytes() > MAX_FILE_BYTES as u64) {
            return Err(broken(format!("it has more than {MAX_FILE_BYTES} bytes")));
        }
        let beside = match read_picture(context, &baked).await {
            Ok((png, _)) if self.overseer.is_placeholder(&png, &recipe) => None,
            Ok((png, picture)) => Some((picture, self.overseer.state(&png, &wish).map_err(broken)?)),
            Err(PictureError::Missing) => None,
            Err(PictureError::Broken(reason)) => return Err(broken(reason)),
        };
        let wants_another = beside.as_ref().is_none_or(|(_, bake)| *bake == BakeState::Stale);
        let remembered = if wants_another { self.overseer.remembered(&wish) } else { None };
        let (picture, bake, remembered) = match (remembered, beside, self.overseer.placeholder(&recipe)) {
            (Some((hash, png)), ..) => (decode(&png).map_err(broken)?, BakeState::Fresh, Some(hash)),
            (None, Some((picture, bake)), _) => (picture, bake, None),
            (None, None, Some(placeholder)) => (decode(&placeholder).map_err(broken)?, BakeState::Missing, None),
            (None, None, None) => {
                let folder = self.roots.of(path.source()).map_or_else(|| "DIR".to_owned(), |f| f.display().to_string());
                return Err(RecipeLoadError::NotBaked { baked: baked.to_string(), folder });
            }
        };
        let size = UVec2::new(picture.width(), picture.height());
        let (cell_px, grid) = cells(size, recipe.size_px);
        let layout = TextureAtlasLayout::from_grid(cell_px, grid.x, grid.y, None, None);
        let sheet = SpriteSheet {
            image: context.add_labeled_asset(IMAGE_LABEL, crisp(picture)),
            layout: context.add_labeled_asset(LAYOUT_LABEL, layout),
            cell_px,
            cells: grid.element_product(),
            recipe,
            bake,
            frames: None,
        };
        Ok((sheet, Found { wish, bake, remembered }))
    }
}

/// Why there is no picture.
pub(super) enum PictureError {
    /// There is no such file.
    Missing,
    /// It cannot be read, for this reason.
    Broken(String),
}

/// A PNG, as a file and as pixels.
pub(super) async fn read_picture(
    context: &mut LoadContext<'_>,
    png: &AssetPath<'static>,
) -> Result<(Vec<u8>, RgbaImage), PictureError> {
    let bytes = match context.read_asset_bytes(png.clone()).await {
        Ok(bytes) => bytes,
        Err(ReadAssetBytesError::AssetReaderError(error)) if is_missing(&error) => return Err(PictureError::Missing),
        Err(error) => return Err(PictureError::Broken(error.to_string())),
    };
    png_limits::check(&bytes).map_err(|error| PictureError::Broken(error.to_string()))?;
    let picture = decode(&bytes).map_err(PictureError::Broken)?;
    Ok((bytes, picture))
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

/// A picture that stays crisp, whatever the game's default sampler is.
pub(super) fn crisp(picture: RgbaImage) -> Image {
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
