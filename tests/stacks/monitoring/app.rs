//! Answers every request with the number of requests so far.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

fn main() {
    let port = std::env::var("PORT").expect("PORT says where to listen");
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).expect("the port is free");
    for (count, stream) in listener.incoming().flatten().enumerate() {
        let mut stream = stream;
        let mut request = [0; 4096];
        // Whoever goes away early gets no answer.
        if stream.read(&mut request).is_ok() {
            let body = format!("# TYPE requests_total counter\nrequests_total {count}\n");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n", body.len());
            drop(write!(stream, "{head}Connection: close\r\n\r\n{body}"));
        }
    }
}
