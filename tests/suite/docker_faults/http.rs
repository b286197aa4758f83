//! As much of HTTP/1.1 as an engine needs.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

pub struct Request {
    pub method: String,
    pub path: String,
    query: Vec<(String, String)>,
    pub body: serde_json::Value,
    /// The body as it came.
    pub content: Vec<u8>,
    /// All of it, as it came.
    pub raw: Vec<u8>,
}

/// An answer that is not wrong.
pub enum Reply {
    Empty,
    Json(u16, serde_json::Value),
    /// Whole text of a stream, which then ends or stays open.
    Stream {
        text: Vec<u8>,
        stays_open: bool,
    },
    /// The connection becomes a terminal, which says this.
    Upgrade(Vec<u8>),
}

impl Request {
    /// Reads one; `None` if the connection ends before.
    pub async fn read(stream: &mut UnixStream) -> io::Result<Option<Self>> {
        let mut raw = Vec::new();
        let head_length = loop {
            if let Some(at) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut raw).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&raw[..head_length]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let is_whole = |raw: &[u8]| match is_chunked {
            true => raw.ends_with(b"0\r\n\r\n"),
            false => raw.len() >= head_length + length.unwrap_or(0),
        };
        while !is_whole(&raw) {
            if stream.read_buf(&mut raw).await? == 0 {
                return Ok(None);
            }
        }
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        Ok(Some(Self {
            method: method.to_owned(),
            path: decoded(path),
            query: query.map(|(name, value)| (name.to_owned(), decoded(value))).collect(),
            body: serde_json::from_slice(&raw[head_length..]).unwrap_or_default(),
            content: raw[head_length..].to_vec(),
            raw,
        }))
    }

    pub fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl Reply {
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Self::Json(status, serde_json::json!({ "message": message.into() }))
    }

    pub fn text(&self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Json(_, value) => value.to_string().into_bytes(),
            Self::Stream { text, .. } | Self::Upgrade(text) => text.clone(),
        }
    }

    pub async fn write(self, stream: &mut UnixStream) -> io::Result<()> {
        match self {
            Self::Empty => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await,
            Self::Json(status, value) => {
                let text = value.to_string();
                let head = head(status, &format!("Content-Length: {}\r\n", text.len()));
                stream.write_all((head + &text).as_bytes()).await
            }
            Self::Stream { text, stays_open } => {
                stream.write_all(head(200, "Transfer-Encoding: chunked\r\n").as_bytes()).await?;
                write_chunk(stream, &text).await?;
                if stays_open {
                    return until_closed(stream).await;
                }
                stream.write_all(b"0\r\n\r\n").await
            }
            Self::Upgrade(text) => {
                let head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&text).await
            }
        }
    }
}

pub fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Said So\r\nContent-Type: application/json\r\n{headers}\r\n")
}

pub async fn write_chunk(stream: &mut UnixStream, text: &[u8]) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    stream.write_all(format!("{:x}\r\n", text.len()).as_bytes()).await?;
    stream.write_all(text).await?;
    stream.write_all(b"\r\n").await
}

/// Says nothing more until the other side has had enough.
pub async fn until_closed(stream: &mut UnixStream) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}
