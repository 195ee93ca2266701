//! "Did you mean …": the known name that is nearest to a misspelt one.

/// Similarity below which a guess would only confuse, as clap has it for its subcommands.
const LEAST_SIMILARITY: f64 = 0.7;

/// The name that is most like `text`, if one is like it at all.
pub(crate) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let similarity = |name: &str| strsim::jaro_winkler(&text, &name.to_lowercase());
    let scored = names.into_iter().map(|name| (similarity(name), name));
    scored.filter(|(score, _)| *score >= LEAST_SIMILARITY).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// A sentence about a name that is not known: what was meant, or what there is.
pub(crate) fn unknown(what: &str, text: &str, names: &[&str]) -> String {
    match nearest(text, names.iter().copied()) {
        Some(name) => format!("there is no {what} \"{text}\": did you mean \"{name}\"?"),
        None if names.is_empty() => format!("there is no {what} \"{text}\", and no other"),
        None => format!("there is no {what} \"{text}\"; there are: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_a_stranger_is_not() {
        let names = ["8bit", "16bit", "gameboy"];
        assert_eq!(nearest("gmaeboy", names), Some("gameboy"));
        assert_eq!(nearest("16-bit", names), Some("16bit"));
        assert_eq!(nearest("watercolour", names), None);
        assert!(unknown("style", "watercolour", &names).contains("8bit, 16bit, gameboy"));
    }
}
