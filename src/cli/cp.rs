use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use anyhow::bail;
use futures_util::StreamExt as _;

use super::{CpArguments, Exit, Session, Terminal, session::project_request};
use crate::{
    ops::{self, Links, RemotePath},
    runtime::Chunks,
};

const CHUNK_BYTES: usize = 64 << 10;

/// One end of a copy.
enum Place {
    Remote(RemotePath),
    Here(String),
    Archive,
}

/// `orchestrate cp`.
pub fn run(arguments: &CpArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let from = place(&arguments.source, arguments.index)?;
    let to = place(&arguments.destination, arguments.index)?;
    let links = if arguments.follow_link { Links::Followed } else { Links::AsTheyAre };
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let context = &session.context;
    let mut warnings = Vec::new();
    let copied = session.look(async {
        let warnings = &mut warnings;
        match (&from, &to) {
            (Place::Remote(from), Place::Here(to)) => {
                let left_out = ops::copy_out(context, &project, (from, links), Path::new(to), warnings).await?;
                left_out
                    .iter()
                    .for_each(|path| terminal.say(&format!("left out, neither a file nor a link: {path}\n")));
            }
            (Place::Remote(from), Place::Archive) => {
                if io::stdout().is_terminal() {
                    bail!("standard output is a terminal: send the archive into a file or a pipe");
                }
                write_out(ops::copy_out_archive(context, &project, (from, links), warnings).await?).await?;
            }
            (Place::Here(from), Place::Remote(to)) => {
                ops::copy_in(context, &project, (Path::new(from), links), to, warnings).await?;
            }
            (Place::Archive, Place::Remote(to)) => {
                ops::copy_in_archive(context, &project, (read_in(), to), warnings).await?;
            }
            (Place::Remote(_), Place::Remote(_)) => bail!("one end has to be on this host: copy in two steps"),
            (Place::Here(_) | Place::Archive, Place::Here(_) | Place::Archive) => {
                bail!("one end has to be in a service: write it as SERVICE:PATH")
            }
        }
        Ok(())
    });
    terminal.warn_of(&warnings);
    copied?;
    Ok(Exit::Ok)
}

/// `SERVICE:PATH` unless there is a slash before the colon, as with `docker cp`.
fn place(text: &str, number: Option<u32>) -> anyhow::Result<Place> {
    if text == "-" {
        return Ok(Place::Archive);
    }
    match text.split_once(':') {
        Some((service, path)) if !service.contains('/') && !service.starts_with('.') => {
            if path.is_empty() {
                bail!("`{text}` names no path: write it as SERVICE:PATH");
            }
            Ok(Place::Remote(RemotePath { service: service.parse()?, number, path: path.to_owned() }))
        }
        Some(_) | None => Ok(Place::Here(text.to_owned())),
    }
}

async fn write_out(mut archive: Chunks) -> anyhow::Result<()> {
    while let Some(chunk) = archive.next().await {
        io::stdout().lock().write_all(&chunk?)?;
    }
    Ok(io::stdout().lock().flush()?)
}

fn read_in() -> Chunks {
    let read = futures_util::stream::unfold((), |()| async {
        let chunk = tokio::task::spawn_blocking(|| {
            let mut chunk = vec![0; CHUNK_BYTES];
            let length = io::stdin().lock().read(&mut chunk)?;
            chunk.truncate(length);
            io::Result::Ok(chunk)
        });
        match chunk.await.map_err(io::Error::other).and_then(|chunk| chunk) {
            Ok(chunk) if chunk.is_empty() => None,
            chunk => Some((chunk, ())),
        }
    });
    read.boxed()
}
