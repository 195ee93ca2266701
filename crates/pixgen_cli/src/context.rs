//! What every command works with: settings, styles, models and the printer.

use pixgen_api::{LoraRef, ModelRef};

use crate::config::Settings;
use crate::models;
use crate::printer::Printer;
use crate::style::Styles;

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// Settings with their origins.
    pub(crate) settings: Settings,
    /// All styles.
    pub(crate) styles: Styles,
    /// What writes to the terminal.
    pub(crate) printer: Printer,
}

impl Context {
    /// Reads settings; the flags win over what they say.
    pub(crate) fn new(settings: Settings, printer: Printer) -> Self {
        let styles = Styles::new(settings.path("styles_dir"));
        Self { settings, styles, printer }
    }

    /// The model of this name or path.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub(crate) fn model(&self, text: &str) -> anyhow::Result<ModelRef> {
        models::find(&self.settings.path("models_dir"), text)
    }

    /// The adapter of this name or path, with its weight behind a colon.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub(crate) fn lora(&self, text: &str) -> anyhow::Result<LoraRef> {
        models::find_lora(&self.settings.path("loras_dir"), text)
    }
}
