//! A small web server for the quickstart: the standard library and nothing else.
//!
//! ```text
//! web --name=NAME --port=PORT [--greeting=TEXT] [--upstream=HOST:PORT]... [--broken=true|false]
//! ```
//!
//! `/` answers one line: its name, its greeting, and what its upstreams answered.
//! `/health` answers 200 when all upstreams are healthy, else 503. With `--broken=true` everything
//! answers 500. SIGTERM ends it.

use std::{
    env,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

/// The most that is read of a request or an answer.
const MAX_BYTES: u64 = 8 * 1024;
/// The longest wait for a client's or an upstream's next bytes.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Settings {
    name: String,
    port: u16,
    greeting: String,
    upstreams: Vec<String>,
    is_broken: bool,
}

fn main() -> ExitCode {
    match settings(env::args().skip(1)).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("web: {error}");
            ExitCode::FAILURE
        }
    }
}

fn settings(words: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for word in words {
        let (option, value) = word.split_once('=').ok_or_else(|| format!("`{word}` has no value"))?;
        match option {
            "--name" => settings.name = value.to_owned(),
            "--port" => settings.port = value.parse().map_err(|_| format!("`{value}` is not a port"))?,
            "--greeting" => settings.greeting = value.to_owned(),
            "--upstream" => settings.upstreams.push(value.to_owned()),
            "--broken" => settings.is_broken = value == "true",
            _ => return Err(format!("`{option}` is not an option")),
        }
    }
    Ok(settings)
}

fn serve(settings: Settings) -> Result<(), String> {
    let address = format!("127.0.0.1:{}", settings.port);
    let listener = TcpListener::bind(&address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("{} listens on {address}", settings.name);
    let settings = Arc::new(settings);
    for connection in listener.incoming() {
        let settings = Arc::clone(&settings);
        thread::spawn(move || {
            // A client that goes away half-way is no concern of the server's.
            let _ = connection.and_then(|client| answer(&settings, client));
        });
    }
    Ok(())
}

fn answer(settings: &Settings, mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let request = read_head(&client)?;
    let path = request.split(' ').nth(1).unwrap_or("/");
    let (status, body) = match path {
        _ if settings.is_broken => ("500 Internal Server Error", format!("{} is broken", settings.name)),
        "/" => ("200 OK", greet(settings)),
        "/health" => health(settings),
        _ => ("404 Not Found", format!("no {path} here")),
    };
    let length = body.len() + 1;
    write!(client, "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n")?;
    write!(client, "Connection: close\r\n\r\n{body}\n")
}

/// Reads up to the empty line that ends the headers: closing a connection with unread bytes in it
/// would reset it.
fn read_head(client: &TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut bytes = client.take(MAX_BYTES);
    let mut chunk = [0; 512];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match bytes.read(&mut chunk)? {
            0 => break,
            count => head.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn greet(settings: &Settings) -> String {
    let mut line = settings.name.clone();
    if !settings.greeting.is_empty() {
        line.push_str(&format!(" says {}", settings.greeting));
    }
    let answers: Vec<String> = settings
        .upstreams
        .iter()
        .map(|upstream| match get(upstream, "/") {
            Ok((_, body)) => body,
            Err(error) => format!("{upstream}: {error}"),
        })
        .collect();
    if !answers.is_empty() {
        line.push_str(&format!(" [{}]", answers.join(", ")));
    }
    line
}

fn health(settings: &Settings) -> (&'static str, String) {
    let is_well = |upstream: &&String| matches!(get(upstream, "/health"), Ok((200, _)));
    match settings.upstreams.iter().find(|upstream| !is_well(upstream)) {
        None => ("200 OK", "healthy".to_owned()),
        Some(upstream) => ("503 Service Unavailable", format!("{upstream} is not healthy")),
    }
}

/// Asks an upstream: its status and the body of its answer.
fn get(upstream: &str, path: &str) -> io::Result<(u16, String)> {
    let address = upstream.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.set_write_timeout(Some(PATIENCE))?;
    write!(server, "GET {path} HTTP/1.1\r\nHost: {upstream}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    server.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.trim_end().to_owned()))
}
