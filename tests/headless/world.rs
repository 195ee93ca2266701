//! A small world without a window, run at 60 frames a second.

use std::path::Path;
use std::time::{Duration, Instant};

use bevy::asset::AssetPlugin;
use bevy::asset::io::memory::{Dir, MemoryAssetReader};
use bevy::asset::io::{AssetSourceBuilder, ErasedAssetReader};
use bevy::image::ImagePlugin;
use bevy::prelude::*;
use bevy_pixels_gen::PixelsGenPlugin;
use bevy_pixels_gen::generate::{EngineConfig, FakeBackend, GenJobs, GenerateSprite, GenerationDone, GenerationFailed};
use bevy_pixels_gen::pixgen_api::{DevicePreference, GenPath, Request};

pub(crate) const FRAME: Duration = Duration::from_micros(16_667);

/// Everything that came out of the jobs, and how often images changed.
#[derive(Resource, Default)]
pub(crate) struct Seen {
    pub(crate) done: Vec<GenerationDone>,
    pub(crate) failed: Vec<GenerationFailed>,
    pub(crate) modified: Vec<AssetId<Image>>,
}

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    /// With the embedded model.
    pub(crate) fn new() -> Self {
        Self::with(|_, _| ())
    }

    /// With the fake model.
    pub(crate) fn with_fake() -> Self {
        Self::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(1))
    }

    /// With the fake model over the files of an earlier game. Each denoising step takes `step`.
    pub(crate) fn with_fake_in(folder: tempfile::TempDir, step: Duration) -> Self {
        Self::with_fake_and(folder, step, |_| ())
    }

    /// The same in a game that has more in it.
    pub(crate) fn with_fake_and(folder: tempfile::TempDir, step: Duration, prepare: impl FnOnce(&mut App)) -> Self {
        Self::over(folder, |app, folder| {
            prepare(app);
            let config = EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("gen"))
                .with_loader(FakeBackend::loader(step));
            app.insert_resource(GenJobs::start(config).unwrap());
        })
    }

    /// With the fake model and a queue that survives a restart, as the plugin itself starts it.
    pub(crate) fn with_kept_queue(folder: tempfile::TempDir, step: Duration) -> Self {
        Self::over(folder, |app, folder| {
            let config = EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("gen"))
                .with_loader(FakeBackend::loader(step))
                .with_kept_queue();
            app.insert_resource(GenJobs::start(config).unwrap());
        })
    }

    /// With the fake model, and the folder behind `gen://` among the assets, as it is at first.
    pub(crate) fn with_gen_in_assets(folder: tempfile::TempDir, step: Duration) -> Self {
        Self::over_all(
            folder,
            "assets/gen",
            |_| (),
            |app, folder| {
                let config =
                    EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("assets/gen"))
                        .with_loader(FakeBackend::loader(step));
                app.insert_resource(GenJobs::start(config).unwrap());
            },
        )
    }

    /// With the fake model, and recipes in `source`, where nothing can be written.
    pub(crate) fn with_source(folder: tempfile::TempDir, name: &'static str, source: Dir) -> Self {
        let builder = move || -> Box<dyn ErasedAssetReader> { Box::new(MemoryAssetReader { root: source.clone() }) };
        let register = |app: &mut App| _ = app.register_asset_source(name, AssetSourceBuilder::new(builder));
        Self::over_and(folder, register, |app, folder| {
            let config = EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("gen"))
                .with_loader(FakeBackend::loader(Duration::from_millis(5)));
            app.insert_resource(GenJobs::start(config).unwrap());
        })
    }

    fn with(prepare: impl FnOnce(&mut App, &Path)) -> Self {
        Self::over(tempfile::tempdir().unwrap(), prepare)
    }

    fn over(folder: tempfile::TempDir, prepare: impl FnOnce(&mut App, &Path)) -> Self {
        Self::over_and(folder, |_| (), prepare)
    }

    fn over_and(
        folder: tempfile::TempDir,
        begin: impl FnOnce(&mut App),
        prepare: impl FnOnce(&mut App, &Path),
    ) -> Self {
        Self::over_all(folder, "gen", begin, prepare)
    }

    fn over_all(
        folder: tempfile::TempDir,
        gen_dir: &str,
        begin: impl FnOnce(&mut App),
        prepare: impl FnOnce(&mut App, &Path),
    ) -> Self {
        crate::log::begin();
        let mut app = App::new();
        begin(&mut app);
        app.add_plugins((
            PixelsGenPlugin {
                gen_dir: folder.path().join(gen_dir),
                data_dir: folder.path().join(".pixgen"),
                model_dirs: vec![folder.path().join("models")],
                device: DevicePreference::Cpu,
                ..default()
            },
            MinimalPlugins,
            // No watcher: the feature is off.
            AssetPlugin { file_path: folder.path().join("assets").to_str().unwrap().to_owned(), ..default() },
            ImagePlugin::default(),
        ))
        .init_resource::<Seen>()
        .add_systems(
            Update,
            |mut seen: ResMut<Seen>,
             mut done: MessageReader<GenerationDone>,
             mut failed: MessageReader<GenerationFailed>| {
                seen.done.extend(done.read().cloned());
                seen.failed.extend(failed.read().cloned());
            },
        )
        .add_systems(Last, |mut seen: ResMut<Seen>, mut events: MessageReader<AssetEvent<Image>>| {
            seen.modified.extend(events.read().filter_map(|event| match event {
                AssetEvent::Modified { id } => Some(*id),
                _ => None,
            }));
        });
        prepare(&mut app, folder.path());
        app.finish();
        app.cleanup();
        Self { app, folder }
    }

    pub(crate) fn seen(&mut self) -> Mut<'_, Seen> {
        self.app.world_mut().resource_mut::<Seen>()
    }

    /// One frame, and the rest of its sixtieth of a second.
    pub(crate) fn frame(&mut self) {
        let start = Instant::now();
        self.app.update();
        std::thread::sleep(FRAME.saturating_sub(start.elapsed()));
    }

    /// Frames until `ready` gives something; fails after half a minute.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut ready: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(value) = ready(self) {
                return value;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "waited 30 s for {what}");
            self.frame();
        }
    }

    /// Spawns a sprite and waits until its image is there.
    pub(crate) fn spawn(&mut self, path: &str) -> (Entity, Handle<Image>) {
        let handle: Handle<Image> = self.app.world().resource::<AssetServer>().load(path.to_owned());
        let entity = self.app.world_mut().spawn(Sprite::from_image(handle.clone())).id();
        self.until("the sprite's first image", |world| world.image(&handle).map(|_| ()));
        (entity, handle)
    }

    /// Ends the game and gives its files back.
    pub(crate) fn close(self) -> tempfile::TempDir {
        drop(self.app);
        self.folder
    }

    /// Writes a file of the game; `path` is relative to its folder.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    /// Starts to load an asset.
    pub(crate) fn load<A: Asset>(&self, path: &str) -> Handle<A> {
        self.app.world().resource::<AssetServer>().load(path.to_owned())
    }

    /// An asset, if it is there.
    pub(crate) fn asset<A: Asset>(&self, handle: &Handle<A>) -> Option<&A> {
        self.app.world().resource::<Assets<A>>().get(handle)
    }

    pub(crate) fn image(&self, handle: &Handle<Image>) -> Option<Image> {
        self.app.world().resource::<Assets<Image>>().get(handle).cloned()
    }

    pub(crate) fn pixels(&self, handle: &Handle<Image>) -> Vec<u8> {
        self.image(handle).unwrap().data.unwrap()
    }

    /// Asks for a sprite. What was done before, as for recipes, is not what [`success`](Self::success) waits for.
    pub(crate) fn wish(&mut self, request: Request, target: &str) {
        self.seen().done.clear();
        let target = Some(GenPath::parse(target).unwrap());
        self.app.world_mut().write_message(GenerateSprite { request, target });
    }

    /// Waits until the panel shows an error that holds `expected`, and gives it.
    #[track_caller]
    pub(crate) fn panel_says(&mut self, expected: &str) -> String {
        self.until(expected, |world| {
            let jobs = world.app.world().resource::<GenJobs>();
            let failed = jobs.records().iter().filter_map(|record| record.error.as_deref());
            jobs.error().into_iter().chain(failed).find(|error| error.contains(expected)).map(str::to_owned)
        })
    }

    /// Waits for the next job to fail and gives its sentence.
    #[track_caller]
    pub(crate) fn failure(&mut self) -> String {
        self.until("a failure", |world| {
            let mut seen = world.seen();
            assert!(seen.done.is_empty(), "the job was done: {:?}", seen.done);
            seen.failed.pop().map(|failed| failed.error)
        })
    }

    /// Waits for the next job to be done.
    #[track_caller]
    pub(crate) fn success(&mut self) -> GenerationDone {
        self.until("a finished job", |world| {
            let mut seen = world.seen();
            assert!(seen.failed.is_empty(), "the job failed: {:?}", seen.failed);
            seen.done.pop()
        })
    }
}
