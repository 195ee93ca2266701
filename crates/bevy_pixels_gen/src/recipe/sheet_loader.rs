//! Loads a description of a sheet, `walk.sheet.ron`, and its image as a [`SpriteSheet`].

use std::io;

use bevy::asset::io::Reader;
use bevy::asset::{AssetLoader, AssetPath, LoadContext};
use bevy::prelude::*;
use pixgen_api::{MAX_RECIPE_BYTES, RecipeError, Request, SHEET_EXTENSION, SheetRect};
use thiserror::Error;

use super::loader::{PictureError, crisp, read_picture};
use super::{BakeState, IMAGE_LABEL, LAYOUT_LABEL, SpriteSheet};
use crate::png_limits::read_at_most;

/// Why a sheet cannot be loaded.
#[derive(Debug, Error)]
pub enum SheetLoadError {
    /// The description's text is wrong.
    #[error(transparent)]
    Description(#[from] RecipeError),
    /// The description could not be read.
    #[error("the sheet cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The image that it names cannot be read.
    #[error("the sheet's image {image} cannot be read: {reason}")]
    Image {
        /// The image.
        image: AssetPath<'static>,
        /// What is wrong with it.
        reason: String,
    },
    /// The image is another one than was described.
    #[error("the sheet is for an image of {}×{} px, {image} has {}×{}: export it again", wanted[0], wanted[1], found.x, found.y)]
    Size {
        /// The image.
        image: AssetPath<'static>,
        /// Columns and rows in the description.
        wanted: [u32; 2],
        /// Columns and rows of the image.
        found: UVec2,
    },
}

#[derive(TypePath)]
pub(super) struct SheetLoader;

impl AssetLoader for SheetLoader {
    type Asset = SpriteSheet;
    type Settings = ();
    type Error = SheetLoadError;

    async fn load(
        &self,
        reader: &mut dyn Reader,
        _: &(),
        context: &mut LoadContext<'_>,
    ) -> Result<SpriteSheet, SheetLoadError> {
        let bytes = read_at_most(reader, MAX_RECIPE_BYTES).await?;
        let frames = pixgen_api::SpriteSheet::from_file(&bytes)?;
        let here = context.path().clone_owned();
        let path = here.path().with_file_name(&frames.image);
        let image = AssetPath::from_path_buf(path).with_source(here.source().clone_owned());
        let broken = |reason: String| SheetLoadError::Image { image: image.clone(), reason };
        let picture = match read_picture(context, &image).await {
            Ok((_, picture)) => picture,
            Err(PictureError::Missing) => return Err(broken("it does not exist".to_owned())),
            Err(PictureError::Broken(reason)) => return Err(broken(reason)),
        };
        let found = UVec2::new(picture.width(), picture.height());
        if found.to_array() != frames.size_px {
            return Err(SheetLoadError::Size { image, wanted: frames.size_px, found });
        }
        let rect = |SheetRect { x, y, width, height }| URect::new(x, y, x + width, y + height);
        let textures = frames.frames.iter().map(|frame| rect(frame.rect_px)).collect::<Vec<_>>();
        let cells = textures.len() as u32;
        let cell_px = frames.frames.first().map_or(found, |frame| frame.source_px.into());
        Ok(SpriteSheet {
            image: context.add_labeled_asset(IMAGE_LABEL, crisp(picture)),
            layout: context.add_labeled_asset(LAYOUT_LABEL, TextureAtlasLayout { size: found, textures }),
            cell_px,
            cells,
            recipe: Request::default(),
            bake: BakeState::Unchecked,
            frames: Some(frames),
        })
    }

    fn extensions(&self) -> &[&str] {
        &[SHEET_EXTENSION]
    }
}
