//! Where the files that a recipe or a picture's settings name may lie: both may come from somebody else, and must not be a
//! way to have any file of the computer opened, or one of another computer.

use std::fs;
use std::path::{Component, Path, PathBuf};

use pixgen_api::{ModelRef, PaletteSource, Request};

use crate::EngineError;

/// The folders of one recipe, or of one picture. A file that it names is looked for in the folder in which it lies, in the
/// folder of all assets, and in the folders of models, in this order.
#[derive(Clone, Debug)]
pub struct RecipeFolders {
    /// The folder of all assets.
    root: PathBuf,
    /// The recipe's folder, below `root`.
    here: PathBuf,
    /// Folders of models.
    models: Vec<PathBuf>,
    /// Files and folders that the user has named.
    named: Vec<PathBuf>,
}

impl RecipeFolders {
    /// The folders of the recipe that lies at `recipe` below `root`.
    #[must_use]
    pub fn new(root: &Path, recipe: &Path, models: &[PathBuf]) -> Self {
        let here = recipe.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self { root: root.to_owned(), here, models: models.to_vec(), named: Vec::new() }
    }

    /// The folders of a recipe or picture, by the one rule for games and command lines: `roots` are the folders that may
    /// be the folder of all assets. The first in which `file` lies is it, else the file's own folder. So a recipe below
    /// `assets/gen` may name all assets of the game, however it is loaded.
    #[must_use]
    pub fn of_file(file: &Path, roots: &[&Path], models: &[PathBuf]) -> Self {
        let found = roots.iter().find_map(|root| Some((*root, file.strip_prefix(root).ok()?)));
        let own = || (file.parent().unwrap_or(Path::new("")), Path::new(file.file_name().unwrap_or_default()));
        let (root, below) = found.unwrap_or_else(own);
        Self::new(root, below, models)
    }

    /// The same with files and folders that the user has named: what a picture's settings name there may be opened, too.
    #[must_use]
    pub fn with_named(self, named: impl IntoIterator<Item = PathBuf>) -> Self {
        let named = named.into_iter().filter(|path| !path.as_os_str().is_empty());
        Self { named: self.named.into_iter().chain(named).collect(), ..self }
    }

    /// The request with every file at its place on the disk. A file that is nowhere gets the place where it should be.
    ///
    /// # Errors
    /// When a path is absolute, names a drive or another computer, or leads out of the folders, by `..` or by a link.
    pub fn resolve(&self, recipe: &Request) -> Result<Request, EngineError> {
        let mut request = recipe.clone();
        for (what, path) in paths_of(&mut request) {
            *path = self.place_of(what, path)?;
        }
        Ok(request)
    }

    /// The settings that a picture brings along, with those of their files that may be opened, each at its place; the
    /// others are left out, and the second value says why, each with what to do. Nothing outside these folders is looked
    /// at: the picture may come from anybody.
    ///
    /// A path from the root of a disk may be opened in all of these folders and where the user has
    /// [named](Self::with_named) it, any other is looked for as a recipe's, and at last in the folders that the user has
    /// named.
    #[must_use]
    pub fn admit(&self, request: &Request) -> (Request, Vec<EngineError>) {
        self.admit_or(request, &|_, _| None)
    }

    /// The same where something else may take a file's place: `instead` is asked with what the file is for and where it
    /// is, if it may be opened.
    pub(crate) fn admit_or(
        &self,
        request: &Request,
        instead: &dyn Fn(&'static str, Option<&Path>) -> Option<PathBuf>,
    ) -> (Request, Vec<EngineError>) {
        let mut admitted = request.clone();
        let refused = admit_each(&mut admitted, |what, path| {
            let place = self.place_in_settings(what, path);
            instead(what, place.as_deref().ok()).map_or(place, Ok)
        });
        (admitted, refused)
    }

    fn place_in_settings(&self, what: &'static str, path: &Path) -> Result<PathBuf, EngineError> {
        let is_plain = !path.components().any(|part| part == Component::ParentDir);
        let holds = |folder: &PathBuf| path.starts_with(folder);
        if is_plain && path.is_absolute() && self.models.iter().any(holds) {
            return Ok(path.to_owned());
        }
        if is_plain && path.is_absolute() && holds(&self.root) {
            return self.inside_root(what, path.to_owned());
        }
        if is_plain && path.is_absolute() && self.named.iter().any(holds) {
            return Ok(path.to_owned());
        }
        let place = self.place_of(what, path).map_err(|error| match error {
            EngineError::OutsidePath { what, path, reason } => EngineError::ForeignPath { what, path, reason },
            error => error,
        })?;
        let mut named = self.named.iter().filter_map(|folder| Some(folder.join(inside(path)?)));
        if fs::symlink_metadata(&place).is_ok() {
            return Ok(place);
        }
        Ok(named.find(|named| fs::symlink_metadata(named).is_ok()).unwrap_or(place))
    }

    /// The other way round: the request with paths that a recipe may hold, each of which names the same file. Those that
    /// are written so already stay.
    ///
    /// # Errors
    /// When a file lies in none of the folders, or another file of its name comes before it.
    pub fn relative(&self, request: &Request) -> Result<Request, EngineError> {
        let mut recipe = request.clone();
        for (what, path) in paths_of(&mut recipe) {
            if path.is_relative() && self.place_of(what, path).is_ok_and(|place| place.exists()) {
                continue;
            }
            let below = |folder: &Path| path.strip_prefix(folder).ok().map(Path::to_owned);
            // As people on every system write it.
            let written = |path: PathBuf| PathBuf::from(path.to_string_lossy().replace('\\', "/"));
            let up = "../".repeat(self.here.components().count());
            let from_root = below(&self.root);
            let mut ways = below(&self.root.join(&self.here))
                .into_iter()
                .chain(from_root.clone())
                .chain(from_root.map(|path| Path::new(&up).join(path)))
                .chain(self.models.iter().filter_map(|folder| below(folder)))
                .map(written);
            let is_it = |way: &PathBuf| self.place_of(what, way).is_ok_and(|place| is_same_file(&place, path));
            let found = ways.find(is_it).ok_or_else(|| {
                refused(what, path, "lies in none of them, or another file of its name comes first there")
            })?;
            *path = found;
        }
        Ok(recipe)
    }

    fn place_of(&self, what: &'static str, path: &Path) -> Result<PathBuf, EngineError> {
        let refused = |reason| refused(what, path, reason);
        let text = path.to_string_lossy().replace('\\', "/");
        // Every system's ways out are closed on every system: assets travel.
        let starts_with_drive =
            text.as_bytes().get(1) == Some(&b':') && text.starts_with(|c: char| c.is_ascii_alphabetic());
        if text.starts_with("//") {
            return Err(refused("is a path on another computer"));
        }
        if text.starts_with('/') {
            return Err(refused("is absolute"));
        }
        if starts_with_drive {
            return Err(refused("names a drive"));
        }
        if text.contains(':') || text.chars().any(char::is_control) {
            return Err(refused("holds a character that no file name has everywhere"));
        }
        let in_assets = [inside(&self.here.join(&text)), inside(Path::new(&text))];
        let in_assets: Vec<_> = in_assets.into_iter().flatten().map(|path| self.root.join(path)).collect();
        let in_models = inside(Path::new(&text)).into_iter();
        let in_models = in_models.flat_map(|path| self.models.iter().map(move |folder| (folder, path.clone())));
        // As people write it who stand beside the folder: `models/loras/pixel.safetensors`.
        let beside = |folder: &Path, path: &Path| folder.parent().map(|parent| parent.join(path));
        let in_models = in_models.flat_map(|(folder, path)| {
            let named = beside(folder, &path).filter(|place| place.starts_with(folder));
            std::iter::once(folder.join(&path)).chain(named)
        });
        let mut places = in_assets.iter().cloned().chain(in_models);
        let Some(first) = places.next() else { return Err(refused("leads out of the game's assets with `..`")) };
        let exists = |place: &PathBuf| fs::symlink_metadata(place).is_ok();
        let place = if exists(&first) { first } else { places.find(exists).unwrap_or(first) };
        // A link in a folder of models is the user's own; one among the assets may have come with them.
        if in_assets.contains(&place) { self.inside_root(what, place) } else { Ok(place) }
    }

    /// Refuses what lies among the assets by its name alone.
    fn inside_root(&self, what: &'static str, place: PathBuf) -> Result<PathBuf, EngineError> {
        match (self.root.canonicalize(), place.canonicalize()) {
            (Ok(root), Ok(real)) if !real.starts_with(&root) => {
                Err(refused(what, &place, "is a link that leads out of the game's assets"))
            }
            _ => Ok(place),
        }
    }
}

fn refused(what: &'static str, path: &Path, reason: &'static str) -> EngineError {
    EngineError::OutsidePath { what, path: path.to_owned(), reason }
}

/// Whether two paths name one file; the last part need not be there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The path without `.` and `..`; `None` when it leads out.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            Component::ParentDir if inside.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(inside)
}

/// Puts every file of a request at the place that `place` gives it, and leaves out those that it refuses.
fn admit_each(
    request: &mut Request,
    place: impl Fn(&'static str, &Path) -> Result<PathBuf, EngineError>,
) -> Vec<EngineError> {
    let mut refused = Vec::new();
    let mut admit = |what: &'static str, path: &mut PathBuf| match place(what, path) {
        Ok(place) => {
            *path = place;
            true
        }
        Err(error) => {
            refused.push(error);
            false
        }
    };
    if let ModelRef::Folder(path) | ModelRef::File(path) = &mut request.model
        && !admit("model", path)
    {
        request.model = ModelRef::default();
    }
    if let PaletteSource::File(path) = &mut request.pixel_art.palette
        && !admit("palette", path)
    {
        request.pixel_art.palette = Request::default().pixel_art.palette;
    }
    let had_init_image = request.init_image.is_some();
    for (what, path) in
        [("vae", &mut request.vae), ("init_image", &mut request.init_image), ("mask", &mut request.mask)]
    {
        path.take_if(|path| !admit(what, path));
    }
    request.loras.retain_mut(|lora| admit("LoRA", &mut lora.path));
    if had_init_image
        && request.init_image.is_none()
        && let Some(path) = request.mask.take()
    {
        refused.push(EngineError::ForeignPath { what: "mask", path, reason: "masks a picture that is refused" });
    }
    refused
}

/// Every file that a request names, and what each is.
fn paths_of(request: &mut Request) -> Vec<(&'static str, &mut PathBuf)> {
    let model = match &mut request.model {
        ModelRef::Embedded => None,
        ModelRef::Folder(path) | ModelRef::File(path) => Some(path),
    };
    let palette = match &mut request.pixel_art.palette {
        PaletteSource::File(path) => Some(path),
        PaletteSource::Own | PaletteSource::Auto | PaletteSource::Named(_) | PaletteSource::Colors(_) => None,
    };
    let single = [
        ("model", model),
        ("vae", request.vae.as_mut()),
        ("init_image", request.init_image.as_mut()),
        ("mask", request.mask.as_mut()),
        ("palette", palette),
    ];
    let single = single.into_iter().filter_map(|(what, path)| Some((what, path?)));
    single.chain(request.loras.iter_mut().map(|lora| ("LoRA", &mut lora.path))).collect()
}

/// Gives a request the paths of another one that names the same files in other words.
pub(crate) fn take_paths(request: &mut Request, other: &Request) {
    let mut other = other.clone();
    let theirs = paths_of(&mut other);
    let ours = paths_of(request);
    if ours.len() == theirs.len() {
        for ((_, path), (_, written)) in ours.into_iter().zip(theirs) {
            path.clone_from(written);
        }
    }
}

#[cfg(test)]
mod tests {
    use pixgen_api::{Kind, LoraRef, PixelArt};

    use super::*;

    /// A game with a recipe `hero/knight.sprite.ron`, and a folder beside it that is none of its business.
    fn game() -> (tempfile::TempDir, RecipeFolders) {
        let folder = tempfile::tempdir().unwrap();
        for file in ["assets/hero/ref.png", "assets/shared/ref2.png", "models/loras/pixel.safetensors", "secret.png"] {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "x").unwrap();
        }
        let models = [folder.path().join("models")];
        let folders = RecipeFolders::new(&folder.path().join("assets"), Path::new("hero/knight.sprite.ron"), &models);
        (folder, folders)
    }

    /// Requests that name one file, each in another field.
    fn all_fields(path: &str) -> Vec<(&'static str, Request)> {
        let plain = Request::new(Kind::Item, "x");
        let path = PathBuf::from(path);
        let palette = PixelArt { palette: PaletteSource::File(path.clone()), ..PixelArt::for_generation() };
        vec![
            ("model", Request { model: ModelRef::Folder(path.clone()), ..plain.clone() }),
            ("model", Request { model: ModelRef::File(path.clone()), ..plain.clone() }),
            ("vae", Request { vae: Some(path.clone()), ..plain.clone() }),
            ("init_image", Request { init_image: Some(path.clone()), ..plain.clone() }),
            ("mask", Request { mask: Some(path.clone()), ..plain.clone() }),
            ("palette", Request { pixel_art: palette, ..plain.clone() }),
            ("LoRA", Request { loras: vec![LoraRef { path, weight: 1.0 }], ..plain }),
        ]
    }

    #[test]
    fn every_way_out_is_closed_for_every_field() {
        let (folder, folders) = game();
        let absolute = folder.path().join("secret.png").display().to_string();
        for (path, expected) in [
            (absolute.as_str(), "is absolute"),
            ("/etc/passwd", "is absolute"),
            ("\\etc\\passwd", "is absolute"),
            ("../../secret.png", "leads out of the game's assets"),
            ("..\\..\\secret.png", "leads out of the game's assets"),
            ("a/../../../secret.png", "leads out of the game's assets"),
            ("C:\\secret.png", "names a drive"),
            ("c:secret.png", "names a drive"),
            ("\\\\server\\share\\x.png", "on another computer"),
            ("//server/share/x.png", "on another computer"),
            ("\\\\?\\C:\\x.png", "on another computer"),
            ("file:///etc/passwd", "holds a character"),
            ("a\0b", "holds a character"),
        ] {
            for (what, request) in all_fields(path) {
                let error = folders.resolve(&request).unwrap_err().to_string();
                assert!(error.contains(expected) && error.contains(what), "{path}: {error}");
                assert!(error.contains("put the file"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_written_into_a_recipe_names_the_same_file() {
        let (folder, folders) = game();
        for file in ["assets/ref.png", "assets/loras/pixel.safetensors"] {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "y").unwrap();
        }
        let written = |path: PathBuf| {
            let request = Request { init_image: Some(path), ..Request::default() };
            folders.relative(&request).map(|recipe| recipe.init_image.unwrap().display().to_string())
        };
        // There is another one beside the recipe, which a bare name would mean.
        assert_eq!(written(folder.path().join("assets/ref.png")).unwrap(), "../ref.png");
        assert_eq!(written(folder.path().join("assets/hero/ref.png")).unwrap(), "ref.png");
        // As a sprite's PNG has it that was drawn by a recipe.
        assert_eq!(written("ref.png".into()).unwrap(), "ref.png");
        let hidden = written(folder.path().join("models/loras/pixel.safetensors")).unwrap_err().to_string();
        assert!(hidden.contains("another file of its name comes first"), "{hidden}");
    }

    #[test]
    fn files_are_found_beside_the_recipe_among_the_assets_and_with_the_models() {
        let (folder, folders) = game();
        for (path, place) in [
            ("ref.png", "assets/hero/ref.png"),
            ("./ref.png", "assets/hero/ref.png"),
            ("../shared/ref2.png", "assets/shared/ref2.png"),
            ("shared/ref2.png", "assets/shared/ref2.png"),
            ("shared\\ref2.png", "assets/shared/ref2.png"),
            ("loras/pixel.safetensors", "models/loras/pixel.safetensors"),
            ("models/loras/pixel.safetensors", "models/loras/pixel.safetensors"),
            ("missing.png", "assets/hero/missing.png"),
        ] {
            for (_, request) in all_fields(path) {
                let mut found = folders.resolve(&request).unwrap();
                assert_eq!(*paths_of(&mut found).remove(0).1, folder.path().join(place), "{path}");
                let back = folders.relative(&found).unwrap();
                assert_eq!(folders.resolve(&back).unwrap(), found, "and back");
                let mut kept = found.clone();
                take_paths(&mut kept, &request);
                assert_eq!(kept, request);
            }
        }
        let outside = Request { init_image: Some(folder.path().join("secret.png")), ..Request::default() };
        assert!(folders.relative(&outside).unwrap_err().to_string().contains("lies in none of them"));
    }

    #[test]
    fn what_a_picture_brings_along_is_opened_in_the_folders_only_or_where_the_user_has_named_it() {
        let (folder, folders) = game();
        let place = |path: &str| folder.path().join(path);
        let admitted = |folders: &RecipeFolders, path: &str| {
            let all = all_fields(path).into_iter().map(|(what, request)| {
                let (mut admitted, refused) = folders.admit(&request);
                let path = paths_of(&mut admitted).first().map(|(_, path)| path.to_path_buf());
                assert_eq!(path.is_none(), !refused.is_empty());
                (what, path, refused.first().map(ToString::to_string))
            });
            all.collect::<Vec<_>>()
        };
        for (path, expected) in [
            ("ref.png", "assets/hero/ref.png"),
            ("../shared/ref2.png", "assets/shared/ref2.png"),
            ("missing.png", "assets/hero/missing.png"),
            ("models/loras/pixel.safetensors", "models/loras/pixel.safetensors"),
        ] {
            assert!(admitted(&folders, path).iter().all(|(_, found, _)| *found == Some(place(expected))), "{path}");
            // As what was drawn from the panel has it.
            let path = place(expected).display().to_string();
            assert!(admitted(&folders, &path).iter().all(|(_, found, _)| *found == Some(place(expected))), "{path}");
        }
        let secret = place("secret.png").display().to_string();
        let around = place("models/../secret.png").display().to_string();
        for (path, reason) in [
            (secret.as_str(), "is absolute"),
            (around.as_str(), "is absolute"),
            ("/etc/passwd", "is absolute"),
            ("../../secret.png", "leads out of the game's assets"),
            ("\\\\server\\share\\x.png", "is a path on another computer"),
            ("//server/share/x.png", "is a path on another computer"),
            ("C:\\secret.png", "names a drive"),
        ] {
            for (what, found, refused) in admitted(&folders, path) {
                let refused = refused.unwrap();
                assert_eq!(found, None);
                for expected in [what, path, reason, "choose it by hand"] {
                    assert!(refused.contains(expected), "{expected}: {refused}");
                }
            }
        }
        // The same by one whom the user has told so.
        let trusted =
            folders.clone().with_named([place("secret.png"), place("").join("assets/shared"), PathBuf::new()]);
        assert!(admitted(&trusted, &secret).iter().all(|(_, found, _)| *found == Some(place("secret.png"))));
        assert!(
            admitted(&trusted, "ref2.png").iter().all(|(_, found, _)| *found == Some(place("assets/shared/ref2.png")))
        );
        assert!(admitted(&trusted, "/etc/passwd").iter().all(|(_, found, _)| found.is_none()));
        // One file of several.
        let mut request =
            Request { init_image: Some(secret.into()), mask: Some("ref.png".into()), ..Request::default() };
        request.loras = ["/x.safetensors", "loras/pixel.safetensors"]
            .map(|path| LoraRef { path: path.into(), weight: 0.5 })
            .to_vec();
        let (admitted, refused) = folders.admit(&request);
        assert_eq!((admitted.init_image, admitted.mask), (None, None));
        // The picture, a LoRA, and the mask that has nothing to mask any more.
        assert_eq!(refused.len(), 3);
        assert!(refused.iter().any(|error| error.to_string().contains("masks a picture that is refused")));
        assert_eq!(admitted.loras.len(), 1);
        assert_eq!(admitted.loras[0].path, place("models/loras/pixel.safetensors"));
    }

    #[test]
    fn one_rule_tells_the_folder_of_all_assets() {
        let root = |file: &str, roots: &[&str]| {
            let roots: Vec<&Path> = roots.iter().map(Path::new).collect();
            let folders = RecipeFolders::of_file(Path::new(file), &roots, &[]);
            (folders.root, folders.here)
        };
        let game = ["/game/assets", "/game/assets/gen"];
        assert_eq!(root("/game/assets/gen/hero/a.png", &game), ("/game/assets".into(), "gen/hero".into()));
        assert_eq!(root("/game/drawn/a.png", &["/game/assets", "/game/drawn"]), ("/game/drawn".into(), "".into()));
        assert_eq!(root("/elsewhere/b/a.png", &game), ("/elsewhere/b".into(), "".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_among_the_assets_leads_nowhere_else_and_one_among_the_models_does() {
        let (folder, folders) = game();
        let link = |from: &str, to: &str| std::os::unix::fs::symlink(folder.path().join(to), folder.path().join(from));
        link("assets/hero/link.png", "secret.png").unwrap();
        link("assets/hero/friend.png", "assets/shared/ref2.png").unwrap();
        link("models/link.safetensors", "secret.png").unwrap();
        let named = |path: &str| folders.resolve(&Request { vae: Some(path.into()), ..Request::default() });
        assert!(named("link.png").unwrap_err().to_string().contains("is a link that leads out"));
        assert!(named("friend.png").is_ok() && named("link.safetensors").is_ok());
        let absolute = folder.path().join("assets/hero/link.png");
        let folders = folders.with_named([folder.path().join("assets/hero")]);
        let (admitted, refused) = folders.admit(&Request { init_image: Some(absolute), ..Request::default() });
        assert_eq!((admitted.init_image, refused.len()), (None, 1));
    }
}
