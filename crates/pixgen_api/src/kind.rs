//! What a sprite shows, and where it stands in its frame.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a sprite shows. The kind is part of what the model is told, and decides the defaults of the
/// pixel-art pass: a tile is opaque and fills its frame, a character is cut out and stands on its feet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person: knight, wizard, villager.
    Character,
    /// A hostile creature: slime, dragon, skeleton.
    Monster,
    /// An animal: cat, duck, horse.
    Animal,
    /// Something to pick up: potion, key, food.
    #[default]
    Item,
    /// Something to fight with: sword, bow, staff.
    Weapon,
    /// Something that stands in the world: chest, tree, barrel.
    Prop,
    /// Ground or wall that fills its whole square.
    Tile,
    /// An explosion, a slash, a puff of smoke.
    Effect,
    /// A flat symbol for an interface: skill, spell, status.
    Icon,
    /// A face.
    Portrait,
}

impl Kind {
    /// Every kind, in the order in which front ends list them.
    pub const ALL: [Self; 10] = [
        Self::Character,
        Self::Monster,
        Self::Animal,
        Self::Item,
        Self::Weapon,
        Self::Prop,
        Self::Tile,
        Self::Effect,
        Self::Icon,
        Self::Portrait,
    ];

    /// The lower-case word for this kind, as users type it and as the embedded model was taught it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Character => "character",
            Self::Monster => "monster",
            Self::Animal => "animal",
            Self::Item => "item",
            Self::Weapon => "weapon",
            Self::Prop => "prop",
            Self::Tile => "tile",
            Self::Effect => "effect",
            Self::Icon => "icon",
            Self::Portrait => "portrait",
        }
    }

    /// Whether such a sprite has a transparent background.
    #[must_use]
    pub fn is_cut_out(self) -> bool {
        !matches!(self, Self::Tile)
    }

    /// Where such a sprite stands in its frame.
    #[must_use]
    pub fn anchor(self) -> Anchor {
        match self {
            Self::Character | Self::Monster | Self::Animal => Anchor::Feet,
            Self::Item | Self::Weapon | Self::Prop | Self::Effect | Self::Icon | Self::Portrait => Anchor::Center,
            Self::Tile => Anchor::Keep,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.word()).collect();
            format!("\"{text}\" is no kind of sprite; use one of: {}", known.join(", "))
        })
    }
}

/// Where the drawn pixels are put inside the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Where the model drew them.
    #[default]
    Keep,
    /// In the middle of the frame.
    Center,
    /// In the middle from left to right, the lowest pixel one pixel above the lower edge.
    Feet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_word() {
        for kind in Kind::ALL {
            assert_eq!(kind.word().to_uppercase().parse::<Kind>(), Ok(kind));
        }
    }

    #[test]
    fn an_unknown_kind_names_the_known_ones() {
        let error = "spaceship".parse::<Kind>().unwrap_err();
        assert!(error.contains("spaceship") && error.contains("portrait"), "{error}");
    }
}
