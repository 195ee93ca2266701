//! What the game says to the generator, and what the generator says to the game.

use bevy::prelude::*;
use pixgen_api::{GenPath, Generated, JobId, Request};

/// Write this to have a sprite drawn.
#[derive(Message, Clone, Debug)]
pub struct GenerateSprite {
    /// What to draw.
    pub request: Request,
    /// The sprite that gets the first image; `None` only fills the history.
    pub target: Option<GenPath>,
}

/// A job's turn has come. Jobs that were asked for by message get their number to the game in this way.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct GenerationStarted {
    /// The job.
    pub job: JobId,
    /// The sprite that is to be drawn.
    pub target: Option<GenPath>,
}

/// A denoising step is done.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct GenerationProgress {
    /// The job.
    pub job: JobId,
    /// Image of the job, from 0.
    pub image: u32,
    /// Steps done, from 1.
    pub step: u32,
    /// Steps of each image.
    pub steps: u32,
}

/// All images of a job are finished. The new pixels are in `Assets<Image>` a frame or two later.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct GenerationDone {
    /// The job.
    pub job: JobId,
    /// The sprite that shows the first image.
    pub target: Option<GenPath>,
    /// The images.
    pub images: Vec<Generated>,
}

/// A job ended with an error; the game goes on with the sprite that it had. Of a series whose later image failed, the
/// first image stays.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct GenerationFailed {
    /// The job.
    pub job: JobId,
    /// The sprite that was to be drawn.
    pub target: Option<GenPath>,
    /// What went wrong and what to do.
    pub error: String,
}

/// A job was cancelled.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct GenerationCancelled {
    /// The job.
    pub job: JobId,
}

/// An entity's sprite was replaced; triggered on every entity that shows it with a `Sprite` or `SpriteMesh` and, with the
/// feature `materials`, with a `ColorMaterial` or as the tileset of a `TilemapChunk`. Others (UI images, materials of
/// one's own) follow `AssetEvent::Modified` of the image.
#[derive(EntityEvent, Clone, Debug)]
pub struct SpriteGenerated {
    /// The entity that shows it.
    pub entity: Entity,
    /// Its file: the PNG below `gen://`, or that of a recipe among the other assets.
    pub path: GenPath,
}
