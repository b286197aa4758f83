use std::{pin::Pin, sync::Arc};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::io::AsyncWrite;

use super::Stream;
use crate::{action::InstanceSpec, observed::Fault};

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

/// How the caller's streams are connected with a command's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streams {
    /// The command gets a terminal of this size; both its outputs are one then.
    pub terminal: Option<TerminalSize>,
    /// It reads what the caller is given to read.
    pub has_input: bool,
    /// Nobody listens to it or waits for it.
    pub is_detached: bool,
}

/// A command to run beside an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecRequest {
    pub command: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// Over the instance's own.
    pub environment: Vec<(String, String)>,
    pub is_privileged: bool,
    pub streams: Streams,
}

/// Something that runs once, beside a service's instances and as they do.
#[derive(Debug, Clone)]
pub struct OneOff {
    pub name: String,
    pub spec: Box<InstanceSpec>,
    pub streams: Streams,
    /// The engine takes it away when it has ended: only for what nobody waits for.
    pub is_removed_by_engine: bool,
}

/// A command that was started, and how the caller gets at it.
pub enum Attached {
    Remote(Remote),
    /// A program of this host, to be started with the caller's own streams.
    Local(Box<std::process::Command>),
    /// It runs by itself.
    Detached,
}

/// What a command wrote, as it wrote it.
pub type Chunk = (Stream, Vec<u8>);

/// A command that runs elsewhere.
pub struct Remote {
    pub output: BoxStream<'static, Result<Chunk, Fault>>,
    /// Closed when there is nothing more to read.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    pub far_end: Arc<dyn FarEnd>,
}

/// The other end of a [`Remote`].
#[async_trait]
pub trait FarEnd: Send + Sync {
    /// Its terminal has another size now.
    async fn resize(&self, size: TerminalSize) -> Result<(), Fault>;

    /// Sends it a signal, such as `SIGTERM`. Answers whether that is possible at all.
    async fn signal(&self, signal: &str) -> Result<bool, Fault>;

    /// Waits for its end, and answers how it ended.
    async fn exit_code(&self) -> Result<i64, Fault>;
}
