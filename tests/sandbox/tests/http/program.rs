//! The program `sandbox`: what it prints, and how it ends.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use sandbox::Sandbox;

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    line
}

#[test]
fn it_says_where_it_listens_and_ends_on_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let mut child = program(&["--listen", "127.0.0.1:0", "--relaxed"]).spawn().expect("the program");
        let line = first_line(&mut child);
        assert!(line.starts_with("sandbox: ready at http://127.0.0.1:") && line.ends_with("(relaxed)\n"), "{line}");
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(killed.success() && child.wait().expect("an end").success(), "{signal}");
    }
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let sandbox = Sandbox::start();
    let address = sandbox.address().to_string();
    let output = program(&["--listen", &address]).output().expect("the program");
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(error.contains(&format!("{address} is taken")), "{error}");
}

#[test]
fn it_prints_its_keys() {
    let output = program(&["jwks"]).output().expect("the program");
    assert_eq!(String::from_utf8(output.stdout).expect("text").trim_end(), sandbox::jwks());
}

#[test]
fn a_word_that_it_does_not_know_is_an_error() {
    for words in [&["--lisen"][..], &["--listen"], &["--listen", "9400"]] {
        let output = program(words).output().expect("the program");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8(output.stderr).expect("text").contains("usage: sandbox"));
    }
}
