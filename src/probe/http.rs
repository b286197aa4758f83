use std::{collections::BTreeMap, io, net::SocketAddr};

use http_body_util::Empty;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;

use super::{
    answer::{failed, passed, quote},
    ask::address,
    body,
    tcp::connect,
};
use crate::{health::Answer, observed::Instance, plan::HttpCheck};

/// The largest head of an answer that is read.
const LARGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 200;

/// Statuses that are accepted if the check names none.
const GOOD: std::ops::RangeInclusive<u16> = 200..=399;

pub(super) async fn ask(check: &HttpCheck, instance: &Instance) -> Answer {
    let asked = async {
        let address = address(instance, check.port)?;
        let request = request(check).map_err(failed)?;
        exchange(check, address, request).await
    };
    match asked.await {
        Ok(status) => passed(format!("status {}", status.as_u16())),
        Err(answer) => answer,
    }
}

/// The request, or why it cannot be sent. It names the host as a healthcheck inside the container
/// would: servers that check the name know `localhost`, not the container's address.
fn request(check: &HttpCheck) -> Result<Request<Empty<Bytes>>, String> {
    let method = Method::from_bytes(check.method.as_bytes());
    let method = method.map_err(|_| format!("`{}` is not an HTTP method", check.method))?;
    let uri = Some(check.path.expose()).filter(|path| path.starts_with('/')).and_then(|path| path.parse::<Uri>().ok());
    let uri = uri.ok_or_else(|| format!("`{}` is not a path", check.path))?;
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    let host = HeaderValue::try_from(format!("localhost:{}", check.port)).expect("this is plain ASCII");
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("orchestrate/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in &check.headers {
        let pair = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value.expose()).ok());
        let (header, value) = pair.ok_or_else(|| format!("the header `{name}` cannot be sent as it is"))?;
        headers.insert(header, value);
    }
    Ok(request)
}

async fn exchange(
    check: &HttpCheck,
    address: SocketAddr,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, Answer> {
    let stream = TokioIo::new(connect(address).await?);
    let mut builder = http1::Builder::new();
    builder.max_header_size(LARGEST_HEAD).max_buf_size(LARGEST_HEAD).max_headers(MOST_HEADERS);
    let (mut sender, connection) = builder.handshake(stream).await.map_err(|error| not_http(&error))?;
    let asking = async {
        let response = sender.send_request(request).await.map_err(|error| not_http(&error))?;
        judge(check, response).await
    };
    // The connection does the reading and writing. It may end before its answer is taken.
    tokio::pin!(asking);
    tokio::select! {
        biased;
        judged = &mut asking => judged,
        _ = connection => asking.await,
    }
}

async fn judge(check: &HttpCheck, response: Response<Incoming>) -> Result<StatusCode, Answer> {
    let status = response.status();
    let is_expected =
        if check.status.is_empty() { GOOD.contains(&status.as_u16()) } else { check.status.contains(&status.as_u16()) };
    if !is_expected {
        return Err(failed(format!("status {}, expected {}", status.as_u16(), expected_statuses(check))));
    }
    check_headers(&check.response_headers, response.headers()).map_err(failed)?;
    body::check(check, response.into_body()).await?;
    Ok(status)
}

fn expected_statuses(check: &HttpCheck) -> String {
    if check.status.is_empty() {
        return format!("{} to {}", GOOD.start(), GOOD.end());
    }
    let statuses: Vec<String> = check.status.iter().map(u16::to_string).collect();
    statuses.join(" or ")
}

fn check_headers(expected: &BTreeMap<String, String>, headers: &HeaderMap) -> Result<(), String> {
    for (name, text) in expected {
        let values: Vec<String> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        if values.is_empty() {
            return Err(format!("the answer has no header `{name}`"));
        }
        if !values.iter().any(|value| value.contains(text)) {
            return Err(format!(
                "the header `{name}` is `{}`, which does not hold `{text}`",
                quote(&values.join(", "))
            ));
        }
    }
    Ok(())
}

pub(super) fn not_http(error: &hyper::Error) -> Answer {
    if error.is_parse_too_large() {
        return failed("the answer's headers are too large");
    }
    if error.is_parse() {
        return failed("what answers does not speak HTTP/1");
    }
    let cause = std::error::Error::source(error);
    let broken = cause.and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let has_ended = matches!(
        broken,
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    );
    if has_ended || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return failed("the connection was closed before the answer was complete");
    }
    let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
    failed(format!("the connection broke: {}", quote(&cause)))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::JoinHandle,
    };

    use super::*;
    use crate::{
        plan::CheckKind,
        probe::stub::{ask, check, instance},
        secret::{Secret, Text},
    };

    /// What a server of one connection does after it has read the request's head.
    enum Server {
        Says(&'static str),
        /// Says this, and then that again and again.
        Repeats(&'static str, &'static str),
        SaysAndHangs(&'static str),
    }

    async fn serve(server: Server) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            // The probe hangs up when it has seen enough.
            match server {
                Server::Says(text) => drop(stream.write_all(text.as_bytes()).await),
                Server::Repeats(head, text) => {
                    let text = text.repeat(4096);
                    let mut result = stream.write_all(head.as_bytes()).await;
                    while result.is_ok() {
                        result = stream.write_all(text.as_bytes()).await;
                    }
                }
                Server::SaysAndHangs(text) => {
                    drop(stream.write_all(text.as_bytes()).await);
                    drop(stream.read_u8().await);
                }
            }
            String::from_utf8(request).unwrap()
        });
        (port, task)
    }

    async fn answer(fields: &str, timeout: &str, server: Server) -> String {
        let (port, task) = serve(server).await;
        let answer = ask(&format!(r#"{{"http": {{"port": {port}{fields}}}, "timeout": "{timeout}"}}"#)).await;
        task.await.unwrap();
        answer
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-App: one\r\n\r\nhealthy";
    const JSON: &str = "HTTP/1.1 200 OK\r\n\r\n{\"status\": \"up\", \"parts\": [{\"n\": 1}, {\"n\": 2}]}";

    #[tokio::test]
    async fn answers_are_judged() {
        use Server::Says;
        let table = [
            ("", Says(OK), "passed: status 200"),
            ("", Says("HTTP/1.0 302 Found\r\nLocation: http://example.org/\r\n\r\n"), "passed: status 302"),
            ("", Says("HTTP/1.1 503 No\r\n\r\n"), "failed: status 503, expected 200 to 399"),
            (r#", "status": [204, 201]"#, Says(OK), "failed: status 200, expected 201 or 204"),
            (r#", "status": [404]"#, Says("HTTP/1.1 404 No\r\n\r\n"), "passed: status 404"),
            (r#", "body": "alth""#, Says(OK), "passed: status 200"),
            (r#", "body": "sick""#, Says(OK), "failed: the body does not hold `sick`: `healthy`"),
            (
                r#", "body": "x""#,
                Says("HTTP/1.1 200 OK\r\n\r\n\x1b[2J"),
                "failed: the body does not hold `x`: `\u{fffd}[2J`",
            ),
            (r#", "response_headers": {"x-app": "on"}"#, Says(OK), "passed: status 200"),
            (
                r#", "response_headers": {"x-app": "two"}"#,
                Says(OK),
                "failed: the header `x-app` is `one`, which does not hold `two`",
            ),
            (r#", "response_headers": {"x-b": ""}"#, Says(OK), "failed: the answer has no header `x-b`"),
            (r#", "json": {"$.status": "up"}"#, Says(JSON), "passed: status 200"),
            (r#", "json": {"$.parts[*].n": 2}"#, Says(JSON), "passed: status 200"),
            (r#", "json": {"$.status": "ok"}"#, Says(JSON), r#"failed: `$.status` is `"up"`, expected `"ok"`"#),
            (r#", "json": {"$.nope": 1}"#, Says(JSON), "failed: the body has nothing at `$.nope`, expected `1`"),
            (r#", "json": {"$[": 1}"#, Says(JSON), "failed: `$[` is not a JSON path"),
            (r#", "json": {"$.a": 1}"#, Says(OK), "failed: the body is not JSON: `healthy`"),
            ("", Says(""), "failed: the connection was closed before the answer was complete"),
            (
                r#", "body": "x""#,
                Says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
                "failed: the connection was closed before the answer was complete",
            ),
            ("", Says("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "failed: what answers does not speak HTTP/1"),
            ("", Server::SaysAndHangs("HTTP/1.1 20"), "failed: no answer within 200ms"),
            (r#", "body": "x""#, Server::SaysAndHangs("HTTP/1.1 200 OK\r\n\r\nab"), "failed: no answer within 200ms"),
            (r#", "body": "b""#, Server::SaysAndHangs("HTTP/1.1 200 OK\r\n\r\nab"), "passed: status 200"),
            (
                "",
                Server::Repeats("HTTP/1.1 200 OK\r\n", "X-Header: 0123456789\r\n"),
                "failed: the answer's headers are too large",
            ),
            ("", Server::Repeats("HTTP/1.1 200 OK\r\nX: ", "0123456789"), "failed: the answer's headers are too large"),
            (
                r#", "body": "x""#,
                Server::Repeats("HTTP/1.1 200 OK\r\n\r\n", "0123456789"),
                "failed: the body's first 1M bytes do not hold `x`",
            ),
            (
                r#", "json": {"$": 1}"#,
                Server::Repeats("HTTP/1.1 200 OK\r\n\r\n", "[[[["),
                "failed: the body is larger than 1M bytes",
            ),
        ];
        for (fields, server, expected) in table {
            // Only who never answers is waited for.
            let timeout = if expected.contains("no answer") { "200ms" } else { "1m" };
            assert_eq!(answer(fields, timeout, server).await, expected, "{fields}");
        }
    }

    #[tokio::test]
    async fn requests_are_sent_as_the_check_says() {
        let (port, task) = serve(Server::Says(OK)).await;
        let fields = r#""path": "/health?full=1", "method": "HEAD", "headers": {"X-Token": "t", "Host": "shop.test"}"#;
        assert_eq!(ask(&format!(r#"{{"http": {{"port": {port}, {fields}}}}}"#)).await, "passed: status 200");
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "HEAD /health?full=1 HTTP/1.1\r\nhost: shop.test\r\nuser-agent: orchestrate/{version}\r\nconnection: close\r\nx-token: t\r\n\r\n"
        );
        assert_eq!(task.await.unwrap(), expected);
    }

    #[tokio::test]
    async fn the_host_is_named_as_it_names_itself() {
        let (port, task) = serve(Server::Says(OK)).await;
        assert_eq!(ask(&format!(r#"{{"http": {{"port": {port}}}}}"#)).await, "passed: status 200");
        let request = task.await.unwrap();
        assert!(request.starts_with(&format!("GET / HTTP/1.1\r\nhost: localhost:{port}\r\n")), "{request}");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let table = [
            ("", format!("failed: connection refused at 127.0.0.1:{port}")),
            (r#", "method": "GE T""#, "failed: `GE T` is not an HTTP method".into()),
            (r#", "path": "health""#, "failed: `health` is not a path".into()),
            (r#", "path": "/a b""#, "failed: `/a b` is not a path".into()),
            (r#", "headers": {"a b": "c"}"#, "failed: the header `a b` cannot be sent as it is".into()),
            (r#", "headers": {"a": "b\n"}"#, "failed: the header `a` cannot be sent as it is".into()),
        ];
        for (fields, expected) in table {
            assert_eq!(ask(&format!(r#"{{"http": {{"port": {port}{fields}}}}}"#)).await, expected);
        }
    }

    #[tokio::test]
    async fn secrets_of_a_check_are_not_shown() {
        let secret = || Text::Secret(Secret::new("hunter2"));
        let (port, task) = serve(Server::Says(OK)).await;
        let CheckKind::Http(mut http) = check(&format!(r#"{{"http": {{"port": {port}}}}}"#)).kind else { panic!() };
        http.body = Some(secret());
        let answer = super::ask(&http, &instance()).await;
        assert_eq!(answer, failed("the body does not hold `***`: `healthy`"));
        task.await.unwrap();
        http.path = secret();
        assert_eq!(super::ask(&http, &instance()).await, failed("`***` is not a path"));
    }
}
