//! More or less weight for words of a prompt, in the grammar `(words:1.2)`.

use std::ops::Range;

/// What one press changes.
const STEP: f32 = 0.1;
/// Weights that make sense; beyond them pictures fall apart.
const WEIGHTS: std::ops::RangeInclusive<f32> = 0.1..=2.0;

/// What the help says of the grammar.
pub(super) const HELP: &[(&str, &str)] = &[
    ("(red cape)", "a little more of it"),
    ("(red cape:1.3)", "1.3 times as much"),
    ("[shadow]", "a little less of it"),
    ("\\(text\\)", "brackets that are only text"),
    ("BREAK", "what follows is read on its own"),
];

/// Gives the selected characters, or the word under the cursor, one step more weight (`up`) or less. Returns the text
/// and what is selected in it; `None` when there is no word.
pub(super) fn emphasize(text: &str, selection: Range<usize>, up: bool) -> Option<(String, Range<usize>)> {
    let chars: Vec<char> = text.chars().collect();
    let word = trimmed(&chars, if selection.is_empty() { word_at(&chars, selection.start)? } else { selection })?;
    let inner = inside_brackets(&chars, word);
    let (outer, weight) = match bracketed(&chars, &inner) {
        Some((outer, weight)) => (outer, weight),
        None => (inner.clone(), 1.0),
    };
    let stepped = if up { weight + STEP } else { weight - STEP };
    let weight = (stepped.clamp(*WEIGHTS.start(), *WEIGHTS.end()) * 10.0).round() / 10.0;
    let words: String = chars[inner].iter().collect();
    let is_neutral = (weight - 1.0).abs() < 0.05;
    let (new, before) = if is_neutral { (words.clone(), 0) } else { (format!("({words}:{weight:.1})"), 1) };
    let (head, tail): (String, String) = (chars[..outer.start].iter().collect(), chars[outer.end..].iter().collect());
    let start = outer.start + before;
    Some((format!("{head}{new}{tail}"), start..start + words.chars().count()))
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '\'')
}

/// The word that the cursor touches.
fn word_at(chars: &[char], cursor: usize) -> Option<Range<usize>> {
    let cursor = cursor.min(chars.len());
    let start = chars[..cursor].iter().rposition(|c| !is_of_a_word(*c)).map_or(0, |at| at + 1);
    let end = chars[cursor..].iter().position(|c| !is_of_a_word(*c)).map_or(chars.len(), |at| cursor + at);
    (start < end).then_some(start..end)
}

/// Without the blanks at both ends.
fn trimmed(chars: &[char], range: Range<usize>) -> Option<Range<usize>> {
    let range = range.start.min(chars.len())..range.end.min(chars.len());
    let start = range.clone().find(|at| !chars[*at].is_whitespace())?;
    let end = range.rev().find(|at| !chars[*at].is_whitespace())? + 1;
    Some(start..end)
}

/// Of a selection that takes the brackets with it, what is between them.
fn inside_brackets(chars: &[char], range: Range<usize>) -> Range<usize> {
    if chars[range.start] != '(' || chars[range.end - 1] != ')' {
        return range;
    }
    let Some(colon) = range.clone().rev().find(|at| chars[*at] == ':') else { return range };
    let inner = range.start + 1..colon;
    let is_plain = !inner.is_empty() && !chars[inner.clone()].iter().any(|c| matches!(c, '(' | ')'));
    match bracketed(chars, &inner) {
        Some((outer, _)) if outer == range && is_plain => inner,
        _ => range,
    }
}

/// The range of `(words:weight)` around `inner`, and the weight.
fn bracketed(chars: &[char], inner: &Range<usize>) -> Option<(Range<usize>, f32)> {
    let open = inner.start.checked_sub(1).filter(|at| chars[*at] == '(')?;
    if *chars.get(inner.end)? != ':' {
        return None;
    }
    let close = inner.end + 1 + chars[inner.end + 1..].iter().position(|c| *c == ')')?;
    let weight: String = chars[inner.end + 1..close].iter().collect();
    Some((open..close + 1, weight.trim().parse().ok().filter(|weight: &f32| weight.is_finite())?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The selection is written as `<…>`.
    fn press(text: &str, up: bool) -> Option<String> {
        let start = text.chars().position(|c| c == '<').unwrap();
        let end = text.chars().position(|c| c == '>').unwrap() - 1;
        let plain: String = text.chars().filter(|c| !"<>".contains(*c)).collect();
        let (text, selection) = emphasize(&plain, start..end, up)?;
        let mut chars: Vec<char> = text.chars().collect();
        chars.insert(selection.end, '>');
        chars.insert(selection.start, '<');
        Some(chars.into_iter().collect())
    }

    #[test]
    fn words_gain_and_lose_weight() {
        assert_eq!(press("a <red cape>, blue", true).unwrap(), "a (<red cape>:1.1), blue");
        assert_eq!(press("a (<red cape>:1.1), blue", true).unwrap(), "a (<red cape>:1.2), blue");
        assert_eq!(press("a <(red cape:1.2)>", false).unwrap(), "a (<red cape>:1.1)");
        assert_eq!(press("a (<red cape>:1.1), blue", false).unwrap(), "a <red cape>, blue");
        assert_eq!(press("a <red cape>", false).unwrap(), "a (<red cape>:0.9)");
        assert_eq!(press("a re<>d cape", true).unwrap(), "a (<red>:1.1) cape");
        assert_eq!(press("größ<>e", true).unwrap(), "(<größe>:1.1)");
        assert_eq!(press("a < knight >", true).unwrap(), "a  (<knight>:1.1) ");
    }

    #[test]
    fn weights_stay_in_range_and_odd_texts_are_left_alone() {
        assert_eq!(press("(<x>:2.0)", true).unwrap(), "(<x>:2.0)");
        assert_eq!(press("(<x>:0.1)", false).unwrap(), "(<x>:0.1)");
        assert_eq!(press("<>", true), None);
        assert_eq!(press("a , <>", true), None);
        assert_eq!(press("<(a)(b:1.1)>", true).unwrap(), "(<(a)(b:1.1)>:1.1)");
        assert_eq!(press("(<x>:nan)", true).unwrap(), "((<x>:1.1):nan)");
        assert_eq!(emphasize("ab", 5..9, true), None);
    }
}
