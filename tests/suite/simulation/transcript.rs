use std::fmt::{self, Write as _};

/// What a run did, line by line: always as a hash, as text where someone reads it.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    hash: Fnv,
    text: Option<String>,
}

#[derive(Debug, Clone)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        Ok(())
    }
}

impl Transcript {
    /// One that can be read.
    pub fn readable() -> Self {
        Self { hash: Fnv::default(), text: Some(String::new()) }
    }

    pub fn line(&mut self, line: fmt::Arguments<'_>) {
        self.hash.write_fmt(line).expect("hashing does not fail");
        if let Some(text) = &mut self.text {
            writeln!(text, "{line}").expect("writing to a string does not fail");
        }
    }

    pub fn is_readable(&self) -> bool {
        self.text.is_some()
    }

    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}
