//! Files of the host that containers mount.

use std::path::PathBuf;

use super::{Docker, EngineAddress, engine::Engine};
use crate::{
    action::{Effect, Notice},
    change::FileChange,
    diagnostic::Class,
    observed::{Fault, SeenFile},
    runtime::{
        host_file::{self, Access},
        in_place,
    },
    secret::Text,
};

/// Writes a file whole: nobody ever sees a part of it.
pub(super) async fn write(docker: &Docker, path: &str, content: &Text, access: Access) -> Result<Effect, Fault> {
    let path = place(docker.engine().await?, docker.address(), path)?;
    host_file::write(path, content, access).await
}

/// Puts other contents into files, each of which stays the same file. Answers whether that changed
/// something.
pub(super) async fn rewrite(docker: &Docker, files: &[FileChange], notices: &[Notice]) -> Result<bool, Fault> {
    let engine = docker.engine().await?;
    files.iter().try_for_each(|file| place(engine, docker.address(), &file.path).map(drop))?;
    if !notices.is_empty() {
        in_place::begin_telling(files)?;
    }
    in_place::rewrite_all(files).await
}

/// What is in files of the host that a container has mounted, as far as it can be seen from here.
pub(super) async fn seen(engine: &Engine, paths: Vec<String>) -> Vec<Option<SeenFile>> {
    if !engine.is_local {
        return paths.iter().map(|_| None).collect();
    }
    let count = paths.len();
    let look = move || paths.into_iter().map(in_place::look_into).collect();
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| vec![None; count])
}

/// Removes a file, or a directory with all that is in it.
pub(super) async fn remove(docker: &Docker, path: &str) -> Result<Effect, Fault> {
    host_file::remove(place(docker.engine().await?, docker.address(), path)?).await
}

/// The path, if the engine sees the same file there, and it is a place for files of ours.
fn place(engine: &Engine, address: &EngineAddress, path: &str) -> Result<PathBuf, Fault> {
    if !engine.is_local {
        let text = format!("cannot reach `{path}` on the host of the engine at `{address}`");
        return Err(Fault::new(Class::Configuration, "files-need-local-engine", text)
            .hint("configs and secrets as files need an engine on this host: run `orchestrate` there"));
    }
    host_file::place(path)
}

#[cfg(test)]
mod tests {
    use super::*;

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
