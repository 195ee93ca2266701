//! The configuration file: TOML, one `key = value` a line.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::KEYS;
use crate::exit::{OrUsage, usage};
use crate::nearest::unknown;

/// The settings in a file as text. One that is not there is empty, unless the user named it.
///
/// # Errors
/// When it cannot be read, is no TOML, or holds a key that is no setting.
pub(super) fn read(path: &Path, is_named: bool) -> anyhow::Result<BTreeMap<String, String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).or_usage_in(path.display()),
    };
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse().or_usage()?;
    let mut entries = BTreeMap::new();
    for (name, value) in table {
        let known = KEYS.map(|key| key.name);
        if !known.contains(&name.as_str()) {
            return Err(usage(unknown("setting", &name, &known)));
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(yes) => yes.to_string(),
            other => {
                let found = other.type_str();
                return Err(usage(format!(
                    "{name} is a {found}, expected a text in quotes, a whole number, true or false"
                )));
            }
        };
        entries.insert(name, value);
    }
    Ok(entries)
}

/// A file with every setting, commented out.
pub(crate) fn template(defaults: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::from(
        "# dgx-pixels: flags win over environment variables, those over this file. Take a # away to set something.\n",
    );
    for key in KEYS {
        let example = defaults(key.name).unwrap_or_else(|| match key.name {
            "size" | "jobs" => "32".to_owned(),
            "style" => "16bit".to_owned(),
            _ => "embedded".to_owned(),
        });
        let value = toml::Value::from(example.as_str());
        let value = example.parse::<i64>().map_or(value, toml::Value::from);
        let value = example.parse::<bool>().map_or(value, toml::Value::from);
        text.push_str(&format!("\n# {}\n# {} = {value}\n", key.about, key.name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in
            [("sise = 3", "did you mean \"size\"?"), ("size = [3]", "size is a array"), ("size = ", "line 1")]
        {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_template_is_a_valid_file_with_every_key() {
        let text = template(|_| None).replace("# ", "").replace("dgx-pixels: ", "# ");
        let lines: Vec<_> = text.lines().filter(|line| line.contains(" = ")).collect();
        assert_eq!(parse(&lines.join("\n")).unwrap().len(), KEYS.len());
    }
}
