//! Changes a recipe's text to another request, and leaves what its author wrote besides as it is: comments, layout, the
//! order of the fields.

use std::ops::Range;
use std::path::Path;

use pixgen_api::Request;

use crate::EngineError;

/// The text of a recipe with the fields of `request`. Fields that say the same already are not touched, nor are those inside
/// a field that changes (`pixel_art: (…)`, the entries of a list that stays as long); fields that the text leaves out are
/// added at the end where they are not as by default.
///
/// # Errors
/// When the text is no recipe, or cannot be changed so that it reads as `request`: nothing is guessed.
pub fn rewrite_recipe(recipe: &Path, text: &str, request: &Request) -> Result<String, EngineError> {
    let failed = |reason: String| EngineError::RecipeText { recipe: recipe.to_owned(), reason };
    let before = Request::from_recipe(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    if before == *request {
        return Ok(text.to_owned());
    }
    let written = |request: &Request| ron::to_string(request).map_err(|error| failed(error.to_string()));
    let (wanted, found, default) = (written(request)?, written(&before)?, written(&Request::default())?);
    let said = Said { wanted: &wanted, found: &found, default: Some(&default) };
    // Inside of changed values first; where that does not come out right, they are written anew as a whole.
    for depth in [MAX_DEPTH, 0] {
        let mut changes = Vec::new();
        change_fields(text, 0..text.len(), said, depth, &mut changes)
            .ok_or_else(|| failed("it is no list of fields".to_owned()))?;
        // From the end, so that the places before stay where they are.
        changes.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mut new = text.to_owned();
        for (place, value) in changes {
            new.replace_range(place, &value);
        }
        if Request::from_recipe(new.as_bytes()).is_ok_and(|reads| reads == *request) {
            return Ok(new);
        }
    }
    Err(failed("it would not read as what was drawn".to_owned()))
}

/// Deepest value inside of which something is changed: a field of a list's entry.
const MAX_DEPTH: usize = 4;

/// Places in a text, and what is to stand there.
type Changes = Vec<(Range<usize>, String)>;

/// A value in the engine's own words: as it is to be, as it reads now, and by default where that is known.
#[derive(Clone, Copy)]
struct Said<'a> {
    wanted: &'a str,
    found: &'a str,
    default: Option<&'a str>,
}

/// Changes the fields of the struct that stands at `place`; `None` when there is none.
fn change_fields(text: &str, place: Range<usize>, said: Said<'_>, depth: usize, changes: &mut Changes) -> Option<()> {
    let there = Fields::find_at(text, place)?;
    let (wanted, found) = (values(said.wanted)?, values(said.found)?);
    let default = said.default.and_then(values).unwrap_or_default();
    let of = |all: &[(String, String)], name: &str| {
        all.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    };
    let mut added = Vec::new();
    for (name, value) in &wanted {
        let (before, default) = (of(&found, name), of(&default, name));
        if before.as_ref() == Some(value) {
            continue;
        }
        let inner = Said { wanted: value, found: before.as_deref().unwrap_or_default(), default: default.as_deref() };
        match there.all.iter().find(|field| text[field.name.clone()] == *name) {
            Some(field) => change_value(text, field.value.clone(), inner, depth, changes),
            None if default.as_ref() == Some(value) => {}
            None => added.push(format!("{name}: {value}")),
        }
    }
    if !added.is_empty() {
        changes.push(there.addition(text, &added));
    }
    Some(())
}

/// Changes what has to be changed of a value, or all of it.
fn change_value(text: &str, place: Range<usize>, said: Said<'_>, depth: usize, changes: &mut Changes) {
    let before = changes.len();
    if depth > 0 {
        if change_fields(text, place.clone(), said, depth - 1, changes).is_some() {
            return;
        }
        if let (Some(there), Some(wanted), Some(found)) =
            (elements(&text[place.clone()]), elements(said.wanted), elements(said.found))
            && there.len() == wanted.len()
            && there.len() == found.len()
        {
            for ((at, wanted), found) in there.into_iter().zip(wanted).zip(found) {
                let (wanted, found) = (&said.wanted[wanted], &said.found[found]);
                if wanted != found {
                    let at = at.start + place.start..at.end + place.start;
                    change_value(text, at, Said { wanted, found, default: None }, depth - 1, changes);
                }
            }
            return;
        }
        changes.truncate(before);
    }
    changes.push((place, said.wanted.to_owned()));
}

/// Names and values of the fields of a struct, as people write them.
fn values(written: &str) -> Option<Vec<(String, String)>> {
    let fields = Fields::find_at(written, 0..written.len())?;
    Some(fields.all.iter().map(|field| (written[field.name.clone()].to_owned(), value(written, field))).collect())
}

/// Where the entries of a list stand in its text.
fn elements(text: &str) -> Option<Vec<Range<usize>>> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_blank();
    scanner.take('[').then_some(())?;
    let mut all = Vec::new();
    loop {
        scanner.skip_blank();
        if scanner.take(']') {
            return Some(all);
        }
        all.push(scanner.value().filter(|value| !value.is_empty())?);
        scanner.skip_blank();
        scanner.take(',');
    }
}

/// The text of a field's value, as people write it.
fn value(text: &str, field: &Field) -> String {
    let value = &text[field.value.clone()];
    value.strip_prefix("Some(").and_then(|inner| inner.strip_suffix(')')).unwrap_or(value).to_owned()
}

/// Where a field stands.
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// The outermost fields of a RON struct.
struct Fields {
    all: Vec<Field>,
    /// Behind the last value, or behind the opening bracket.
    end: usize,
    /// Whether a comma is there already.
    has_comma: bool,
}

impl Fields {
    /// Finds the fields of the struct at `place` in a text that is known to be RON.
    fn find_at(text: &str, place: Range<usize>) -> Option<Self> {
        let mut scanner = Scanner { text: &text[..place.end], at: place.start };
        scanner.skip_attributes();
        scanner.skip_blank();
        scanner.name(); // a struct may be called by its name
        scanner.skip_blank();
        scanner.take('(').then_some(())?;
        let mut fields = Self { all: Vec::new(), end: scanner.at, has_comma: true };
        loop {
            scanner.skip_blank();
            if scanner.take(')') {
                return Some(fields);
            }
            let name = scanner.name();
            scanner.skip_blank();
            if name.is_empty() || !scanner.take(':') {
                return None;
            }
            scanner.skip_blank();
            let value = scanner.value()?;
            fields.end = value.end;
            fields.all.push(Field { name, value });
            scanner.skip_blank();
            fields.has_comma = scanner.take(',');
            if fields.has_comma {
                fields.end = scanner.at;
            }
        }
    }

    /// Where new fields go and what is written there: each on a line like the last one's, or behind it on its line.
    fn addition(&self, text: &str, added: &[String]) -> (Range<usize>, String) {
        let comma = if self.has_comma { "" } else { "," };
        let line_of = |at: usize| text[..at].rfind('\n').map(|newline| &text[newline + 1..at]);
        let indent = self.all.last().and_then(|last| line_of(last.name.start));
        let indent = indent.filter(|before| before.chars().all(char::is_whitespace));
        let new = match indent {
            Some(indent) => {
                let lines = added.iter().map(|field| format!("\n{indent}{field},"));
                lines.collect::<String>()
            }
            None => format!(" {}", added.join(", ")),
        };
        // A comment at the end of the last line belongs to it.
        let rest = &text[self.end..];
        let line = rest.find('\n').unwrap_or(rest.len());
        let has_comment = indent.is_some() && rest[..line].trim_start().starts_with("//");
        let until = self.end + if has_comment { line } else { 0 };
        (self.end..until, format!("{comma}{}{new}", &text[self.end..until]))
    }
}

/// Goes through a text of RON.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += if is_there { wanted.len_utf8() } else { 0 };
        is_there
    }

    /// White space and comments.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += 2;
                let mut depth = 1_usize;
                while depth > 0 && !self.rest().is_empty() {
                    let (step, change) = match self.rest() {
                        rest if rest.starts_with("*/") => (2, -1),
                        rest if rest.starts_with("/*") => (2, 1),
                        rest => (rest.chars().next().map_or(1, char::len_utf8), 0),
                    };
                    self.at += step;
                    depth = depth.saturating_add_signed(change);
                }
            } else {
                return;
            }
        }
    }

    /// `#![enable(implicit_some)]`
    fn skip_attributes(&mut self) {
        self.skip_blank();
        while self.rest().starts_with("#!") {
            self.at += self.rest().find(']').map_or(self.rest().len(), |end| end + 1);
            self.skip_blank();
        }
    }

    /// A name, which may be empty.
    fn name(&mut self) -> Range<usize> {
        let start = self.at;
        let length = self.rest().find(|c: char| !c.is_alphanumeric() && c != '_');
        self.at += length.unwrap_or(self.rest().len());
        start..self.at
    }

    /// A value up to the comma or bracket behind it.
    fn value(&mut self) -> Option<Range<usize>> {
        let (start, mut end, mut depth) = (self.at, self.at, 0_usize);
        loop {
            self.skip_blank();
            match self.peek()? {
                ',' if depth == 0 => return Some(start..end),
                ')' | ']' | '}' if depth == 0 => return Some(start..end),
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                '"' => {
                    self.string();
                    end = self.at;
                    continue;
                }
                'r' if self.raw_string() => {
                    end = self.at;
                    continue;
                }
                _ => {}
            }
            self.at += self.peek()?.len_utf8();
            end = self.at;
        }
    }

    fn string(&mut self) {
        let mut is_escaped = false;
        let mut characters = self.rest().char_indices().skip(1);
        let length = characters.find(|(_, c)| {
            let ends = *c == '"' && !is_escaped;
            is_escaped = *c == '\\' && !is_escaped;
            ends
        });
        self.at += length.map_or(self.rest().len(), |(at, _)| at + 1);
    }

    /// `r#"…"#`
    fn raw_string(&mut self) -> bool {
        let hashes = self.rest()[1..].chars().take_while(|c| *c == '#').count();
        if !self.rest()[1 + hashes..].starts_with('"') {
            return false;
        }
        let close = format!("\"{}", "#".repeat(hashes));
        let begin = 2 + hashes;
        let length = self.rest()[begin..].find(&close).map(|at| begin + at + close.len());
        self.at += length.unwrap_or(self.rest().len());
        true
    }
}

#[cfg(test)]
mod tests {
    use pixgen_api::{Kind, SchedulerKind};

    use super::*;

    fn rewritten(text: &str, change: impl FnOnce(&mut Request)) -> String {
        let mut request = Request::from_recipe(text.as_bytes()).unwrap();
        change(&mut request);
        let new = rewrite_recipe(Path::new("a.sprite.ron"), text, &request).unwrap();
        assert_eq!(Request::from_recipe(new.as_bytes()).unwrap(), request);
        new
    }

    #[test]
    fn comments_layout_and_order_stay() {
        let text = "// The hero, (first) of three: \"red\".\n(\n    seed: 3, // the one with the cape\n    prompt: \"a red \
                    knight\", /* (not: blue) */\n    kind: character,\n    // Edges.\n    size_px: 32,\n)\n";
        let new = rewritten(text, |request| {
            (request.prompt, request.seed) = ("a \"blue\" knight, (tall)".to_owned(), Some(9));
            request.steps = Some(4);
        });
        let expected = text
            .replace("seed: 3", "seed: 9")
            .replace("\"a red knight\"", r#""a \"blue\" knight, (tall)""#)
            .replace("size_px: 32,\n", "size_px: 32,\n    steps: 4,\n");
        assert_eq!(new, expected);
        assert_eq!(rewritten(text, |_| ()), text);
    }

    #[test]
    fn comments_inside_of_a_value_that_changes_stay_too() {
        let text = r##"(
    prompt: "x",
    pixel_art: (
        // As few as they may be, (two)
        colors: 4, // and "no more"
        dither: /* not: bayer */ none,
        palette: colors(["#ff0000", "#00ff00"]), // hers
    ),
    loras: [
        // The look.
        (path: "a.safetensors", weight: 0.5), // half of it
        (path: "b.safetensors" /* the cape */, weight: 1.0),
    ],
)
"##;
        let new = rewritten(text, |request| {
            request.pixel_art.colors = Some(6);
            request.pixel_art.specks_px = 9;
            request.loras[1].weight = 0.25;
        });
        let expected = text
            .replace("colors: 4", "colors: 6")
            .replace("// hers\n", "// hers\n        specks_px: 9,\n")
            .replace("weight: 1.0", "weight: 0.25");
        assert_eq!(new, expected);
        // A list of another length is written anew, the comments around it stay.
        let new = rewritten(text, |request| _ = request.loras.pop());
        assert!(new.contains("(two)") && !new.contains("The look") && new.contains("not: bayer"), "{new}");
        rewritten(text, |request| request.pixel_art = pixgen_api::PixelArt::default());
    }

    #[test]
    fn recipes_of_every_style_are_changed() {
        for text in [
            r#"(prompt: "x")"#,
            r#"(prompt: "x",)"#,
            r#"( prompt : r"x" )"#,
            r##"#![enable(implicit_some)] (prompt: r#"a "big" x"#, seed: 1)"##,
            "(\n  prompt: \"x\" // no comma\n)",
            "(\n  prompt: \"x\", // a comma, and a bracket )\n)",
            "(kind: monster, pixel_art: (colors: 4, palette: colors([\"#ff0000\", \"#00ff00\"])), prompt: \"x\")",
            "(prompt: \"x\", seed: Some(7), loras: [(path: \"a.safetensors\", weight: 0.5)])",
            "(prompt: \"ends in a \\\\\", negative_prompt: \"é金\")",
        ] {
            rewritten(text, |request| request.seed = Some(5));
            rewritten(text, |request| request.seed = None);
            rewritten(text, |request| request.kind = Kind::Tile);
            rewritten(text, |request| {
                (request.prompt, request.steps) = ("y\n\"z\"".to_owned(), Some(3));
                (request.guidance_scale, request.scheduler) = (Some(2.5), Some(SchedulerKind::Dpmpp2m));
                request.pixel_art.colors = None;
                request.loras.clear();
            });
        }
    }

    #[test]
    fn what_is_no_recipe_is_left_alone() {
        for text in ["", "(promt: 1)", "<html>", "(prompt: \"x\""] {
            let error =
                rewrite_recipe(Path::new("hero/a.sprite.ron"), text, &Request::new(Kind::Item, "y")).unwrap_err();
            assert!(error.to_string().contains("hero/a.sprite.ron cannot be changed"), "{error}");
        }
    }
}
