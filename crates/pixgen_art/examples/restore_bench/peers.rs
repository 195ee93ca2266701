//! Other tools on the same pictures, through Python.

use std::path::{Path, PathBuf};

use crate::degrade::Case;
use crate::report;
use crate::score::{Score, score};

/// Where the pictures for the script are put.
pub fn empty_folder() -> PathBuf {
    let folder = std::env::current_dir().unwrap().join("target/restore_bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What `peers.py` reports about the pictures in a folder.
fn run_script(python: &str, folder: &Path, list: &str) -> String {
    std::fs::write(folder.join("cases.txt"), list).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/restore_bench/peers.py");
    let status = std::process::Command::new(python).arg(script).arg(folder).status().unwrap();
    assert!(status.success(), "peers.py failed");
    std::fs::read_to_string(folder.join("peers.txt")).unwrap()
}

/// Prints the processor time that every tool takes for one picture, `0.png` in `folder`, with its size told; the least of
/// three, since the first call loads and compiles. Beside it how many times as long as `own_seconds` that is.
pub fn large(python: &str, folder: &Path, size: (u32, u32), own_seconds: f64) {
    let mut list = String::new();
    for number in 0..3 {
        if number > 0 {
            std::fs::copy(folder.join("0.png"), folder.join(format!("{number}.png"))).unwrap();
        }
        list += &format!("{number} {} {} 1\n", size.0, size.1);
    }
    let text = run_script(python, folder, &list);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    for version in lines.iter().filter(|line| line[0] == "version") {
        for cut in ["0", "1"] {
            let of = lines.iter().filter(|line| line[0] == "time" && line[1] == version[1] && line[3] == cut);
            let least = of.map(|line| line[4].parse::<f64>().unwrap()).fold(f64::INFINITY, f64::min);
            if least.is_finite() {
                let what = if cut == "1" { "background removed" } else { "background kept" };
                let (name, version) = (version[1].replace('_', " "), version[2]);
                println!("| {name} {version} | {what} | {:.1} | {:.2} |", least * 1e3, least / own_seconds);
            }
        }
    }
}

/// What this crate made of the same pictures, to compare with: with the size found and told; the same of those pictures
/// whose background was to be removed.
pub struct Own<'a> {
    pub found: &'a [(Score, f64)],
    pub told: &'a [(Score, f64)],
    pub cut: &'a [(Score, f64)],
    pub cut_told: &'a [(Score, f64)],
}

impl Own<'_> {
    /// A line with the share of right cells, ours and theirs, over the pictures whose size both have exactly: each tool
    /// alone is measured over the pictures that it finds, which are the plainer ones the fewer it finds.
    fn beside(&self, name: &str, is_cut: bool, rows: &[(Score, f64)]) -> String {
        let is_told = name.contains("given");
        let own = match (is_told, is_cut) {
            (false, false) => self.found,
            (true, false) => self.told,
            (false, true) => self.cut,
            (true, true) => self.cut_told,
        };
        let pairs = own.iter().zip(rows).map(|((own, _), (other, _))| [*own, *other]);
        let both: Vec<[Score; 2]> = pairs.filter(|pair| pair.iter().all(|score| score.exact)).collect();
        let share =
            |value: &dyn Fn(&[Score; 2]) -> f32| 100.0 * both.iter().map(value).sum::<f32>() / both.len().max(1) as f32;
        format!(
            "| {name} | {} | {:.1} | {:.1} | {:.1} | {:.1} |",
            both.len(),
            share(&|[own, _]| own.all),
            share(&|[_, other]| other.all),
            share(&|[own, _]| own.drawn),
            share(&|[_, other]| other.drawn)
        )
    }
}

/// Runs `peers.py` on the same pictures and scores what it wrote.
pub fn peers(python: &str, cases: &[Case], own: &Own) {
    let mut beside = Vec::new();
    let folder = empty_folder();
    let mut list = String::new();
    for (number, case) in cases.iter().enumerate() {
        case.picture.save(folder.join(format!("{number}.png"))).unwrap();
        let (width, height) = case.truth.dimensions();
        list += &format!("{number} {width} {height} {}\n", u8::from(case.background.is_some()));
    }
    let text = run_script(python, &folder, &list);
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
                let name = format!("{} {}{what}", version[1].replace('_', " "), version[2]);
                report(&name, &rows);
                beside.push(own.beside(&name, cut == "1", &rows));
                match rows.iter().filter(|row| failed(row)).count() {
                    0 => {}
                    count => println!("(no result for {count} pictures: they count as not recovered)"),
                }
            }
        }
    }
    println!("\nWhere both have the exact size: per cent of cells right, ours beside theirs");
    println!(
        "\n| tool | pictures | all, ours | all, theirs | drawn, ours | drawn, theirs |\n|---|---|---|---|---|---|"
    );
    beside.iter().for_each(|line| println!("{line}"));
}
