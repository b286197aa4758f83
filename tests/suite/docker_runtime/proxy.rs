//! An engine that misbehaves: between a test and the real engine, it changes one kind of answer.

use std::path::{Path, PathBuf};

use orchestrate::runtime::docker::Docker;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};

use super::bench::SOCKET;

/// What is done to answers.
#[derive(Clone, Copy)]
pub enum Trick {
    /// Requests that start so are done, and never answered.
    Hangup(&'static str),
    /// The first text, wherever an answer has it, is the second, which is as long.
    Rewrite(&'static str, &'static str),
}

pub struct Proxy {
    pub docker: Docker,
    serving: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    pub fn new(trick: Trick) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path: PathBuf = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let serving = tokio::spawn(serve(listener, trick));
        Self { docker: Docker::new(address(&path)), serving, _directory: directory }
    }
}

fn address(path: &Path) -> orchestrate::runtime::docker::EngineAddress {
    format!("unix://{}", path.display()).parse().unwrap()
}

async fn serve(listener: UnixListener, trick: Trick) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(pass(client, trick));
    }
}

/// One connection, which the client uses for one request.
async fn pass(client: UnixStream, trick: Trick) {
    let engine = UnixStream::connect(SOCKET).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_engine, mut to_engine) = engine.into_split();
    let mut request = vec![0; 64 * 1024];
    let length = from_client.read(&mut request).await.unwrap();
    request.truncate(length);
    to_engine.write_all(&request).await.unwrap();
    let onward = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_engine).await });
    let mut answer = vec![0; 1024 * 1024];
    loop {
        let length = from_engine.read(&mut answer).await.unwrap_or(0);
        let changed = match trick {
            Trick::Hangup(start) if request.starts_with(start.as_bytes()) => break,
            Trick::Hangup(_) => answer[..length].to_vec(),
            Trick::Rewrite(from, to) => {
                assert_eq!(from.len(), to.len());
                String::from_utf8_lossy(&answer[..length]).replace(from, to).into_bytes()
            }
        };
        if length == 0 || to_client.write_all(&changed).await.is_err() {
            break;
        }
    }
    onward.abort();
}
