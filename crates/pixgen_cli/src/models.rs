//! Models by name: the embedded one, those in the models folder, and those that were added from elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pixgen_api::{LoraRef, ModelRef};

use crate::exit::{OrUsage, usage};
use crate::names::{make_folder, write_over};
use crate::nearest::unknown;

/// The name of the model that is compiled in.
pub(crate) const EMBEDDED: &str = "embedded";
/// The list of models that live elsewhere: `name = "path"` in TOML.
const LIST: &str = "models.toml";

/// A model under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its name.
    pub(crate) name: String,
    /// Its folder or file.
    pub(crate) path: PathBuf,
    /// Whether it was added from elsewhere, and is only named here.
    pub(crate) is_added: bool,
}

/// The models of a folder, by name.
///
/// # Errors
/// When the list of added models is damaged.
pub(crate) fn known(models_dir: &Path) -> anyhow::Result<Vec<Known>> {
    let added = read_list(models_dir)?;
    let mut models: BTreeMap<String, Known> = BTreeMap::new();
    for path in models_dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()) {
        for path in models_at(&path) {
            let inside = path.strip_prefix(models_dir).unwrap_or(&path).with_extension("");
            let name = inside.to_string_lossy().replace('\\', "/");
            models.insert(name.clone(), Known { name, path, is_added: false });
        }
    }
    for (name, path) in added {
        models.insert(name.clone(), Known { name, path: path.into(), is_added: true });
    }
    Ok(models.into_values().collect())
}

/// The model at a path of the models folder: a file, a folder in diffusers layout, or what a download made (a folder a
/// repository with a folder a commit in it).
fn models_at(path: &Path) -> Vec<PathBuf> {
    let is_model = |path: &Path| {
        let is_checkpoint = path.extension().is_some_and(|extension| extension == "safetensors") && path.is_file();
        is_checkpoint || path.join("model_index.json").is_file()
    };
    if is_model(path) {
        return vec![path.to_owned()];
    }
    let mut inside: Vec<_> = path.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    inside.sort();
    let deeper = |path: &PathBuf| path.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let candidates = inside.iter().cloned().chain(inside.iter().flat_map(deeper));
    candidates.filter(|path| is_model(path)).collect()
}

/// The model of this name or path.
///
/// # Errors
/// When there is none, with the nearest name.
pub(crate) fn find(models_dir: &Path, text: &str) -> anyhow::Result<ModelRef> {
    if text.eq_ignore_ascii_case(EMBEDDED) {
        return Ok(ModelRef::Embedded);
    }
    let known = known(models_dir)?;
    if let Some(model) = known.iter().find(|model| model.name == text) {
        return checked(&model.path);
    }
    let path = Path::new(text);
    if text.trim().is_empty() {
        return Err(usage("the model has no name: say embedded, a name of `dgx-pixels models list`, or a path"));
    }
    if path.exists() {
        return checked(path);
    }
    if path.components().count() > 1 || path.extension().is_some() {
        return Err(usage(format!(
            "there is no model at {text}: give a folder in diffusers layout or a .safetensors file"
        )));
    }
    let names: Vec<_> = std::iter::once(EMBEDDED).chain(known.iter().map(|model| model.name.as_str())).collect();
    Err(usage(format!("{}; or give the path of a folder or file", unknown("model", text, &names))))
}

/// A model by its path, if that may be one.
fn checked(path: &Path) -> anyhow::Result<ModelRef> {
    let place = path.display();
    if path.is_dir() && !["model_index.json", "unet"].iter().any(|part| path.join(part).exists()) {
        return Err(usage(format!(
            "there is no model in {place}: expected model_index.json with the folders unet, vae, text_encoder … beside \
             it (diffusers layout), or give a .safetensors file"
        )));
    }
    if !path.exists() {
        return Err(usage(format!(
            "the model that is known as {place} went away: bring it back, or forget it with `dgx-pixels models remove`"
        )));
    }
    Ok(reference(path))
}

/// A model by its path.
pub(crate) fn reference(path: &Path) -> ModelRef {
    if path.is_dir() { ModelRef::Folder(path.to_owned()) } else { ModelRef::File(path.to_owned()) }
}

/// The names of the adapters in a folder.
pub(crate) fn loras(loras_dir: &Path) -> Vec<String> {
    let files = loras_dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    let mut names: Vec<_> = files.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    names
}

/// The adapter of this name in a folder, or of this path, with its weight behind a colon.
///
/// # Errors
/// When there is none, with the nearest name.
pub(crate) fn find_lora(loras_dir: &Path, text: &str) -> anyhow::Result<LoraRef> {
    let lora: LoraRef = text.parse().map_err(usage)?;
    let named = loras_dir.join(&lora.path).with_extension("safetensors");
    let path = [named, lora.path.clone()].into_iter().find(|path| path.is_file());
    if let Some(path) = path {
        return Ok(LoraRef { path: std::path::absolute(path).or_usage()?, ..lora });
    }
    let names = loras(loras_dir);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (name, folder) = (lora.path.display().to_string(), loras_dir.display());
    Err(usage(format!("{} (names are those of .safetensors files in {folder})", unknown("LoRA", &name, &names))))
}

/// Gives a model that lives elsewhere a name.
///
/// # Errors
/// When the name is taken or no name, or there is nothing at the path.
pub(crate) fn add(models_dir: &Path, name: &str, path: &Path) -> anyhow::Result<()> {
    let is_name = !name.is_empty() && name != EMBEDDED && !name.contains(['/', '\\', ':']);
    if !is_name {
        return Err(usage(format!("\"{name}\" cannot be the name of a model: use letters, digits, - and _")));
    }
    if known(models_dir)?.iter().any(|model| model.name == name) {
        return Err(usage(format!("there is a model \"{name}\" already: choose another name, or remove it first")));
    }
    let path = std::path::absolute(path).or_usage()?;
    if !path.exists() {
        return Err(usage(format!("there is nothing at {}", path.display())));
    }
    let mut list = read_list(models_dir)?;
    list.insert(name.to_owned(), path.to_string_lossy().into_owned());
    write_list(models_dir, &list)
}

/// Forgets a model that was added, or removes the files of one that lies in the models folder. Returns what was
/// removed.
///
/// # Errors
/// When there is none of this name, or the disk refuses.
pub(crate) fn remove(models_dir: &Path, name: &str) -> anyhow::Result<Option<PathBuf>> {
    let known = known(models_dir)?;
    let Some(model) = known.iter().find(|model| model.name == name) else {
        let names: Vec<_> = known.iter().map(|model| model.name.as_str()).collect();
        return Err(usage(unknown("model", name, &names)));
    };
    if model.is_added {
        let mut list = read_list(models_dir)?;
        list.remove(name);
        write_list(models_dir, &list)?;
        return Ok(None);
    }
    let path = &model.path;
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.with_context(|| format!("removing {}", path.display()))?;
    Ok(Some(path.clone()))
}

fn read_list(models_dir: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = models_dir.join(LIST);
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).or_usage_in(path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).or_usage_in(path.display()),
    }
}

fn write_list(models_dir: &Path, list: &BTreeMap<String, String>) -> anyhow::Result<()> {
    make_folder(models_dir)?;
    write_over(&models_dir.join(LIST), toml::to_string(list)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_name_and_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        for file in
            ["models/one.safetensors", "models/two/model_index.json", "models/a--b/0123/model_index.json", "far"]
        {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        add(&models, "three", &folder.path().join("far")).unwrap();
        let names: Vec<_> = known(&models).unwrap().into_iter().map(|model| model.name).collect();
        assert_eq!(names, ["a--b/0123", "one", "three", "two"]);
        assert_eq!(find(&models, "Embedded").unwrap(), ModelRef::Embedded);
        assert_eq!(find(&models, "two").unwrap(), reference(&models.join("two")));
        let error = find(&models, &folder.path().to_string_lossy()).unwrap_err().to_string();
        assert!(error.contains("expected model_index.json"), "{error}");
        let far = folder.path().join("far");
        assert_eq!(find(&models, "three").unwrap(), reference(&far));
        assert_eq!(find(&models, &far.to_string_lossy()).unwrap(), reference(&far));
        let lora = find_lora(&models, "one:0.5").unwrap();
        assert_eq!((lora.weight, lora.path), (0.5, models.join("one.safetensors")));
        let error = find_lora(&models, "ones").unwrap_err().to_string();
        assert!(error.contains("did you mean \"one\"?"), "{error}");
        let error = find(&models, "thre").unwrap_err().to_string();
        assert!(error.contains("did you mean \"three\"?"), "{error}");
        assert!(add(&models, "two", folder.path()).is_err() && add(&models, "a/b", folder.path()).is_err());

        assert_eq!(remove(&models, "three").unwrap(), None);
        assert_eq!(remove(&models, "two").unwrap(), Some(models.join("two")));
        assert!(folder.path().join("far").exists() && !models.join("two").exists());
    }
}
