use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use tokio::io::unix::AsyncFd;

use super::directory::Directory;

/// A descriptor whose readiness can be awaited.
#[expect(deprecated, reason = "what succeeds it is unsafe; an `OwnedFd` keeps the promise that it asks for")]
pub(crate) fn awaitable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}

/// Waits for the kernel's word that something in a directory has changed.
pub(super) struct Notifier {
    inotify: AsyncFd<OwnedFd>,
}

/// Something changed in a watched directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    In {
        watch: i32,
        name: Option<String>,
    },
    /// More happened than was told: look at everything.
    Anywhere,
}

impl Notifier {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { inotify: awaitable(init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)? })
    }

    /// Watches what appears in a directory, and what in it is written, closed or removed.
    pub(super) fn watch(&self, directory: &Directory) -> io::Result<i32> {
        let flags = WatchFlags::MOVED_TO
            | WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE_SELF;
        // By the descriptor: the directory that was opened, not what has its path by now.
        let path = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
        Ok(add_watch(self.inotify.get_ref(), path, flags)?)
    }

    /// Waits until something has changed, and answers all that has.
    pub(super) async fn changes(&self) -> io::Result<Vec<Change>> {
        loop {
            let mut guard = self.inotify.readable().await?;
            let changes = self.read()?;
            if changes.is_empty() {
                guard.clear_ready();
                continue;
            }
            return Ok(changes);
        }
    }

    fn read(&self) -> io::Result<Vec<Change>> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut changes = Vec::new();
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => changes.push(Change::Anywhere),
                Ok(event) => {
                    let name = event.file_name().and_then(|name| name.to_str().ok()).map(str::to_owned);
                    changes.push(Change::In { watch: event.wd(), name });
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(changes),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
