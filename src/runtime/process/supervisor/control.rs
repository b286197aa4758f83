use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};

use super::{
    super::protocol::{Reply, Request, VERSION, Wish, line},
    run::Happening,
};

/// The longest request; none comes near it.
const MAX_REQUEST_BYTES: u64 = 4096;

/// Takes connections, until the supervisor ends.
pub(super) async fn serve(listener: UnixListener, happenings: mpsc::Sender<Happening>) {
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(converse(connection, happenings.clone()));
    }
}

/// Passes one connection's requests on, and the replies back. The connection stays open as long as
/// its other end wants: it closes with the supervisor, which is how one waits for its end.
async fn converse(connection: UnixStream, happenings: mpsc::Sender<Happening>) {
    let (reader, mut writer) = connection.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut text = String::new();
        match (&mut reader).take(MAX_REQUEST_BYTES).read_line(&mut text).await {
            Ok(length) if length > 0 && text.ends_with('\n') => {}
            Ok(_) | Err(_) => return,
        }
        let reply = match serde_json::from_str::<Request>(&text) {
            Ok(Request { version: VERSION, wish }) => ask(wish, &happenings).await,
            Ok(_) | Err(_) => Some(Reply::Refused { version: VERSION }),
        };
        let Some(reply) = reply else { return };
        if writer.write_all(&line(&reply)).await.is_err() {
            return;
        }
    }
}

async fn ask(wish: Wish, happenings: &mpsc::Sender<Happening>) -> Option<Reply> {
    let (reply, answer) = oneshot::channel();
    happenings.send(Happening::Asked { wish, reply }).await.ok()?;
    answer.await.ok()
}
