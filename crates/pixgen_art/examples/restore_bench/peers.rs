//! Other tools on the same pictures, through Python.

use std::path::Path;

use crate::degrade::Case;
use crate::report;
use crate::score::{Score, score};

/// Runs `peers.py` on the same pictures and scores what it wrote.
pub fn peers(python: &str, cases: &[Case]) {
    let folder = std::env::current_dir().unwrap().join("target/restore_bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut list = String::new();
    for (number, case) in cases.iter().enumerate() {
        case.picture.save(folder.join(format!("{number}.png"))).unwrap();
        let (width, height) = case.truth.dimensions();
        list += &format!("{number} {width} {height} {}\n", u8::from(case.background.is_some()));
    }
    std::fs::write(folder.join("cases.txt"), list).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/restore_bench/peers.py");
    let status = std::process::Command::new(python).arg(script).arg(&folder).status().unwrap();
    assert!(status.success(), "peers.py failed");
    let text = std::fs::read_to_string(folder.join("peers.txt")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let failed = |row: &(Score, f64)| row.1 == 0.0;
    for version in lines.iter().filter(|line| line[0] == "version") {
        for cut in ["0", "1"] {
            // A tool that failed on a picture has recovered nothing of it.
            let mut rows = Vec::new();
            for (number, case) in cases.iter().enumerate().filter(|(_, case)| cut == "0" || case.background.is_some()) {
                let is_row = |line: &&Vec<&str>| {
                    line[0] == "time" && line[1] == version[1] && line[2] == number.to_string() && line[3] == cut
                };
                match lines.iter().find(is_row) {
                    Some(line) => {
                        let path = folder.join(format!("{}-{number}-{cut}.png", version[1]));
                        let result = image::open(path).unwrap().to_rgba8();
                        rows.push((score(case, &result, cut == "1"), line[4].parse().unwrap()));
                    }
                    None => rows.push((Score::default(), 0.0)),
                }
            }
            if !rows.iter().all(failed) {
                let what = if cut == "1" { ", background removed" } else { "" };
                report(&format!("{} {}{what}", version[1].replace('_', " "), version[2]), &rows);
                match rows.iter().filter(|row| failed(row)).count() {
                    0 => {}
                    count => println!("(no result for {count} pictures: they count as not recovered)"),
                }
            }
        }
    }
}
