use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce, aead::Aead as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Seals texts under a key of 32 bytes, with XChaCha20-Poly1305. The nonce is made from the key
/// and the text, so sealing needs no randomness: all it gives away is that two texts are equal.
pub struct Sealer {
    key: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened: it was sealed with another key, or is damaged")]
pub struct SealError;

const NONCE_BYTES: usize = 24;

impl Sealer {
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Seals a text: base64 of nonce and ciphertext.
    pub fn seal(&self, plain: &str) -> String {
        let nonce = self.nonce(plain);
        let sealed = self
            .cipher()
            .encrypt(&XNonce::try_from(&nonce[..]).expect("a nonce has 24 bytes"), plain.as_bytes())
            .expect("texts are far below the cipher's limit of 256 GiB");
        STANDARD.encode([&nonce[..], &sealed].concat())
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// If it was sealed with another key, or changed since.
    pub fn open(&self, sealed: &str) -> Result<String, SealError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SealError)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(SealError)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| SealError)?;
        let plain = self.cipher().decrypt(&nonce, sealed).map_err(|_| SealError)?;
        String::from_utf8(plain).map_err(|_| SealError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new_from_slice(&self.key).expect("a key has 32 bytes")
    }

    fn nonce(&self, plain: &str) -> [u8; NONCE_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"nonce");
        mac.update(plain.as_bytes());
        let hash = mac.finalize().into_bytes();
        hash[..NONCE_BYTES].try_into().expect("SHA-256 has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_with_its_key_alone() {
        let sealed = Sealer::new([1; 32]).seal("hunter2");
        assert!(!sealed.contains("hunter2"));
        assert_eq!(Sealer::new([1; 32]).open(&sealed).unwrap(), "hunter2");
        assert_eq!(Sealer::new([2; 32]).open(&sealed), Err(SealError));
        assert_eq!(Sealer::new([1; 32]).open(&sealed[4..]), Err(SealError));
        assert_eq!(Sealer::new([1; 32]).open(""), Err(SealError));
    }
}
