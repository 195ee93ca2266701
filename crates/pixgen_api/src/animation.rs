//! Several frames of one figure instead of one picture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Frames that are drawn together, so that they show the same figure: from one seed, with noise that changes little from
/// frame to frame and comes back to where it began, and with the first frame's keys and values in every frame's
/// self-attention ("cross-frame attention", Khachatryan et al. 2023, arXiv 2303.13439, section 3.3.2).
///
/// The result is one picture, the frames from left to right, all of the sprite's size, in one palette and on one ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Animation {
    /// Number of frames, 2 to [`MAX_ANIMATION_FRAMES`](crate::MAX_ANIMATION_FRAMES).
    pub frames: u32,
    /// What the figure does.
    pub motion: Motion,
    /// How long a frame is shown, in milliseconds, from 10 on: for previews and sidecars.
    pub frame_ms: u32,
    /// How far the frames may differ, 0 (not at all) to 1 (as far as pictures of different seeds): the part of the
    /// noise's variance that is a frame's own. `None` lets the motion decide.
    pub variation: Option<f32>,
    /// Whether what changes by a shade from frame to frame, without moving, is kept as it was: models paint every frame
    /// anew, and what stands still would shimmer. Blinking eyes and sparkles change more and stay.
    // A recipe that says nothing new is the same recipe: what is drawn for it is not stale.
    #[serde(skip_serializing_if = "is_true")]
    pub calm: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

impl Default for Animation {
    fn default() -> Self {
        Self { frames: 4, motion: Motion::default(), frame_ms: 150, variation: None, calm: true }
    }
}

impl Animation {
    /// [`variation`](Self::variation), or what the motion wants.
    #[must_use]
    pub fn resolved_variation(&self) -> f32 {
        self.variation.unwrap_or(match self.motion {
            Motion::Idle => 0.08,
            Motion::Walk => 0.25,
            Motion::Attack | Motion::Text(_) => 0.35,
        })
    }
}

/// What an animated figure does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// It stands and breathes.
    #[default]
    Idle,
    /// It walks on the spot.
    Walk,
    /// It strikes once.
    Attack,
    /// Something else, in English words: `jumping`, `casting a spell`.
    Text(String),
}

impl Motion {
    /// What the prompt gets in frame `frame` of `frames`. Models that were taught short captions are told the motion
    /// alone; with `phases` the frames are told apart.
    #[must_use]
    pub fn words(&self, frame: u32, frames: u32, phases: bool) -> String {
        let (motion, steps): (&str, &[&str]) = match self {
            Self::Idle => ("standing idle", &["breathing in", "breathing out"]),
            Self::Walk => (
                "walking",
                &["left foot forward", "legs passing each other", "right foot forward", "legs passing each other"],
            ),
            Self::Attack => {
                ("attacking", &["weapon raised", "swinging forward", "striking at full reach", "recovering"])
            }
            Self::Text(text) => (text.trim(), &[]),
        };
        // Phases are spread evenly: a strip of eight shows each of four twice in a row.
        let step = steps.get(frame as usize * steps.len() / frames.max(1) as usize).filter(|_| phases);
        step.map_or_else(|| motion.to_owned(), |step| format!("{motion}, {step}"))
    }
}

impl fmt::Display for Motion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Walk => "walk",
            Self::Attack => "attack",
            Self::Text(text) => text,
        })
    }
}

impl FromStr for Motion {
    type Err = std::convert::Infallible;

    /// `idle`, `walk` and `attack` are known; every other text is a motion in words.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let known = [Self::Idle, Self::Walk, Self::Attack];
        let found = known.into_iter().find(|motion| motion.to_string().eq_ignore_ascii_case(text));
        Ok(found.unwrap_or_else(|| Self::Text(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_are_read_from_words() {
        assert_eq!(" Walk".parse(), Ok(Motion::Walk));
        assert_eq!("casting a spell".parse(), Ok(Motion::Text("casting a spell".to_owned())));
    }

    #[test]
    fn recipes_from_before_calm_mean_the_same_and_are_written_the_same() {
        let read: Animation = ron::from_str("(frames: 6)").unwrap();
        assert!(read.calm && !ron::to_string(&read).unwrap().contains("calm"));
        let restless = Animation { calm: false, ..read };
        assert_eq!(ron::from_str::<Animation>(&ron::to_string(&restless).unwrap()).unwrap(), restless);
    }

    #[test]
    fn phases_are_spread_over_the_frames() {
        let words = |frame, frames| Motion::Walk.words(frame, frames, true);
        assert_eq!(words(0, 8), words(1, 8));
        assert_ne!(words(1, 8), words(2, 8));
        assert_eq!(words(3, 4), "walking, legs passing each other");
        assert_eq!(Motion::Walk.words(2, 4, false), "walking");
        assert_eq!(Motion::Text("flying".to_owned()).words(1, 2, true), "flying");
    }
}
