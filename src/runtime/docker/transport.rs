//! How requests get to an engine: a connection each, which is read only so far.
//!
//! The client would take an answer of any size into memory. Here a meter counts what comes in, and
//! an answer that never ends is cut off.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bollard::{API_DEFAULT_VERSION, BollardRequest, errors::Error};
use http_body_util::BodyExt as _;
use hyper::{
    Response, Uri,
    body::Incoming,
    client::conn::http1,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, UPGRADE},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::EngineAddress;

/// The client's own limit on an answer's first byte, in seconds. It only has to be longer than ours,
/// which know what is being done.
const CLIENT_LIMIT_S: u64 = 24 * 60 * 60;

/// Where the client puts logins, in base64.
const LOGIN_HEADERS: [&str; 2] = ["x-registry-auth", "x-registry-config"];

/// How much is read of why a request was refused.
const LONGEST_REFUSAL: usize = 64 << 10;

/// How much may still come in. It is shared by the connection, which takes from it, and whoever
/// reads a stream, who fills it up with each message: hence the atomic.
#[derive(Debug)]
pub(super) struct Meter {
    limit: u64,
    left: AtomicU64,
}

impl Meter {
    fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, left: AtomicU64::new(limit) })
    }

    /// A message has come in: the next one may be as long. What was cut off stays so.
    pub fn refill(&self) {
        if self.overrun().is_none() {
            self.left.store(self.limit, Ordering::Relaxed);
        }
    }

    /// What was too long, if something was.
    pub fn overrun(&self) -> Option<TooLong> {
        (self.left.load(Ordering::Relaxed) == 0).then_some(TooLong { limit: self.limit })
    }

    fn take(&self, bytes: usize) -> Result<(), TooLong> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left.store(self.left.load(Ordering::Relaxed).saturating_sub(bytes), Ordering::Relaxed);
        self.overrun().map_or(Ok(()), Err)
    }
}

/// The engine says more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine's answer is longer than {limit} bytes")]
pub(super) struct TooLong {
    pub limit: u64,
}

/// No connection could be made, so nothing was asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct NotDialled(io::Error);

/// A client for calls that are answered once: each answer may have so many bytes.
pub(super) fn for_answers(address: &EngineAddress, limit: u64) -> Result<bollard::Docker, Error> {
    client(address, move || Meter::new(limit))
}

/// A client for one stream, and the meter to fill up after each of its messages.
pub(super) fn for_stream(address: &EngineAddress, limit: u64) -> Result<(bollard::Docker, Arc<Meter>), Error> {
    let meter = Meter::new(limit);
    let shared = meter.clone();
    Ok((client(address, move || shared.clone())?, meter))
}

/// [`for_stream`], with further parameters after a `&` for each request, which the client does not
/// know.
pub(super) fn for_stream_with(
    address: &EngineAddress,
    limit: u64,
    parameters: String,
) -> Result<(bollard::Docker, Arc<Meter>), Error> {
    let meter = Meter::new(limit);
    let (shared, address) = (meter.clone(), address.clone());
    let client = custom(move |request: BollardRequest| {
        let (mut parts, body) = request.into_parts();
        // What cannot be put together stays as it is: the engine then does what it was asked.
        if let Ok(uri) = format!("{}{parameters}", parts.uri).parse() {
            parts.uri = uri;
        }
        let (address, meter) = (address.clone(), shared.clone());
        async move { ask(&address, meter, BollardRequest::from_parts(parts, body)).await }
    })?;
    Ok((client, meter))
}

/// Does not dial. The version is only a default: the client sends none.
fn client(
    address: &EngineAddress,
    meter: impl Fn() -> Arc<Meter> + Send + Sync + 'static,
) -> Result<bollard::Docker, Error> {
    let address = address.clone();
    custom(move |request: BollardRequest| {
        let (address, meter) = (address.clone(), meter());
        async move { ask(&address, meter, request).await }
    })
}

fn custom<F, A>(transport: F) -> Result<bollard::Docker, Error>
where
    F: Fn(BollardRequest) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response<Incoming>, Error>> + Send + 'static,
{
    // The host in a path of ours means nothing: `ask` knows where to go.
    bollard::Docker::connect_with_custom_transport(
        transport,
        Some("http://engine"),
        CLIENT_LIMIT_S,
        API_DEFAULT_VERSION,
    )
}

/// A connection that a request has turned into a stream of bytes, both ways.
pub(super) type Duplex = TokioIo<hyper::upgrade::Upgraded>;

/// Posts a request that takes its connection over. What comes in is not bounded: whoever reads it
/// hands it on.
pub(super) async fn take_over(address: &EngineAddress, path: &str, body: &serde_json::Value) -> Result<Duplex, Error> {
    let content = if body.is_null() { String::new() } else { body.to_string() };
    let request = hyper::Request::builder()
        .method(hyper::Method::POST)
        .uri(path)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "tcp")
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, content.len())
        .body(bollard::body_full(content.into()))?;
    let response = ask(address, Meter::new(u64::MAX), request).await?;
    if response.status() == hyper::StatusCode::SWITCHING_PROTOCOLS {
        return Ok(TokioIo::new(hyper::upgrade::on(response).await?));
    }
    let status_code = response.status().as_u16();
    let refused = http_body_util::Limited::new(response.into_body(), LONGEST_REFUSAL).collect().await;
    let text = refused.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
    let told =
        serde_json::from_str(&text).ok().and_then(|body: serde_json::Value| Some(body["message"].as_str()?.into()));
    Err(Error::DockerResponseServerError { status_code, message: told.unwrap_or(text) })
}

async fn ask(address: &EngineAddress, meter: Arc<Meter>, request: BollardRequest) -> Result<Response<Incoming>, Error> {
    match address {
        EngineAddress::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => send(stream, "localhost".to_owned(), meter, request).await,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::SocketNotFoundError(path.clone())),
            Err(error) => Err(not_dialled(error)),
        },
        EngineAddress::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(not_dialled)?;
            // Small requests go out at once; where that cannot be set, they still go out.
            drop(stream.set_nodelay(true));
            let host = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            send(stream, host, meter, request).await
        }
    }
}

fn not_dialled(error: io::Error) -> Error {
    Error::IOError { err: io::Error::new(error.kind(), NotDialled(error)) }
}

/// Sends one request over a connection of its own. The connection's task ends with its answer, or
/// when nobody wants that any more.
async fn send(
    stream: impl AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static,
    host: String,
    meter: Arc<Meter>,
    request: BollardRequest,
) -> Result<Response<Incoming>, Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(Metered { stream, meter })).await?;
    tokio::spawn(connection.with_upgrades());
    let (mut parts, body) = request.into_parts();
    if let Some(path) = parts.uri.path_and_query() {
        parts.uri = Uri::from(path.clone());
    }
    let host = HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static("engine"));
    parts.headers.insert(HOST, host);
    for name in LOGIN_HEADERS {
        if let Some(value) = parts.headers.get_mut(name) {
            *value = url_safe(value);
        }
    }
    Ok(sender.send_request(BollardRequest::from_parts(parts, body)).await?)
}

/// Base64 in the alphabet that engines read. The client writes the other one, and an engine takes a
/// login that it cannot read for none.
fn url_safe(value: &HeaderValue) -> HeaderValue {
    let bytes = value.as_bytes().iter().map(|byte| match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => *other,
    });
    let mut safe = HeaderValue::from_bytes(&bytes.collect::<Vec<u8>>()).expect("base64 fits into a header");
    safe.set_sensitive(true);
    safe
}

/// A connection whose incoming bytes are counted.
#[derive(Debug)]
struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let taken = self.meter.take(buffer.filled().len() - before);
        Poll::Ready(taken.map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
