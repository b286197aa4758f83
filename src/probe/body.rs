use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json_path::JsonPath;

use super::{
    answer::{failed, holds, quote},
    http::not_http,
};
use crate::{
    health::Answer,
    plan::{ByteSize, HttpCheck},
};

/// How much of a body is read.
const MOST_BYTES: usize = 1 << 20;

/// What was read of a body.
struct Body {
    content: Vec<u8>,
    is_complete: bool,
}

/// Reads a body as far as the check needs it, and compares.
pub(super) async fn check(check: &HttpCheck, body: Incoming) -> Result<(), Answer> {
    if check.body.is_none() && check.json.is_empty() {
        return Ok(());
    }
    let text = check.body.as_ref().map_or("", |text| text.expose());
    // A stream may never end: what was looked for may be in what came.
    let until = if check.json.is_empty() { text } else { "" };
    let body = read(body, until).await?;
    if !holds(&body.content, text) {
        let expected = check.body.as_ref().expect("every body holds the empty text");
        return Err(failed(match body.is_complete {
            true => format!("the body does not hold `{expected}`: `{}`", body.excerpt()),
            false => format!("the body's first {} bytes do not hold `{expected}`", ByteSize(MOST_BYTES as u64)),
        }));
    }
    if check.json.is_empty() { Ok(()) } else { check_json(check, &body).map_err(failed) }
}

/// Reads until the body ends, or is too large, or holds the text `until` if that is not empty.
async fn read(mut body: Incoming, until: &str) -> Result<Body, Answer> {
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| not_http(&error))?;
        let Some(chunk) = frame.data_ref() else { continue };
        let room = MOST_BYTES - content.len();
        let unsearched = content.len().saturating_sub(until.len());
        content.extend_from_slice(&chunk[..chunk.len().min(room)]);
        let is_enough = !until.is_empty() && holds(&content[unsearched..], until);
        if chunk.len() > room || is_enough {
            return Ok(Body { content, is_complete: false });
        }
    }
    Ok(Body { content, is_complete: true })
}

fn check_json(check: &HttpCheck, body: &Body) -> Result<(), String> {
    if !body.is_complete {
        return Err(format!("the body is larger than {} bytes", ByteSize(MOST_BYTES as u64)));
    }
    let json: serde_json::Value =
        serde_json::from_slice(&body.content).map_err(|_| format!("the body is not JSON: `{}`", body.excerpt()))?;
    for (path, expected) in &check.json {
        let found = JsonPath::parse(path).map_err(|_| format!("`{path}` is not a JSON path"))?.query(&json).all();
        if found.contains(&expected) {
            continue;
        }
        let expected = quote(&expected.to_string());
        return Err(match found.first() {
            Some(found) => format!("`{path}` is `{}`, expected `{expected}`", quote(&found.to_string())),
            None => format!("the body has nothing at `{path}`, expected `{expected}`"),
        });
    }
    Ok(())
}

impl Body {
    fn excerpt(&self) -> String {
        let start = &self.content[..self.content.len().min(1024)];
        quote(&String::from_utf8_lossy(start))
    }
}
