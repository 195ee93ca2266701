//! Settings that outlive a command: flags win over environment variables, those over the configuration file, that over
//! the defaults. Every setting is one line of [`KEYS`].

mod file;
mod places;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use pixgen_api::DevicePreference;

use crate::exit::{OrUsage, usage};
pub(crate) use file::template;
pub(crate) use places::Places;

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name in the configuration file.
    pub(crate) name: &'static str,
    /// The environment variable that sets it.
    pub(crate) env: &'static str,
    /// The flag that sets it, where commands have one.
    pub(crate) flag: Option<&'static str>,
    /// What it does.
    pub(crate) about: &'static str,
}

/// Every setting, in the order in which `config show` lists them.
pub(crate) const KEYS: [Key; 10] = [
    Key {
        name: "model",
        env: "DGX_PIXELS_MODEL",
        flag: Some("--model"),
        about: "what draws: embedded, a name of `dgx-pixels models list`, a folder or a .safetensors file",
    },
    Key { name: "device", env: "DGX_PIXELS_DEVICE", flag: Some("--device"), about: "auto, cpu, cuda:0 or metal:0" },
    Key {
        name: "fp8_linear",
        env: "DGX_PIXELS_FP8_LINEAR",
        flag: None,
        about: "true: NVIDIA cards from RTX 40 on compute half of the products in eight bits, sooner and a little differently",
    },
    Key { name: "style", env: "DGX_PIXELS_STYLE", flag: Some("--style"), about: "a name of `dgx-pixels styles`" },
    Key { name: "size", env: "DGX_PIXELS_SIZE", flag: Some("--size"), about: "edge of a sprite in pixels" },
    Key {
        name: "output",
        env: "DGX_PIXELS_OUTPUT",
        flag: Some("--output"),
        about: "the folder that sprites are written to",
    },
    Key { name: "jobs", env: "DGX_PIXELS_JOBS", flag: Some("--jobs"), about: "lines of a batch drawn at once" },
    Key {
        name: "models_dir",
        env: "DGX_PIXELS_MODELS_DIR",
        flag: None,
        about: "where models are looked for and downloaded to",
    },
    Key { name: "loras_dir", env: "DGX_PIXELS_LORAS_DIR", flag: None, about: "where LoRAs are looked for by name" },
    Key { name: "styles_dir", env: "DGX_PIXELS_STYLES_DIR", flag: None, about: "where styles of your own are" },
];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// The configuration file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => write!(f, "default"),
        }
    }
}

/// The flags that are settings too.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SettingFlags {
    /// What draws: embedded, a name of `dgx-pixels models list`, a folder in diffusers layout, or a .safetensors
    /// checkpoint [default: the embedded model].
    #[arg(long, value_name = "MODEL", help_heading = "Model")]
    pub(crate) model: Option<String>,
    /// Where to draw: auto, cpu, cuda:0, metal:0 [default: auto].
    #[arg(long, value_name = "DEVICE", help_heading = "Model")]
    pub(crate) device: Option<String>,
    /// Prompt words, palette, size and outline under one name: see `dgx-pixels styles`.
    #[arg(long, value_name = "NAME", help_heading = "Look")]
    pub(crate) style: Option<String>,
    /// Edge of the sprite in pixels [default: 32].
    #[arg(long, value_name = "PX", help_heading = "Look")]
    pub(crate) size: Option<u32>,
}

/// All settings with their origins.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, (String, Origin)>,
    /// The configuration file that was read, or would be.
    pub(crate) file: PathBuf,
}

impl Settings {
    /// Reads file and environment, and puts what the command line says on top.
    ///
    /// # Errors
    /// When the file is damaged, or one named on purpose is not there.
    pub(crate) fn read(config: Option<&Path>, flags: &[(&'static str, Option<String>)]) -> anyhow::Result<Self> {
        let places = Places::find()?;
        let named = config.map(Path::to_owned).or_else(|| std::env::var_os("DGX_PIXELS_CONFIG").map(PathBuf::from));
        let file = named.clone().unwrap_or_else(|| places.config_file.clone());
        let entries = file::read(&file, named.is_some())?;
        let mut values = BTreeMap::new();
        for key in KEYS {
            let flag = flags.iter().find(|(name, _)| *name == key.name).and_then(|(_, value)| value.clone());
            let variable = variable(key.env)?;
            let value = match (flag, variable, entries.get(key.name)) {
                (Some(value), _, _) => Some((value, Origin::Flag(key.flag.unwrap_or_default()))),
                (None, Some(value), _) => Some((value, Origin::Environment(key.env))),
                (None, None, Some(value)) => Some((value.clone(), Origin::File(file.clone()))),
                (None, None, None) => places.default_of(key.name).map(|value| (value, Origin::Default)),
            };
            values.extend(value.map(|value| (key.name, value)));
        }
        Ok(Self { values, file })
    }

    /// A setting as text, with its origin; `None` where neither the user nor a default says anything.
    pub(crate) fn get(&self, name: &str) -> Option<&(String, Origin)> {
        self.values.get(name)
    }

    /// A setting as text, if the user set it anywhere.
    pub(crate) fn chosen(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|(_, origin)| *origin != Origin::Default).map(|(value, _)| value.as_str())
    }

    /// A whole number that the user set anywhere.
    ///
    /// # Errors
    /// When it is none, with the place where it was found.
    pub(crate) fn number(&self, name: &str) -> anyhow::Result<Option<u32>> {
        let Some((text, origin)) = self.get(name) else { return Ok(None) };
        let read = text.trim().parse::<u32>();
        read.map(Some).or_usage_in(format!("{name} is \"{text}\" ({origin}), expected a whole number"))
    }

    /// Whether linear layers compute with numbers of eight bits.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub(crate) fn fp8_linear(&self) -> anyhow::Result<bool> {
        let Some((text, origin)) = self.get("fp8_linear") else { return Ok(false) };
        let read = text.trim().to_lowercase().parse::<bool>();
        read.or_usage_in(format!("fp8_linear is \"{text}\" ({origin}), expected true or false"))
    }

    /// A folder or file; all those settings have a default.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.get(name).map(|(value, _)| PathBuf::from(value)).unwrap_or_default()
    }

    /// The device to draw on.
    ///
    /// # Errors
    /// When there is no such name.
    pub(crate) fn device(&self) -> anyhow::Result<DevicePreference> {
        let (text, origin) = self.get("device").context("the device has a default")?;
        parse_device(text).ok_or_else(|| {
            usage(format!("device is \"{text}\" ({origin}), expected auto, cpu, cuda:0 (any number) or metal:0"))
        })
    }
}

/// What an environment variable says; an empty one says nothing.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(found)) => {
            Err(usage(format!("{name} is {found:?}, which is no text: settings are UTF-8")))
        }
    }
}

/// `auto`, `cpu`, `cuda`, `cuda:1` …
fn parse_device(text: &str) -> Option<DevicePreference> {
    let text = text.trim().to_lowercase();
    let (name, index) = text.split_once(':').unwrap_or((&text, "0"));
    let index = index.parse().ok()?;
    match name {
        "auto" => Some(DevicePreference::Auto),
        "cpu" => Some(DevicePreference::Cpu),
        "cuda" => Some(DevicePreference::Cuda(index)),
        "metal" => Some(DevicePreference::Metal(index)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "size = 64\nmodel = \"sdxl\"\nfp8_linear = true\n").unwrap();
        let settings = Settings::read(Some(&file), &[("size", Some("16".to_owned()))]).unwrap();
        assert_eq!(settings.get("size"), Some(&("16".to_owned(), Origin::Flag("--size"))));
        assert_eq!(settings.get("model"), Some(&("sdxl".to_owned(), Origin::File(file))));
        assert_eq!(settings.get("device"), Some(&("auto".to_owned(), Origin::Default)));
        assert_eq!((settings.chosen("device"), settings.chosen("model")), (None, Some("sdxl")));
        assert_eq!(settings.number("size").unwrap(), Some(16));
        assert!(settings.fp8_linear().unwrap());
        let settings = Settings::read(None, &[("fp8_linear", Some("eight".to_owned()))]).unwrap();
        assert!(settings.fp8_linear().unwrap_err().to_string().contains("expected true or false"));
    }

    #[test]
    fn devices_are_read() {
        for (text, expected) in [
            ("auto", Some(DevicePreference::Auto)),
            ("CPU", Some(DevicePreference::Cpu)),
            ("cuda:3", Some(DevicePreference::Cuda(3))),
            ("metal", Some(DevicePreference::Metal(0))),
            ("cuda:x", None),
            ("tpu", None),
        ] {
            assert_eq!(parse_device(text), expected, "{text}");
        }
    }
}
