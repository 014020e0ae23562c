//! Leaves the names of functions out of the module: with them it would be a quarter larger than a filter may be.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|target| target == "wasi") {
        println!("cargo::rustc-link-arg-cdylib=--strip-all");
    }
}
