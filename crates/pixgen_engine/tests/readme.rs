//! The recipes that the README files show are recipes: whoever copies one gets a sprite.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use pixgen_api::Request;
use pixgen_engine::{ModelInfo, Plan};

fn readme(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands in the blocks of RON.
fn blocks(text: &str) -> Vec<&str> {
    let after = text.split("```ron\n").skip(1);
    after.map(|rest| rest.split_once("```").map(|(block, _)| block).unwrap()).collect()
}

/// A style for the command line, which tests of its own read; everything else has to be a recipe.
fn is_style(block: &str) -> bool {
    block.contains("options:")
}

#[test]
fn every_recipe_of_the_readme_files_can_be_drawn() {
    let mut recipes = 0;
    for path in ["README.md", "crates/pixgen_cli/README.md"] {
        let text = readme(path);
        for block in blocks(&text).into_iter().filter(|block| !is_style(block)) {
            let request = Request::from_recipe(block.as_bytes()).unwrap_or_else(|e| panic!("{path}: {e}\n{block}"));
            request.validate().unwrap_or_else(|error| panic!("{path}: {error}\n{block}"));
            let plan = Plan::new(&request, &ModelInfo::read(&request.model).unwrap(), 1);
            plan.unwrap_or_else(|error| panic!("{path}: {error}\n{block}"));
            recipes += 1;
        }
    }
    assert!(recipes >= 1, "the README shows no recipe");
}

#[test]
fn the_line_that_names_a_lora_belongs_into_a_recipe() {
    let text = readme("README.md");
    let line = text.split('`').find(|code| code.starts_with("loras: [")).unwrap();
    let recipe = format!("(prompt: \"a knight\", {line})");
    let request = Request::from_recipe(recipe.as_bytes()).unwrap();
    request.validate().unwrap();
    assert_eq!(request.loras.len(), 1);
}
