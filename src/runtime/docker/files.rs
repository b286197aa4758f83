//! Files of the host that containers mount.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Component, Path, PathBuf},
};

use super::{Docker, EngineAddress, engine::Engine};
use crate::{action::Effect, diagnostic::Class, observed::Fault, secret::Text};

/// Who may do what with a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    pub mode: u32,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// Writes a file whole: nobody ever sees a part of it.
pub(super) async fn write(docker: &Docker, path: &str, content: &Text, access: Access) -> Result<Effect, Fault> {
    let path = place(docker.engine().await?, docker.address(), path)?;
    let content = content.expose().to_owned();
    let at = path.clone();
    blocking(move || write_whole(&at, content.as_bytes(), access))
        .await
        .map_err(|error| refused("write", &path, &error))?;
    Ok(Effect::Done)
}

/// Removes a file, or a directory with all that is in it.
pub(super) async fn remove(docker: &Docker, path: &str) -> Result<Effect, Fault> {
    let path = place(docker.engine().await?, docker.address(), path)?;
    let at = path.clone();
    blocking(move || remove_whole(&at)).await.map_err(|error| refused("remove", &path, &error))
}

/// The path, if the engine sees the same file there, and it is deep enough not to be a directory
/// that everyone uses.
fn place(engine: &Engine, address: &EngineAddress, path: &str) -> Result<PathBuf, Fault> {
    if !engine.is_local {
        let text = format!("cannot reach `{path}` on the host of the engine at `{address}`");
        return Err(Fault::new(Class::Configuration, "files-need-local-engine", text)
            .hint("configs and secrets as files need an engine on this host: run `orchestrate` there"));
    }
    let path = PathBuf::from(path);
    let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && is_plain && path.components().count() > 3 {
        return Ok(path);
    }
    let text = format!("`{}` is not a place for files of ours", path.display());
    Err(Fault::new(Class::Configuration, "file-path-invalid", text))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn refused(doing: &str, path: &Path, error: &io::Error) -> Fault {
    let text = format!("cannot {doing} `{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Fault::new(Class::Permission, "file-denied", text).hint("check who owns the state directory")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::new(Class::Resource, "disk-full", text).hint("see what takes it with `df -h`")
        }
        _ => Fault::new(Class::Deployment, "file-failed", text),
    }
}

/// Owner and mode are set before the file gets its name. A file that a container has mounted is not
/// touched if it says the same.
fn write_whole(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let directory = path.parent().expect("a place has parents");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let is_same = fs::symlink_metadata(path)
        .is_ok_and(|now| now.is_file() && now.permissions().mode() & 0o7777 == access.mode)
        && fs::read(path).is_ok_and(|now| now == content);
    if is_same {
        return Ok(());
    }
    let draft = draft_of(path);
    let written = write_draft(&draft, content, access).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        drop(fs::remove_file(&draft));
    }
    written?;
    fs::File::open(directory)?.sync_all()
}

/// Where a file is written before it gets its name. It is the same each time, so that what is left by
/// a writer who was killed is found; the project's lock keeps a second writer away.
fn draft_of(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().expect("a place has a name").to_string_lossy();
    path.with_file_name(format!(".{name}.draft"))
}

fn write_draft(draft: &Path, content: &[u8], access: Access) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    if (access.uid.is_some() || access.gid.is_some()) && rustix::process::geteuid().is_root() {
        chown(draft, access.uid, access.gid)?;
    }
    file.set_permissions(fs::Permissions::from_mode(access.mode))?;
    file.sync_all()
}

fn remove_whole(path: &Path) -> io::Result<Effect> {
    match fs::remove_file(draft_of(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(Effect::Done),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Effect::AlreadySo),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: Access = Access { mode: 0o440, uid: None, gid: None };

    #[test]
    fn a_file_is_written_whole_and_private_and_removed_with_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("app/0123abcd/web-1/secret-token");
        for content in ["one", "one", "two"] {
            write_whole(&path, content.as_bytes(), ACCESS).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(&root.path().join("app")), mode(path.parent().unwrap())), (0o440, 0o700, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        // One that a killed writer left goes with its file.
        fs::write(draft_of(&path), "secret").unwrap();
        assert_eq!(remove_whole(&path).unwrap(), Effect::Done);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        let directory = root.path().join("app/0123abcd");
        assert_eq!(remove_whole(&directory).unwrap(), Effect::Done);
        assert_eq!(remove_whole(&directory).unwrap(), Effect::AlreadySo);
        assert!(root.path().join("app").exists());
    }

    #[test]
    fn no_symlink_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        fs::write(&outside, "kept").unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        write_whole(&link, b"new", ACCESS).unwrap();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
    }

    #[test]
    fn only_deep_absolute_paths_on_a_local_engine_are_places() {
        let address = EngineAddress::DEFAULT.parse().unwrap();
        let code = |is_local, path: &str| {
            let engine =
                Engine { version: String::new(), is_local, dials_containers: false, host: None, platform: None };
            place(&engine, &address, path).map_or_else(|fault| fault.code, |_| "fine".to_owned())
        };
        assert_eq!(code(true, "/var/lib/orchestrate/a"), "fine");
        for path in ["/", "/etc", "/etc/x", "a/b/c/d", "/a/b/../../etc/x"] {
            assert_eq!(code(true, path), "file-path-invalid", "{path}");
        }
        assert_eq!(code(false, "/var/lib/orchestrate/a"), "files-need-local-engine");
    }
}
