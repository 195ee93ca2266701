//! Whether a baked PNG is what its recipe asks for.
//!
//! Every PNG carries the hash of the request that it was drawn for. A recipe whose hash is another one has been edited
//! since: its bake is stale.

use std::collections::BTreeMap;

use pixgen_api::Request;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::files::hex;
use crate::{EngineError, Input, Provenance};

/// What a PNG beside a recipe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bake {
    /// Drawn for this very recipe.
    Fresh,
    /// Drawn for another recipe: this one has been edited.
    Stale,
    /// Not drawn by us, or painted over with a tool that dropped what we wrote into the file. It is somebody's work,
    /// and nothing replaces it unasked.
    ByHand,
}

/// A name for what a recipe asks for, whatever its layout and comments: SHA-256 in hexadecimal.
///
/// Only fields that differ from their default count, so that a new field with a neutral default makes no bake stale.
///
/// # Errors
/// When the request cannot be written down (its model folder is no UTF-8).
pub fn recipe_hash(request: &Request) -> Result<String, EngineError> {
    let value = |request: &Request| {
        serde_json::to_value(request)
            .map_err(|e| EngineError::Png { path: "the recipe's hash".to_owned(), reason: e.to_string() })
    };
    let mut fields = BTreeMap::new();
    differences("", &value(request)?, &value(&Request::default())?, &mut fields);
    let mut hasher = Sha256::new();
    for (name, value) in fields {
        hasher.update(format!("{name}={value}\n"));
    }
    Ok(hex(&hasher.finalize()))
}

/// Collects the fields of `value` that are not as in `default`, by their dotted names.
fn differences(name: &str, value: &Value, default: &Value, found: &mut BTreeMap<String, String>) {
    match (value, default) {
        (Value::Object(fields), Value::Object(defaults)) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                differences(&name, value, defaults.get(field).unwrap_or(&Value::Null), found);
            }
        }
        _ if value == default => {}
        _ => {
            found.insert(name.to_owned(), value.to_string());
        }
    }
}

/// What the PNG beside a recipe is. A request in it that cannot be read takes nothing away: what names its recipe was
/// drawn by us, anything else counts as somebody's work.
///
/// # Errors
/// When the bytes are no PNG.
pub fn bake_of(png: &[u8], recipe: &Request) -> Result<Bake, EngineError> {
    let drawn_for = Provenance::recipe_of(png)?;
    let is_named = drawn_for.as_deref() == Some(recipe_hash(recipe)?.as_str());
    match Provenance::request_of(png) {
        Ok(None) => Ok(Bake::ByHand),
        // The request that a PNG gives back is a recipe for it, too.
        Ok(Some(request)) => Ok(if is_named || request == *recipe { Bake::Fresh } else { Bake::Stale }),
        Err(_) if is_named => Ok(Bake::Fresh),
        Err(_) if drawn_for.is_some() => Ok(Bake::Stale),
        Err(error) => {
            tracing::warn!("what a sprite says of itself is damaged, it counts as painted by hand: {error}");
            Ok(Bake::ByHand)
        }
    }
}

/// The same with the files that the recipe names: `placed` is the recipe with its files at their places
/// ([`RecipeFolders::resolve`](crate::RecipeFolders::resolve)), `inputs` are these files as they are now
/// ([`HashCache::inputs_of`](crate::HashCache::inputs_of)). A file that has changed makes a sprite stale, as
/// an edit does.
///
/// # Errors
/// When the bytes are no PNG.
pub fn bake_with(png: &[u8], recipe: &Request, placed: &Request, inputs: &[Input]) -> Result<Bake, EngineError> {
    Ok(match bake_of(png, recipe)? {
        Bake::ByHand => Bake::ByHand,
        // What the panel or a command has drawn names its files at their places.
        Bake::Stale if bake_of(png, placed)? != Bake::Fresh => Bake::Stale,
        Bake::Fresh | Bake::Stale if has_other_inputs(png, inputs)? => Bake::Stale,
        Bake::Fresh | Bake::Stale => Bake::Fresh,
    })
}

/// A name for what a recipe asks for together with the files that it names: SHA-256 in hexadecimal. Under it the store
/// remembers sprites that cannot be put beside their recipe.
///
/// # Errors
/// As for [`recipe_hash`].
pub fn bake_key(recipe: &Request, inputs: &[Input]) -> Result<String, EngineError> {
    let mut hasher = Sha256::new();
    hasher.update(recipe_hash(recipe)?);
    for Input { role, name, sha256 } in inputs {
        hasher.update(format!("\n{role:?} {name} {sha256}"));
    }
    Ok(hex(&hasher.finalize()))
}

/// Whether a file that a sprite was drawn with has another content by now: `inputs` are the files as they are
/// ([`HashCache::inputs_of`](crate::HashCache::inputs_of)). One that is gone tells nothing.
///
/// # Errors
/// When the bytes are no PNG.
pub fn has_other_inputs(png: &[u8], inputs: &[Input]) -> Result<bool, EngineError> {
    let drawn_with = Provenance::inputs_of(png)?;
    let is_like = |a: &Input, b: &Input| (a.role, &a.name) == (b.role, &b.name);
    Ok(inputs.iter().any(|now| drawn_with.iter().any(|then| is_like(now, then)) && !drawn_with.contains(now)))
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;
    use pixgen_api::{Kind, PixelArt};

    use super::*;

    #[test]
    fn a_hash_follows_every_field_and_no_default() {
        let recipe = Request::new(Kind::Item, "a blue potion");
        let hash = |request: &Request| recipe_hash(request).unwrap();
        assert_eq!(hash(&recipe), hash(&recipe.clone()));
        let others = [
            Request { seed: Some(1), ..recipe.clone() },
            Request { kind: Kind::Icon, ..recipe.clone() },
            Request { pixel_art: PixelArt { colors: Some(8), ..PixelArt::default() }, ..recipe.clone() },
            Request { pixel_art: PixelArt { colors: None, ..PixelArt::default() }, ..recipe.clone() },
            Request { model: pixgen_api::ModelRef::Folder("m".into()), ..recipe.clone() },
            Request { prompt: "a blue potion\nseed=1".to_owned(), ..recipe.clone() },
        ];
        let all: std::collections::BTreeSet<_> = others.iter().chain([&recipe]).map(hash).collect();
        assert_eq!(all.len(), others.len() + 1);
        // Written down once: a change of this line makes every bake of every game stale.
        assert_eq!(hash(&recipe)[..16], *"5b26e878a50bc644");
    }

    #[test]
    fn a_png_says_which_recipe_it_was_drawn_for() {
        let recipe = Request::new(Kind::Item, "a blue potion");
        let filled = Request { seed: Some(9), steps: Some(8), ..recipe.clone() };
        let provenance = Provenance {
            request: filled.clone(),
            model: "m".to_owned(),
            native_size_px: 2,
            inputs: Vec::new(),
            recipe: Some(recipe_hash(&recipe).unwrap()),
        };
        let sprite = RgbaImage::new(2, 2);
        let png = provenance.encode(&sprite).unwrap();
        assert_eq!(bake_of(&png, &recipe).unwrap(), Bake::Fresh);
        assert_eq!(bake_of(&png, &filled).unwrap(), Bake::Fresh, "the way back");
        assert_eq!(bake_of(&png, &Request::new(Kind::Item, "a red potion")).unwrap(), Bake::Stale);
        let png = Provenance { recipe: None, ..provenance }.encode(&sprite).unwrap();
        assert_eq!(bake_of(&png, &recipe).unwrap(), Bake::Stale);

        let mut painted = std::io::Cursor::new(Vec::new());
        sprite.write_to(&mut painted, image::ImageFormat::Png).unwrap();
        assert_eq!(bake_of(painted.get_ref(), &recipe).unwrap(), Bake::ByHand);
        assert!(bake_of(b"<html>", &recipe).is_err());
    }

    #[test]
    fn a_file_with_another_content_makes_a_sprite_stale_and_one_that_is_gone_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("two.hex");
        std::fs::write(&file, "ff0000").unwrap();
        let palette = PixelArt { palette: pixgen_api::PaletteSource::File(file.clone()), ..PixelArt::default() };
        let request = Request { pixel_art: palette, ..Request::new(Kind::Item, "x") };
        let hashes = crate::HashCache::default();
        let inputs = hashes.inputs_of(&request, &|| false).unwrap();
        let provenance =
            Provenance { request: request.clone(), model: String::new(), native_size_px: 1, inputs, recipe: None };
        let png = provenance.encode(&RgbaImage::new(1, 1)).unwrap();
        // Drawn from the panel, which has written the file's place for the recipe's `two.hex`.
        let palette = PixelArt { palette: pixgen_api::PaletteSource::File("two.hex".into()), ..PixelArt::default() };
        let recipe = Request { pixel_art: palette, ..request.clone() };
        let is_stale = || {
            let inputs = hashes.inputs_of(&request, &|| false).unwrap();
            let is_stale = has_other_inputs(&png, &inputs).unwrap();
            let expected = if is_stale { Bake::Stale } else { Bake::Fresh };
            assert_eq!(bake_with(&png, &recipe, &request, &inputs).unwrap(), expected);
            assert_eq!(bake_with(&png, &recipe, &recipe, &inputs).unwrap(), Bake::Stale, "another recipe");
            is_stale
        };
        assert!(!is_stale());
        std::fs::write(&file, "00ff00\n").unwrap();
        assert!(is_stale());
        std::fs::remove_file(&file).unwrap();
        assert!(!is_stale());
    }

    #[test]
    fn a_request_that_cannot_be_read_takes_no_sprite_away() {
        let recipe = Request::new(Kind::Item, "a blue potion");
        let png = |texts: &[(&str, &str)]| {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
            for (keyword, text) in texts {
                encoder.add_itxt_chunk((*keyword).to_owned(), (*text).to_owned()).unwrap();
            }
            encoder.write_header().unwrap().write_image_data(&[0]).unwrap();
            bytes
        };
        let damaged = ("pixgen_request", "(prompt: \"a blue po");
        let hash = recipe_hash(&recipe).unwrap();
        assert!(Provenance::request_of(&png(&[damaged])).is_err());
        assert_eq!(bake_of(&png(&[damaged]), &recipe).unwrap(), Bake::ByHand);
        assert_eq!(bake_of(&png(&[damaged, ("pixgen_recipe", "another")]), &recipe).unwrap(), Bake::Stale);
        assert_eq!(bake_of(&png(&[damaged, ("pixgen_recipe", &hash)]), &recipe).unwrap(), Bake::Fresh);
    }
}
