//! Writes what each check starts from, for libFuzzer: `seeds DIRECTORY`, a directory in it for each target.

use std::fs;
use std::io;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("say where to: seeds DIRECTORY"))?;
    for check in strangers::CHECKS {
        let corpus = directory.join(check.name);
        fs::create_dir_all(&corpus)?;
        for (number, seed) in (check.seeds)().into_iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
