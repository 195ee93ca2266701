//! The prompt grammar: emphasis in brackets and chunk breaks, as stable-diffusion-webui reads them.
//!
//! | written | means |
//! |---|---|
//! | `(text)` | weight × 1.1 |
//! | `(text:1.3)` | weight × 1.3 |
//! | `[text]` | weight ÷ 1.1 |
//! | `\(` `\)` `\[` `\]` `\\` | the character itself |
//! | `BREAK` | what follows starts a new chunk |
//!
//! Brackets nest, and their weights multiply. A bracket that is never closed reaches to the end of the prompt; one that
//! was never opened is text. The rules are those of `parse_prompt_attention` in stable-diffusion-webui's
//! `modules/prompt_parser.py`, with two differences: a `BREAK` inside brackets breaks too (there it becomes a word of
//! negative weight), and a number that is none (`1.2.3`) is text (there it is an error).

/// Effect of a round bracket without a number; a square bracket has the inverse.
const EMPHASIS: f64 = 1.1;
/// Weights beyond this are brought back to it: they only serve to overflow.
const MAX_WEIGHT: f64 = 100.0;

/// A stretch of text of one weight.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fragment {
    pub(crate) text: String,
    /// 1 is neutral; -100 to 100.
    pub(crate) weight: f32,
}

/// What lies between two `BREAK`s.
pub(crate) type Segment = Vec<Fragment>;

/// Reads a prompt: at least one segment, in which neighbours differ in weight.
pub(crate) fn parse(prompt: &str) -> Vec<Segment> {
    weigh(match_brackets(prompt))
}

/// A prompt without grammar: one fragment.
pub(crate) fn literal(prompt: &str) -> Vec<Segment> {
    vec![vec![Fragment { text: prompt.to_owned(), weight: 1.0 }]]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Round,
    Square,
}

enum Piece<'a> {
    Text(&'a str),
    Break,
    /// With the factor that its closing bracket gives it.
    Open(Bracket, f64),
    Close(Bracket),
}

/// Cuts the prompt into pieces, in which each closing bracket has an opening one.
fn match_brackets(prompt: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut round, mut square) = (Vec::new(), Vec::new());
    let mut rest = prompt;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '\\' => {
                // A backslash before anything else vanishes.
                let escaped = rest[1..].chars().next().filter(|next| "()[]\\".contains(*next));
                length += escaped.map_or(0, char::len_utf8);
                pieces.push(Piece::Text(&rest[1..length]));
            }
            '(' => {
                round.push(pieces.len());
                pieces.push(Piece::Open(Bracket::Round, EMPHASIS));
            }
            '[' => {
                square.push(pieces.len());
                pieces.push(Piece::Open(Bracket::Square, 1.0 / EMPHASIS));
            }
            ')' | ':' => {
                let number = if first == ':' { weight(rest) } else { Some((1, EMPHASIS)) };
                match number.filter(|_| !round.is_empty()) {
                    Some((end, factor)) => {
                        length = end;
                        if let Some(open) = round.pop() {
                            pieces[open] = Piece::Open(Bracket::Round, factor);
                        }
                        pieces.push(Piece::Close(Bracket::Round));
                    }
                    None => pieces.push(Piece::Text(&rest[..length])),
                }
            }
            ']' if square.pop().is_some() => pieces.push(Piece::Close(Bracket::Square)),
            ']' => pieces.push(Piece::Text("]")),
            _ => {
                length = rest.find(['\\', '(', ')', '[', ']', ':']).unwrap_or(rest.len());
                split_at_breaks(&rest[..length], &mut pieces);
            }
        }
        rest = &rest[length..];
    }
    pieces
}

/// The length and the number of `: 1.3)`, with which `text` begins.
fn weight(text: &str) -> Option<(usize, f64)> {
    let inside = text.strip_prefix(':')?;
    let in_number = |character: char| character.is_ascii_digit() || "+-.".contains(character);
    let end = inside.find(|character: char| !in_number(character) && !character.is_whitespace())?;
    let factor = inside[..end].trim().parse().ok().filter(|factor: &f64| factor.is_finite())?;
    inside[end..].starts_with(')').then_some((":".len() + end + ")".len(), factor))
}

/// Cuts at every `BREAK` that is a word of its own, and drops the spaces around it.
fn split_at_breaks<'a>(text: &'a str, pieces: &mut Vec<Piece<'a>>) {
    const BREAK: &str = "BREAK";
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut start = 0;
    for (at, _) in text.match_indices(BREAK) {
        let (before, after) = (&text[..at], &text[at + BREAK.len()..]);
        if before.chars().next_back().is_some_and(in_word) || after.chars().next().is_some_and(in_word) {
            continue;
        }
        if at > start {
            pieces.push(Piece::Text(text[start..at].trim_end()));
        }
        pieces.push(Piece::Break);
        start = text.len() - after.trim_start().len();
    }
    pieces.push(Piece::Text(&text[start..]));
}

/// Gives each text the product of the factors around it.
fn weigh(pieces: Vec<Piece<'_>>) -> Vec<Segment> {
    // The products at each depth. Round and square brackets may cross, so each kind has its own.
    let (mut round, mut square) = (vec![1.0], vec![1.0]);
    let mut segments = vec![Segment::new()];
    for piece in pieces {
        let product = |factors: &[f64]| factors.last().copied().unwrap_or(1.0);
        match piece {
            Piece::Open(bracket, factor) => {
                let factors = if bracket == Bracket::Round { &mut round } else { &mut square };
                factors.push((product(factors) * factor).clamp(-MAX_WEIGHT, MAX_WEIGHT));
            }
            Piece::Close(Bracket::Round) => drop(round.pop()),
            Piece::Close(Bracket::Square) => drop(square.pop()),
            Piece::Break => segments.push(Segment::new()),
            Piece::Text("") => {}
            Piece::Text(text) => {
                let weight = (product(&round) * product(&square)).clamp(-MAX_WEIGHT, MAX_WEIGHT) as f32;
                let Some(segment) = segments.last_mut() else { continue };
                match segment.last_mut() {
                    Some(last) if last.weight == weight => last.text.push_str(text),
                    _ => segment.push(Fragment { text: text.to_owned(), weight }),
                }
            }
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prompt, and per segment its fragments with their weights.
    type Case = (&'static str, &'static [&'static [(&'static str, f64)]]);

    /// The examples in the comment of stable-diffusion-webui's `parse_prompt_attention`, with its results.
    const WEBUI: [Case; 6] = [
        ("normal text", &[&[("normal text", 1.0)]]),
        ("an (important) word", &[&[("an ", 1.0), ("important", 1.1), (" word", 1.0)]]),
        ("(unbalanced", &[&[("unbalanced", 1.1)]]),
        (r"\(literal\]", &[&[("(literal]", 1.0)]]),
        ("(unnecessary)(parens)", &[&[("unnecessaryparens", 1.1)]]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            &[&[
                ("a ", 1.0),
                ("house", 1.573_000_000_000_000_4),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.464_100_000_000_000_6),
                (".", 1.1),
            ]],
        ),
    ];

    /// Results worked out by hand from the same rules.
    const OTHERS: [Case; 27] = [
        ("", &[&[]]),
        ("()", &[&[]]),
        ("[less] [[least]]", &[&[("less", 1.0 / 1.1), (" ", 1.0), ("least", 1.0 / 1.21)]]),
        ("closed) too] often", &[&[("closed) too] often", 1.0)]]),
        ("(a [b) c]", &[&[("a ", 1.1), ("b", 1.0), (" c", 1.0 / 1.1)]]),
        ("a [b", &[&[("a ", 1.0), ("b", 1.0 / 1.1)]]),
        ("([(neutral)])!", &[&[("neutral", 1.1), ("!", 1.0)]]),
        ("[(even)]", &[&[("even", 1.0)]]),
        ("(a: 1.5 ) b", &[&[("a", 1.5), (" b", 1.0)]]),
        ("(a:+.5)(b:2.)", &[&[("a", 0.5), ("b", 2.0)]]),
        ("(a:-1)", &[&[("a", -1.0)]]),
        ("(a:0)b", &[&[("a", 0.0), ("b", 1.0)]]),
        ("a:1.3)", &[&[("a:1.3)", 1.0)]]),
        ("[a:1.3]", &[&[("a:1.3", 1.0 / 1.1)]]),
        ("(a:b:1.3)", &[&[("a:b", 1.3)]]),
        ("(time 12:30)", &[&[("time 12", 30.0)]]),
        ("(a:1.2.3)", &[&[("a:1.2.3", 1.1)]]),
        ("(a:inf) (b:1e3)", &[&[("a:inf", 1.1), (" ", 1.0), ("b:1e3", 1.1)]]),
        ("(a:1234567)(b:-1234567)", &[&[("a", 100.0), ("b", -100.0)]]),
        (r"a\\b \(c\) \d :\)", &[&[(r"a\b (c) d :)", 1.0)]]),
        (r"ends with \", &[&[("ends with ", 1.0)]]),
        ("a BREAK b", &[&[("a", 1.0)], &[("b", 1.0)]]),
        ("BREAK BREAK a BREAK\n", &[&[], &[], &[("a", 1.0)], &[]]),
        ("BREAKFAST, aBREAK, BREAK_, break", &[&[("BREAKFAST, aBREAK, BREAK_, break", 1.0)]]),
        ("a,BREAK,b", &[&[("a,", 1.0)], &[(",b", 1.0)]]),
        ("x (a BREAK b:2) c", &[&[("x ", 1.0), ("a", 2.0)], &[("b", 2.0), (" c", 1.0)]]),
        ("(é BREAK (青い薬:1.5", &[&[("é", 1.1)], &[("青い薬:1.5", 1.21)]]),
    ];

    #[test]
    fn prompts_are_read_as_webui_reads_them() {
        for (prompt, expected) in WEBUI.iter().chain(&OTHERS) {
            let found = parse(prompt);
            let texts = |segment: &Segment| segment.iter().map(|part| part.text.clone()).collect::<Vec<_>>();
            let wanted = |segment: &&[(&str, f64)]| segment.iter().map(|part| part.0.to_owned()).collect::<Vec<_>>();
            assert_eq!(
                found.iter().map(texts).collect::<Vec<_>>(),
                expected.iter().map(wanted).collect::<Vec<_>>(),
                "{prompt}"
            );
            for (found, (text, weight)) in found.iter().flatten().zip(expected.iter().copied().flatten()) {
                assert!((f64::from(found.weight) - weight).abs() < 1e-6, "{prompt}: {text} weighs {}", found.weight);
            }
        }
    }

    #[test]
    fn a_weight_that_cancels_out_is_exactly_one() {
        for prompt in ["[(a)]", "[[((a))]]", "[[[(((a)))]]]", "(a:1)", "((a:2):0.5)"] {
            assert_eq!(parse(prompt)[0], [Fragment { text: "a".to_owned(), weight: 1.0 }], "{prompt}");
        }
    }

    #[test]
    fn absurd_prompts_take_no_absurd_time() {
        let deep = "(".repeat(100_000);
        assert_eq!(parse(&deep), [Segment::new()]);
        let deep = format!("{deep}a{}", "[b".repeat(100_000));
        let fragments = parse(&deep).remove(0);
        assert_eq!(fragments[0], Fragment { text: "a".to_owned(), weight: 100.0 });
        assert!(fragments.iter().all(|fragment| fragment.weight.is_finite()));
        assert_eq!(parse(&"BREAK ".repeat(20_000)).len(), 20_001);
        assert_eq!(parse(&"(a)b:".repeat(20_000))[0].len(), 40_000);
    }
}
