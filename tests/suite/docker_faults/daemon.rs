//! A Docker daemon on a socket of its own that can be told to misbehave: in front of a world in
//! memory, or of the real engine.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use orchestrate::runtime::docker::{Docker, EngineAddress, Patience};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};

use super::{
    endpoint::Endpoint,
    http::{Reply, Request, head, until_closed, write_chunk},
    injected::Injected,
    world::World,
};

/// Which request goes wrong: the `nth` of an endpoint from now, from 0.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub endpoint: Endpoint,
    pub nth: usize,
    pub fault: Injected,
}

/// What requests are passed on to.
enum Behind {
    Memory,
    Socket(PathBuf),
}

#[derive(Default)]
struct Book {
    rules: Vec<Rule>,
    /// What was called since the book was opened.
    called: Vec<Endpoint>,
    unknown: Vec<String>,
    /// How many rules have come true.
    injected: usize,
    /// Bytes of endless answers that someone took.
    poured: usize,
}

/// Something that is done right after a request: the `nth` of its endpoint.
struct Late {
    endpoint: Endpoint,
    nth: usize,
    change: fn(&mut World),
}

struct Inner {
    behind: Behind,
    late: Mutex<Option<Late>>,
    world: Mutex<World>,
    book: Mutex<Book>,
}

/// The daemon; gone with this value.
pub struct Daemon {
    inner: Arc<Inner>,
    serving: JoinHandle<()>,
    directory: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Daemon {
    pub fn new(world: World) -> Self {
        Self::serve(Behind::Memory, world)
    }

    /// In front of the engine at this socket.
    pub fn before(socket: &Path) -> Self {
        Self::serve(Behind::Socket(socket.to_owned()), World::default())
    }

    fn serve(behind: Behind, world: World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        let inner =
            Arc::new(Inner { behind, late: Mutex::default(), world: Mutex::new(world), book: Mutex::default() });
        let serving = tokio::spawn(accept(listener, inner.clone()));
        Self { inner, serving, directory }
    }

    pub fn address(&self) -> EngineAddress {
        format!("unix://{}", self.directory.path().join("docker.sock").display()).parse().unwrap()
    }

    /// A directory of its own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn docker(&self, patience: Patience) -> Docker {
        Docker::with_patience(self.address(), patience)
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap()
    }

    /// Opens the book anew: rules count from now.
    pub fn rules(&self, rules: impl IntoIterator<Item = Rule>) {
        *self.inner.book.lock().unwrap() = Book { rules: rules.into_iter().collect(), ..Book::default() };
    }

    /// Changes the world right after a request, before it is answered: as a call does that was made
    /// long ago.
    pub fn late(&self, (endpoint, nth): (Endpoint, usize), change: fn(&mut World)) {
        *self.inner.late.lock().unwrap() = Some(Late { endpoint, nth, change });
    }

    /// What was called since then, in order. What is not in the table fails the test.
    pub fn called(&self) -> Vec<Endpoint> {
        let book = self.inner.book.lock().unwrap();
        assert!(book.unknown.is_empty(), "the table of endpoints does not know {:?}", book.unknown);
        book.called.clone()
    }

    /// How many rules have come true since then.
    pub fn injected(&self) -> usize {
        self.inner.book.lock().unwrap().injected
    }

    pub fn poured(&self) -> usize {
        self.inner.book.lock().unwrap().poured
    }
}

async fn accept(listener: UnixListener, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let inner = inner.clone();
        // A client that has had enough is nothing to report.
        connections.spawn(async move { drop(inner.talk(stream).await) });
        while connections.try_join_next().is_some() {}
    }
}

impl Inner {
    async fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        let Some(request) = Request::read(&mut stream).await? else { return Ok(()) };
        let Some((endpoint, name)) = Endpoint::of(&request) else {
            self.book.lock().unwrap().unknown.push(format!("{} {}", request.method, request.path));
            return Reply::error(404, "page not found").write(&mut stream).await;
        };
        let Some(fault) = self.note(endpoint) else {
            return match &self.behind {
                Behind::Memory => {
                    let reply = self.world.lock().unwrap().answer(endpoint, &name, &request);
                    self.come_late(endpoint);
                    reply.write(&mut stream).await
                }
                Behind::Socket(path) => pass(path, &request, stream).await,
            };
        };
        let reply = match (fault.is_done(), &self.behind) {
            (false, _) => Reply::Empty,
            (true, Behind::Memory) if fault == Injected::Stale => {
                self.world.lock().unwrap().stale_list(endpoint, &request)
            }
            (true, Behind::Memory) if fault == Injected::Torn => self.world.lock().unwrap().tear(&name, &request),
            (true, Behind::Memory) => self.world.lock().unwrap().answer(endpoint, &name, &request),
            (true, Behind::Socket(path)) => done(path, &request).await?,
        };
        // A refusal can be lost; other than that it is as good as any other.
        let is_refusal = matches!(&reply, Reply::Json(status, _) if *status >= 400);
        if is_refusal && !matches!(fault, Injected::LostAnswer | Injected::HangAfter) {
            return reply.write(&mut stream).await;
        }
        self.misbehave(fault, reply, &mut stream).await
    }

    /// Writes down the call; answers what goes wrong with it.
    fn note(&self, endpoint: Endpoint) -> Option<Injected> {
        let mut book = self.book.lock().unwrap();
        book.called.push(endpoint);
        let nth = book.called.iter().filter(|called| **called == endpoint).count() - 1;
        let fault = book.rules.iter().find(|rule| (rule.endpoint, rule.nth) == (endpoint, nth)).map(|rule| rule.fault);
        book.injected += usize::from(fault.is_some());
        fault
    }

    /// Does what comes late after this request, which is among those that were called.
    fn come_late(&self, endpoint: Endpoint) {
        let calls = self.book.lock().unwrap().called.iter().filter(|called| **called == endpoint).count();
        let is_now = |late: &mut Late| (late.endpoint, late.nth + 1) == (endpoint, calls);
        if let Some(late) = self.late.lock().unwrap().take_if(is_now) {
            (late.change)(&mut self.world.lock().unwrap());
        }
    }

    async fn misbehave(&self, fault: Injected, reply: Reply, stream: &mut UnixStream) -> io::Result<()> {
        let text = reply.text();
        let half = &text[..text.len() / 2];
        match fault {
            Injected::LostRequest | Injected::LostAnswer | Injected::Torn => Ok(()),
            Injected::Hang | Injected::HangAfter => until_closed(stream).await,
            Injected::Stale => reply.write(stream).await,
            Injected::Status(status) => Reply::error(status, "injected\u{1b}[31m\n refusal").write(stream).await,
            Injected::SlowBody => {
                stream.write_all(head(200, "Content-Length: 100000\r\n").as_bytes()).await?;
                stream.write_all(half).await?;
                until_closed(stream).await
            }
            Injected::CutBody => {
                stream.write_all(head(200, "Content-Length: 100000\r\n").as_bytes()).await?;
                stream.write_all(half).await
            }
            Injected::CutJson => whole(stream, if half.is_empty() { b"{\"Id\":" } else { half }).await,
            Injected::Garbage => whole(stream, "\u{1b}[2J\u{202e}\0 no such thing\u{7}".repeat(99).as_bytes()).await,
            Injected::Endless => {
                stream.write_all(head(200, "Transfer-Encoding: chunked\r\n").as_bytes()).await?;
                let chunk = vec![b' '; 64 * 1024];
                loop {
                    write_chunk(stream, &chunk).await?;
                    self.book.lock().unwrap().poured += chunk.len();
                }
            }
            Injected::HeaderFlood => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                let header = format!("X-Flood: {}\r\n", "x".repeat(1000));
                loop {
                    stream.write_all(header.as_bytes()).await?;
                    self.book.lock().unwrap().poured += header.len();
                }
            }
        }
    }
}

async fn whole(stream: &mut UnixStream, text: &[u8]) -> io::Result<()> {
    stream.write_all(head(200, &format!("Content-Length: {}\r\n", text.len())).as_bytes()).await?;
    stream.write_all(text).await
}

/// Lets a request and its answer through as they are.
async fn pass(engine: &Path, request: &Request, mut client: UnixStream) -> io::Result<()> {
    let mut engine = UnixStream::connect(engine).await?;
    engine.write_all(&request.raw).await?;
    tokio::io::copy_bidirectional(&mut client, &mut engine).await.map(drop)
}

/// Lets the real engine do it, and waits until it has begun to answer.
async fn done(engine: &Path, request: &Request) -> io::Result<Reply> {
    let mut engine = UnixStream::connect(engine).await?;
    engine.write_all(&request.raw).await?;
    let mut answer = vec![0; 64 * 1024];
    let length = engine.read(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    Ok(Reply::Stream { text: body.as_bytes().to_vec(), stays_open: false })
}
