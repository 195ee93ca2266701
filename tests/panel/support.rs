//! The panel in a harness, and data to show.

pub(crate) use std::path::PathBuf;
pub(crate) use std::sync::Arc;

pub(crate) use bevy_pixels_gen::panel::*;
pub(crate) use egui_kittest::Harness;
pub(crate) use egui_kittest::kittest::{NodeT, Queryable};
pub(crate) use pixgen_api::*;

/// The panel with what it is shown and everything it has asked for.
pub(crate) struct Panel {
    pub(crate) state: PanelState,
    pub(crate) view: JobsView,
    pub(crate) actions: Vec<PanelAction>,
}

impl Panel {
    pub(crate) fn new(view: JobsView) -> Self {
        Self { state: PanelState::with_dice(1), view, actions: Vec::new() }
    }

    pub(crate) fn show(ui: &mut egui::Ui, panel: &mut Self) {
        panel.actions.extend(panel_ui(ui, &mut panel.state, &panel.view));
    }
}

pub(crate) fn harness(view: JobsView) -> Harness<'static, Panel> {
    let builder = Harness::builder().with_size([336.0, 1100.0]).with_step_dt(1.0 / 60.0);
    let mut harness = builder.build_ui_state(Panel::show, Panel::new(view));
    harness.run_steps(3);
    harness
}

/// Clicks the widget with that name and returns everything the panel asked for since the last time.
pub(crate) fn click(harness: &mut Harness<'_, Panel>, name: &str) -> Vec<PanelAction> {
    harness.get_by_label(name).click();
    asked(harness)
}

/// Opens a part of the form and waits until it has unfolded.
pub(crate) fn open(harness: &mut Harness<'_, Panel>, heading: &str) {
    click(harness, heading);
    harness.run_steps(20);
}

/// What the panel asked for since the last time.
pub(crate) fn asked(harness: &mut Harness<'_, Panel>) -> Vec<PanelAction> {
    harness.run_steps(4);
    std::mem::take(&mut harness.state_mut().actions)
}

/// Types into the field with that name.
pub(crate) fn type_into(harness: &mut Harness<'_, Panel>, name: &str, text: &str) {
    harness.get_by_label(name).focus();
    harness.run_steps(2);
    harness.get_by_label(name).type_text(text);
    harness.run_steps(2);
}

pub(crate) fn type_prompt(harness: &mut Harness<'_, Panel>, text: &str) {
    type_into(harness, "Prompt", text);
}

pub(crate) fn is_enabled(harness: &Harness<'_, Panel>, name: &str) -> bool {
    !harness.get_by_label(name).accesskit_node().is_disabled()
}

pub(crate) fn path(text: &str) -> GenPath {
    GenPath::parse(text).unwrap()
}

pub(crate) fn sprite(edge_px: u32, value: u8) -> Pixels {
    let rgba = vec![value; (edge_px * edge_px * 4) as usize].into();
    Pixels { width_px: edge_px, height_px: edge_px, rgba }
}

pub(crate) fn request(prompt: &str, seed: u64) -> Request {
    Request { seed: Some(seed), ..Request::new(Kind::Character, prompt) }
}

pub(crate) fn candidate(hash: &str, prompt: &str, seed: u64) -> SpriteView {
    SpriteView {
        hash: hash.into(),
        file: PathBuf::from(format!("history/{hash}.png")),
        pixels: sprite(32, 90),
        size_px: [32, 32],
        request: Some(Arc::new(request(prompt, seed))),
        left_out: Vec::new(),
        is_applied: false,
    }
}

pub(crate) fn running(id: u64) -> JobView {
    JobView { state: JobState::Running, steps: 8, step: 3, ..JobView::queued(JobId(id), "a green slime", 4) }
}

pub(crate) fn target(name: Option<&str>, file: &str) -> TargetView {
    TargetView {
        path: path(file),
        current: Some(sprite(32, 70)),
        name: name.map(str::to_owned),
        request: None,
        left_out: Vec::new(),
        file: None,
        recipe: None,
    }
}

pub(crate) fn library() -> LibraryView {
    let model = |name: &str, model, note: &str| ModelChoice { name: name.into(), model, note: note.into() };
    let lora = |name: &str, note: &str| LoraChoice {
        name: name.into(),
        path: format!("models/loras/{name}.safetensors").into(),
        note: note.into(),
    };
    let palette = |name: &str, origin: &str, colors: &[u32]| PaletteChoice {
        name: name.into(),
        origin: origin.into(),
        colors: colors.iter().map(|c| [(c >> 16) as u8, (c >> 8) as u8, *c as u8]).collect(),
    };
    LibraryView {
        models: vec![
            model("sprite-tiny", ModelRef::Embedded, "built in"),
            model("sd_xl_base_1.0", ModelRef::File("models/sd_xl_base_1.0.safetensors".into()), "6.5 GiB"),
        ],
        loras: vec![lora("pixel-art-xl", "163 MiB"), lora("lcm-lora", "375 MiB")],
        palettes: vec![
            palette("game-boy", "Nintendo Game Boy (DMG)", &[0x0f380f, 0x306230, 0x8bac0f, 0x9bbc0f]),
            palette(
                "pico-8",
                "Lexaloffle PICO-8",
                &[
                    0x000000, 0x1d2b53, 0x7e2553, 0x008751, 0xab5236, 0x5f574f, 0xc2c3c7, 0xfff1e8, 0xff004d, 0xffa300,
                    0xffec27, 0x00e436, 0x29adff, 0x83769c, 0xff77a8, 0xffccaa,
                ],
            ),
        ],
        unusable: vec!["flux.safetensors is a Flux model, no SDXL".into()],
        folders: vec!["models".into()],
        searching: false,
    }
}

/// The texts that were copied by what was just done.
pub(crate) fn copied(harness: &mut Harness<'_, Panel>) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..4 {
        harness.step();
        texts.extend(harness.output().platform_output.commands.iter().filter_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            egui::OutputCommand::CopyImage(_) | egui::OutputCommand::OpenUrl(_) => None,
        }));
    }
    texts
}
