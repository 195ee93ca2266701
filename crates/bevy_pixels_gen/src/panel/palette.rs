//! Which colours the sprite may have: palettes with their swatches, a file, the number of colours, dithering.

use egui::{Align, Color32, ComboBox, DragValue, Layout, Mesh, Painter, Rect, Response, Sense, Ui, Vec2, pos2, vec2};
use pixgen_api::{Dither, MAX_COLORS, MIN_COLORS, PaletteSource, PixelArt};

use super::fields::{choice, number, path_field, percent};
use super::look::{self, field, two_columns};
use super::{JobsView, LibraryView, PanelState};

/// Swatches in one row of a strip.
const COLUMNS: usize = 32;
/// Place of a palette's swatches in the list, in points.
const LIST_STRIP_PT: Vec2 = Vec2::new(112.0, 16.0);
/// Height of one row of swatches under the list, in points.
const ROW_PT: f32 = 14.0;

/// The palette, under its heading.
pub(super) fn palette_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView) {
    let summary = summary(&state.request.pixel_art);
    look::heading(ui, "colours", "Colours", &summary, |ui| {
        let art = &mut state.request.pixel_art;
        field(ui, "Palette", |ui| list(ui, &mut art.palette, &view.library));
        swatches_ui(ui, &art.palette, view);
        if let Some(path) =
            path_field(ui, &mut state.palette_text, "Palette file", "or a file: colours.hex, .gpl, .png")
        {
            art.palette = PaletteSource::File(path);
        }
        two_columns(ui, |left, right| {
            left.add_enabled_ui(art.palette == PaletteSource::Own, |ui| {
                field(ui, "Number of colours", |ui| colors(ui, &mut art.colors));
            });
            field(right, "Dithering", |ui| dithering(ui, &mut art.dither));
        });
        if art.dither != Dither::None {
            field(ui, "Strength of dithering", |ui| {
                percent(ui, &mut art.dither_strength, 0.0, "Strength of dithering")
            });
        }
    });
}

fn summary(art: &PixelArt) -> String {
    match (&art.palette, art.colors) {
        (PaletteSource::Own, Some(colors)) => format!("at most {colors}"),
        (PaletteSource::Own, None) => "all".to_owned(),
        (source, _) => name(source),
    }
}

/// What the list calls a palette.
pub(super) fn name(source: &PaletteSource) -> String {
    match source {
        PaletteSource::Own => "the picture's own".to_owned(),
        PaletteSource::Auto => "as few as look the same".to_owned(),
        PaletteSource::Named(name) => name.clone(),
        PaletteSource::File(path) => look::file_name(path),
        PaletteSource::Colors(colors) => format!("{} given colours", colors.len()),
    }
}

fn list(ui: &mut Ui, source: &mut PaletteSource, library: &LibraryView) -> Response {
    let combo = ComboBox::from_id_salt("palette").selected_text(name(source)).width(ui.available_width()).truncate();
    let shown = combo.show_ui(ui, |ui| {
        ui.set_min_width(260.0);
        for plain in [PaletteSource::Own, PaletteSource::Auto] {
            let text = name(&plain);
            ui.selectable_value(source, plain, text);
        }
        // What was chosen by path or came with a PNG stays on the list while it is chosen.
        if matches!(source, PaletteSource::File(_) | PaletteSource::Colors(_)) {
            let text = name(source);
            let _ = ui.selectable_label(true, text);
        }
        for palette in &library.palettes {
            line(ui, source, palette);
        }
    });
    shown.response
}

/// A palette of the list: its name, and its swatches at the right end.
fn line(ui: &mut Ui, source: &mut PaletteSource, palette: &super::PaletteChoice) {
    let size = vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        let (rect, _) = ui.allocate_exact_size(LIST_STRIP_PT, Sense::hover());
        paint_swatches(ui.painter(), rect, &palette.colors);
        let text = Layout::left_to_right(Align::Center).with_main_align(Align::Min).with_main_justify(true);
        ui.with_layout(text, |ui| {
            let value = PaletteSource::Named(palette.name.clone());
            ui.selectable_value(source, value, &palette.name).on_hover_text(&palette.origin);
        });
    });
}

/// The colours of the chosen palette, or why its file cannot be used.
fn swatches_ui(ui: &mut Ui, source: &PaletteSource, view: &JobsView) {
    let colors: Vec<[u8; 3]> = match source {
        PaletteSource::Own | PaletteSource::Auto => return,
        PaletteSource::Colors(colors) => colors.iter().map(|color| color.0).collect(),
        PaletteSource::Named(name) => {
            let known = view.library.palettes.iter().find(|palette| palette.name.eq_ignore_ascii_case(name));
            match known {
                Some(palette) => palette.colors.clone(),
                None => {
                    look::warning(ui, format!("There is no palette \u{201c}{name}\u{201d}: choose one from the list."));
                    return;
                }
            }
        }
        PaletteSource::File(path) => match view.palette_file.as_ref().filter(|file| file.path == *path) {
            None => return,
            Some(file) => match &file.content {
                Ok(colors) => colors.clone(),
                Err(error) => {
                    look::warning(ui, look::sentence(error));
                    return;
                }
            },
        },
    };
    let height = ROW_PT * colors.len().div_ceil(COLUMNS) as f32;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    paint_swatches(ui.painter(), rect, &colors);
    response.on_hover_text(format!("{} colours", colors.len()));
}

/// Fills `rect` with colours, in rows of the same number.
pub(super) fn paint_swatches(painter: &Painter, rect: Rect, colors: &[[u8; 3]]) {
    if colors.is_empty() {
        return;
    }
    let columns = colors.len().min(COLUMNS);
    let rows = colors.len().div_ceil(columns);
    let cell = vec2(rect.width() / columns as f32, rect.height() / rows as f32);
    let mut mesh = Mesh::default();
    for (index, [r, g, b]) in colors.iter().enumerate() {
        // On whole pixels, and from edge to edge, so that no line of the ground shows between two colours.
        let edge = |i: usize, step: f32, start: f32| (start + i as f32 * step).round();
        let (column, row) = (index % columns, index / columns);
        let min = pos2(edge(column, cell.x, rect.left()), edge(row, cell.y, rect.top()));
        let max = pos2(edge(column + 1, cell.x, rect.left()), edge(row + 1, cell.y, rect.top()));
        mesh.add_colored_rect(Rect::from_min_max(min, max), Color32::from_rgb(*r, *g, *b));
    }
    painter.add(mesh);
}

/// The most colours, or all of them.
fn colors(ui: &mut Ui, value: &mut Option<u32>) -> Response {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let mut is_limited = value.is_some();
        let limit = look::named_checkbox(ui, &mut is_limited, "Limit colours");
        if limit.changed() {
            *value = if is_limited { PixelArt::for_generation().colors } else { None };
        }
        match value {
            Some(colors) => {
                number(ui, DragValue::new(colors).range(MIN_COLORS..=MAX_COLORS).speed(0.1).prefix("at most "))
            }
            None => ui.label("all"),
        }
    })
    .inner
}

fn dithering(ui: &mut Ui, value: &mut Dither) -> Response {
    let text = |dither: Dither| match dither {
        Dither::None => "none",
        Dither::Bayer2 => "Bayer 2 × 2",
        Dither::Bayer4 => "Bayer 4 × 4",
        Dither::Bayer8 => "Bayer 8 × 8",
        Dither::BlueNoise => "blue noise",
        Dither::FloydSteinberg => "Floyd–Steinberg",
        Dither::Atkinson => "Atkinson",
    };
    choice(ui, "dithering", value, &Dither::ALL.map(|dither| (dither, text(dither).to_owned())))
}
