use std::{io, os::fd::OwnedFd, path::Path};

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::unix::AsyncFd;

use crate::runtime::process::awaitable;

/// Waits for the kernel's word that events of any deployment have been written.
#[derive(Debug)]
pub struct EventWatch {
    inotify: AsyncFd<OwnedFd>,
}

impl EventWatch {
    pub(super) fn on(directory: &Path) -> io::Result<Self> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        add_watch(&inotify, directory, WatchFlags::CREATE | WatchFlags::MODIFY)?;
        Ok(Self { inotify: awaitable(inotify)? })
    }

    /// Waits until something was written since this was called last.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut guard = self.inotify.readable().await?;
            match self.drain()? {
                true => return Ok(()),
                false => guard.clear_ready(),
            }
        }
    }

    /// Forgets what the kernel has told; whether it had told anything.
    fn drain(&self) -> io::Result<bool> {
        let mut has_changed = false;
        loop {
            match rustix::io::read(self.inotify.get_ref(), &mut [0; 4096]) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(has_changed),
                Ok(_) => has_changed = true,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
