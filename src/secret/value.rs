use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret looks like to everyone.
const MASK: &str = "***";

/// A secret value. Prints `***`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(Arc<str>);

/// A random text, an object's own, that keeps equal secrets of two objects from looking equal.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Salt(pub String);

impl Secret {
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The plain text, for the call that needs it and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// HMAC-SHA-256 under the object's salt, base64: equal if and only if the secret is.
    pub fn fingerprint(&self, salt: &Salt) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(salt.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(self.0.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
