//! `pack SOURCE DESTINATION`: the filters in `SOURCE` as what is shipped, in `DESTINATION`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, destination] = arguments.as_slice() else {
        eprintln!("usage: pack SOURCE DESTINATION");
        return ExitCode::from(2);
    };
    match pack::all(Path::new(source), Path::new(destination)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pack: {failure}");
            ExitCode::FAILURE
        }
    }
}
