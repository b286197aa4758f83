use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::{StateFileError, private_file};

/// Random bytes from the operating system, good enough for keys.
///
/// # Errors
/// If `/dev/urandom` cannot be read, as in a bare chroot.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// So many random letters and digits, for passwords and salts.
///
/// # Panics
/// If the operating system has no random bytes to give.
pub fn random_text(length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes: [u8; 64] = random_bytes().expect("the operating system gives random bytes");
        // Bytes above the largest multiple of 62 would favour the first letters.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(LETTERS[usize::from(byte % 62)]));
        text.extend(fair.take(length - text.len()));
    }
    text
}

/// The key at `path`, made the first time. Of several processes that make it at once, all answer
/// the one that is kept.
pub fn read_or_make(path: &Path) -> Result<[u8; 32], StateFileError> {
    if let Err(error) = path.symlink_metadata() {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(private_file::io(path, "opened", error));
        }
        let random =
            random_bytes::<32>().map_err(|error| private_file::io(Path::new("/dev/urandom"), "read", error))?;
        private_file::write_once(path, &random)?;
    }
    let mut content = Vec::new();
    // One byte more than a key has is enough to see that it is none.
    let read = private_file::open(path)?.take(33).read_to_end(&mut content);
    read.map_err(|error| private_file::io(path, "read", error))?;
    let length = content.len();
    content.try_into().map_err(|_| StateFileError::DamagedKey { path: path.to_owned(), length })
}
