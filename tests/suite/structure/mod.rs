//! The shape of the code, read from its own source.
//!
//! Each rule is a function from sources to violations, so that it is tried on small inputs beside
//! its run over the crate. Comments, strings and characters are blanked out before anything is
//! looked for. Code under `#[cfg(test)]` may import from anywhere and unwrap. Deliberately absent: a
//! parser for Rust; what is written here is what rustfmt leaves over.

mod crates;
mod documented;
mod imports;
mod mask;
mod paths;
mod purity;
mod size;
mod source;

/// Fails with every violation and what to do about them.
fn expect_none(violations: &[String], remedy: &str) {
    assert!(violations.is_empty(), "\n{}\n\n{remedy}\n", violations.join("\n"));
}
