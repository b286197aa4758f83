use std::{io, net::SocketAddr};

use tokio::net::TcpStream;

use super::{
    answer::{failed, passed, quote},
    ask::address,
};
use crate::{health::Answer, observed::Instance, plan::TcpCheck};

pub(super) async fn ask(check: &TcpCheck, instance: &Instance) -> Answer {
    let address = match address(instance, check.port) {
        Ok(address) => address,
        Err(answer) => return answer,
    };
    match connect(address).await {
        Ok(_) => passed(format!("{address} accepts connections")),
        Err(answer) => answer,
    }
}

/// A fresh connection, or the answer that says why there is none.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Answer> {
    TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => failed(format!("connection refused at {address}")),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            failed(format!("{address} cannot be reached from here"))
        }
        _ => failed(format!("no connection to {address}: {}", quote(&error.to_string()))),
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        observed::Reach,
        probe::stub::{ask, instance},
    };

    #[tokio::test]
    async fn a_port_that_listens_passes_and_a_closed_one_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = format!(r#"{{"tcp": {{"port": {port}}}}}"#);
        assert_eq!(ask(&check).await, format!("passed: 127.0.0.1:{port} accepts connections"));
        drop(listener);
        assert_eq!(ask(&check).await, format!("failed: connection refused at 127.0.0.1:{port}"));
    }

    #[tokio::test]
    async fn a_port_that_cannot_be_dialled_fails_and_says_so() {
        let mut instance = instance();
        for reach in [Reach::Nowhere, Reach::Published([127, 0, 0, 1].into())] {
            instance.reach = reach;
            let answer = super::ask(&TcpCheck { port: 80 }, &instance).await;
            let expected = "port 80 of `shop-web-1` can be reached neither by its address nor by a published port";
            assert_eq!(answer, failed(expected));
        }
    }
}
