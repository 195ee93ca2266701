//! What the panel looks like: idle, busy, failed, comparing, looking back; at one and at two pixels for each point.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --workspace --test panel` draws the pictures anew. A picture that differs is
//! written to `target/panel-pictures`, to be looked at.

use std::path::Path;

use image::RgbaImage;

use super::compare::comparison;
use super::raster::Textures;
use super::support::*;

/// Largest difference of a channel that is no difference: other processors round otherwise.
const TOLERANCE: u8 = 16;
/// Share of pixels that may differ more than that.
const MAX_DIFFERENT: f32 = 0.001;

fn png(bytes: &[u8]) -> Pixels {
    let image = image::load_from_memory(bytes).unwrap().to_rgba8();
    Pixels { width_px: image.width(), height_px: image.height(), rgba: image.into_raw().into() }
}

/// A baked sprite of the playtest room.
macro_rules! baked {
    ($path:literal) => {
        png(include_bytes!(concat!("../../assets/gen/", $path, ".png")))
    };
}

/// Draws the panel twice, after `prepare` has used it, and compares with the pictures of before.
fn picture(name: &str, height: f32, view: &JobsView, prepare: impl Fn(&mut Harness<'_, Panel>)) {
    for scale in [1.0, 2.0] {
        let size = egui::vec2(344.0, height);
        let textures = Textures::default();
        let builder = Harness::builder().with_size(size).with_step_dt(1.0 / 60.0);
        let show = |ui: &mut egui::Ui, panel: &mut Panel| {
            egui::Frame::new().inner_margin(8.0).show(ui, |ui| Panel::show(ui, panel));
        };
        let mut harness = builder.renderer(textures.clone()).build_ui_state(show, Panel::new(view.clone()));
        harness.run_steps(3);
        prepare(&mut harness);
        harness.run_steps(4);
        harness.remove_cursor();
        // Afterwards: the harness clicks at places in pixels.
        harness.set_pixels_per_point(scale);
        harness.run_steps(2);
        harness.set_size(size);
        // Until everything has unfolded and nothing fades.
        harness.run_steps(40);
        let primitives = harness.ctx.tessellate(harness.output().shapes.clone(), scale);
        let image = textures.draw(&primitives, [size.x, size.y].map(|edge| (edge * scale) as u32), scale);
        check(&format!("{name}-{scale}x"), &image);
    }
}

fn check(name: &str, image: &RgbaImage) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let kept = root.join("tests/panel/pictures").join(format!("{name}.png"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
        image.save(&kept).unwrap();
        return;
    }
    let before = image::open(&kept).unwrap().to_rgba8();
    let is_different =
        |(a, b): (&image::Rgba<u8>, &image::Rgba<u8>)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > TOLERANCE);
    let different = image.pixels().zip(before.pixels()).filter(|pair| is_different(*pair)).count();
    let share = different as f32 / (image.width() * image.height()) as f32;
    if before.dimensions() == image.dimensions() && share <= MAX_DIFFERENT {
        return;
    }
    let folder = root.join("target/panel-pictures");
    std::fs::create_dir_all(&folder).unwrap();
    let new = folder.join(format!("{name}.png"));
    image.save(&new).unwrap();
    assert_eq!(different, 0, "pixels of {} are not as in {}: look at both", new.display(), kept.display());
}

fn drawn(hash: &str, prompt: &str, seed: u64, pixels: Pixels) -> SpriteView {
    SpriteView { size_px: [pixels.width_px, pixels.height_px], pixels, ..candidate(hash, prompt, seed) }
}

fn results() -> Vec<SpriteView> {
    vec![
        SpriteView { is_applied: true, ..drawn("a", "a knight", 7, baked!("hero/knight")) },
        drawn("b", "a skeleton", 8, baked!("monsters/skeleton")),
        drawn("c", "an ogre", 9, baked!("monsters/ogre")),
        drawn("d", "a potion", 10, baked!("items/potion")),
        drawn("e", "a sword", 11, baked!("weapons/sword")),
    ]
}

/// A room with a hero, of whom the panel knows how it was drawn.
fn room() -> JobsView {
    let hero = TargetView {
        current: Some(baked!("hero/knight")),
        request: Some(Arc::new(request("a knight", 7))),
        file: Some("history/a.png".into()),
        ..target(Some("Hero"), "hero/knight")
    };
    JobsView { targets: vec![hero], library: Arc::new(library()), ..JobsView::default() }
}

fn choose_hero(harness: &mut Harness<'_, Panel>) {
    harness.state_mut().state.target = Some(path("hero/knight"));
    harness.state_mut().state.request.kind = Kind::Character;
    harness.run_steps(3);
}

#[test]
fn idle() {
    picture("idle", 700.0, &room(), choose_hero);
}

#[test]
fn busy() {
    let running = JobView {
        preview: Some(baked!("monsters/slime")),
        image: 1,
        images_done: 1,
        eta_secs: Some(14.0),
        target: Some(path("hero/knight")),
        ..running(1)
    };
    let jobs = vec![
        running,
        JobView::queued(JobId(2), "a blue potion in a round flask, half empty, with a cork", 4),
        JobView::queued(JobId(3), "a key", 1),
    ];
    let view = JobsView { jobs, candidates: results(), can_undo: true, ..room() };
    picture("busy", 920.0, &view, |harness| {
        choose_hero(harness);
        harness.state_mut().state.request.prompt = "a (green:1.2) slime with large eyes".into();
        harness.state_mut().state.request.count = 4;
    });
}

#[test]
fn failed() {
    let error = "out of memory: the model's weights need 5.1 GiB and 3.0 GiB of memory are free: close other programs, or \
                 choose a smaller model";
    let job = JobView {
        state: JobState::Failed,
        error: Some(error.to_owned()),
        ..JobView::queued(JobId(3), "a castle on a hill", 1)
    };
    let message = "assets/gen/hero/knight.png could not be written: permission denied: check the folder's rights";
    let view = JobsView { jobs: vec![job], messages: vec![message.to_owned()], candidates: results(), ..room() };
    picture("failed", 860.0, &view, |harness| {
        choose_hero(harness);
        let request = &mut harness.state_mut().state.request;
        request.prompt = "a castle on a hill".into();
        request.size_px = 600;
    });
}

#[test]
fn comparing() {
    let mut comparison = comparison();
    comparison.cells[0].sprite = Some(drawn("a", "a knight", 7, baked!("hero/knight")));
    let view = JobsView { comparison: Some(comparison), ..room() };
    picture("comparing", 840.0, &view, |harness| {
        choose_hero(harness);
        click(harness, "Compare");
        harness.state_mut().state.request.prompt = "a knight with a red cape".into();
        click(harness, "What differs");
        click(harness, "schedulers");
        harness.get_by_role_and_label(egui::accesskit::Role::CheckBox, "UniPC").click();
    });
}

#[test]
fn history() {
    let history = HistoryView { sprites: results(), has_more: true, ..HistoryView::default() };
    picture("history", 500.0, &JobsView { history, can_undo: true, ..room() }, |harness| {
        choose_hero(harness);
        click(harness, "History");
    });
}

#[test]
fn settings() {
    let init_image = Some(FileView { path: "history/a.png".into(), content: Ok(baked!("hero/knight")) });
    let note = Some("sword.png was drawn with the model sd_xl_base_1.0: choose it, if you have it".to_owned());
    picture("settings", 1080.0, &JobsView { init_image, note, ..room() }, |harness| {
        choose_hero(harness);
        let request = &mut harness.state_mut().state.request;
        request.prompt = "a knight".into();
        request.init_image = Some("history/a.png".into());
        request.pixel_art.palette = PaletteSource::Named("pico-8".into());
        request.loras = vec!["models/loras/pixel-art-xl.safetensors:0.8".parse().unwrap()];
        request.model = ModelRef::File("models/sd_xl_base_1.0.safetensors".into());
        harness.run_steps(3);
        open(harness, "Colours");
        open(harness, "Model and LoRAs");
    });
}
