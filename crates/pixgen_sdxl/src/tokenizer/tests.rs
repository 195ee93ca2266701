//! Holds the built-in vocabulary against transformers' `CLIPTokenizer` with OpenAI's file.
//!
//! The reference ids come from `tests/parity/make_text_fixtures.py`.

use serde::Deserialize;

use super::{STANDARD_VOCAB_SIZE, StandardPad, Tokenizer};
use crate::test_support::json;

#[derive(Deserialize)]
struct Fixture {
    standard: Standard,
}

/// Prompts with the ids of the first and the second tokenizer.
#[derive(Deserialize)]
struct Standard {
    /// Begin, words, end.
    ids: Vec<(String, Vec<u32>, Vec<u32>)>,
    /// Cut off or padded to 77.
    windows: Vec<(String, Vec<u32>, Vec<u32>)>,
}

fn fixture() -> Standard {
    json::<Fixture>("text.json").standard
}

fn both() -> [Tokenizer; 2] {
    [StandardPad::EndOfText, StandardPad::Zero].map(|pad| Tokenizer::standard(pad, 77).unwrap())
}

#[test]
fn the_standard_vocabulary_gives_the_ids_of_transformers() {
    let [first, second] = both();
    assert_eq!(first.max_id() as usize, STANDARD_VOCAB_SIZE - 1);
    let Standard { ids, windows } = fixture();
    assert!(ids.len() >= 45, "{} prompts", ids.len());
    for (prompt, one, two) in &ids {
        for (tokenizer, expected) in [(&first, one), (&second, two)] {
            let mut found = vec![49_406];
            found.extend(tokenizer.words(prompt).unwrap());
            found.push(49_407);
            assert_eq!(found, *expected, "{prompt:?}");
        }
    }
    assert_eq!(windows.len(), 3);
    for (prompt, one, two) in &windows {
        for (tokenizer, expected) in [(&first, one), (&second, two)] {
            assert_eq!(tokenizer.window(tokenizer.words(prompt).unwrap()), *expected, "{prompt:?}");
        }
    }
}

#[test]
fn the_order_of_the_vocabulary_is_clips() {
    let [first, _] = both();
    for (token, id) in [("!", 0), ("~", 93), ("\u{100}", 188), ("!</w>", 256), ("in", 512), ("<|startoftext|>", 49_406)]
    {
        assert_eq!(first.tokenizer.token_to_id(token), Some(id), "{token}");
    }
}
