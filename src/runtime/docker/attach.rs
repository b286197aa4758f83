//! Commands in containers that a person talks to: in one that runs, and in one of their own.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::{
    exec::CreateExecOptions,
    query_parameters::{
        CreateContainerOptions, KillContainerOptions, ResizeContainerTTYOptions, ResizeExecOptions,
        StartContainerOptions, WaitContainerOptions,
    },
};
use futures_util::{StreamExt as _, stream::BoxStream};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, split};

use super::{Docker, create, fault, instance, labels, settings, transport};
use crate::{
    diagnostic::Class,
    observed::Fault,
    runtime::{Attached, Chunk, ExecRequest, FarEnd, OneOff, Remote, Stream, TerminalSize},
};

/// What is read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// A command's output has ended a moment before the engine says so of the command: so often is it
/// asked, and waited between.
const END_TRIES: u32 = 200;
const END_WAIT: Duration = Duration::from_millis(25);

/// Starts a command in a running container.
pub(super) async fn exec(docker: &Docker, id: &str, request: &ExecRequest) -> Result<Attached, Fault> {
    let container = instance::owned(docker, id).await?.ok_or_else(|| {
        Fault::new(Class::Dependency, Fault::INSTANCE_NOT_FOUND, format!("`{id}` does not exist any more"))
    })?;
    let name = container.name.as_deref().map_or(id, |name| name.trim_start_matches('/')).to_owned();
    let streams = request.streams;
    let listens = !streams.is_detached;
    let options = CreateExecOptions {
        cmd: Some(request.command.clone()),
        attach_stdin: Some(listens && streams.has_input),
        attach_stdout: Some(listens),
        attach_stderr: Some(listens),
        tty: Some(streams.terminal.is_some()),
        env: Some(request.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        user: request.user.clone(),
        working_dir: request.working_dir.clone(),
        privileged: Some(request.is_privileged),
        ..Default::default()
    };
    let call = docker.change(format!("run a command in `{name}`"));
    let made = call.run(docker.client()?.create_exec(id, options)).await?;
    if streams.is_detached {
        let options = bollard::exec::StartExecOptions { detach: true, ..Default::default() };
        call.run(docker.client()?.start_exec(&made.id, Some(options))).await?;
        return Ok(Attached::Detached);
    }
    let body = json!({ "Detach": false, "Tty": streams.terminal.is_some() });
    let path = format!("/exec/{}/start", made.id);
    let duplex = call.run(transport::take_over(docker.address(), &path, &body)).await?;
    let far_end = ExecEnd { docker: of_its_own(docker), name, exec_id: made.id };
    if let Some(size) = streams.terminal {
        // Without it the terminal is of another size, which is no reason to fail.
        drop(far_end.resize(size).await);
    }
    Ok(remote(duplex, streams.terminal, Arc::new(far_end)))
}

/// Makes a container of its own for something that runs once, and starts it.
pub(super) async fn run_once(docker: &Docker, one_off: &OneOff) -> Result<(String, Attached), Fault> {
    let OneOff { name, spec, streams, is_removed_by_engine } = one_off;
    let mut body = settings::container(spec);
    labels::mark_one_off(body.labels.get_or_insert_default());
    let listens = !streams.is_detached;
    let reads = listens && streams.has_input;
    body.tty = Some(streams.terminal.is_some());
    (body.open_stdin, body.stdin_once, body.attach_stdin) = (Some(reads), Some(reads), Some(reads));
    (body.attach_stdout, body.attach_stderr) = (Some(listens), Some(listens));
    body.host_config.get_or_insert_default().auto_remove = Some(*is_removed_by_engine);
    let client = docker.client()?;
    let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
    let call = docker.change(format!("create `{name}`")).within(docker.patience().create);
    let made = call.run(client.create_container(Some(options), body)).await?;
    create::join(docker, &made.id, name, create::after_birth(spec)).await?;
    let far_end = ContainerEnd { docker: of_its_own(docker), name: name.clone(), id: made.id.clone() };
    let attached = match listens {
        false => Attached::Detached,
        true => {
            let path = format!("/containers/{}/attach?stream=1&stdout=1&stderr=1&stdin={}", made.id, u8::from(reads));
            let call = docker.read(format!("attach to `{name}`"));
            let duplex = call.run(transport::take_over(docker.address(), &path, &serde_json::Value::Null)).await?;
            remote(duplex, streams.terminal, Arc::new(far_end.clone()))
        }
    };
    let call = docker.change(format!("start `{name}`")).within(docker.patience().start);
    call.run(client.start_container(&made.id, None::<StartContainerOptions>)).await?;
    if let Some(size) = streams.terminal {
        drop(far_end.resize(size).await);
    }
    Ok((made.id, attached))
}

fn remote(duplex: transport::Duplex, terminal: Option<TerminalSize>, far_end: Arc<dyn FarEnd>) -> Attached {
    let (reader, writer) = split(duplex);
    let form = if terminal.is_some() { Form::Raw } else { Form::Framed { stream: Stream::Stdout, left: 0 } };
    Attached::Remote(Remote { output: chunks(reader, form), input: Box::pin(writer), far_end })
}

/// How output comes in: as a terminal's, or in frames that say which of the outputs they are of.
#[derive(Debug, Clone, Copy)]
enum Form {
    Raw,
    Framed { stream: Stream, left: usize },
}

fn chunks(reader: impl AsyncRead + Send + Unpin + 'static, form: Form) -> BoxStream<'static, Result<Chunk, Fault>> {
    let read = futures_util::stream::try_unfold((reader, form), |(mut reader, mut form)| async move {
        let next = next_chunk(&mut reader, &mut form).await.map_err(|error| {
            let text = format!("the connection with the command broke off: {error}");
            Fault::new(Class::Network, "attached-cut-off", text)
        })?;
        Ok(next.map(|chunk| (chunk, (reader, form))))
    });
    read.boxed()
}

/// The next part of the output; `None` at its end.
async fn next_chunk(reader: &mut (impl AsyncRead + Unpin), form: &mut Form) -> std::io::Result<Option<Chunk>> {
    let (stream, most) = match form {
        Form::Raw => (Stream::Stdout, CHUNK_BYTES),
        Form::Framed { stream, left } => {
            while *left == 0 {
                let mut head = [0; 8];
                match reader.read_exact(&mut head).await {
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                    result => result?,
                };
                *stream = if head[0] == 2 { Stream::Stderr } else { Stream::Stdout };
                let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
                *left = usize::try_from(length).expect("an address has 32 bits at least");
            }
            (*stream, (*left).min(CHUNK_BYTES))
        }
    };
    let mut bytes = vec![0; most];
    let length = reader.read(&mut bytes).await?;
    bytes.truncate(length);
    if let Form::Framed { left, .. } = form {
        *left -= length;
    }
    Ok((length > 0).then_some((stream, bytes)))
}

/// What a command's other end is asked through: it outlives the call that started it.
fn of_its_own(docker: &Docker) -> Arc<Docker> {
    Arc::new(Docker::with_patience(docker.address().clone(), docker.patience().clone()))
}

fn sides(size: TerminalSize) -> (i32, i32) {
    (size.rows.into(), size.columns.into())
}

struct ExecEnd {
    docker: Arc<Docker>,
    name: String,
    exec_id: String,
}

#[async_trait]
impl FarEnd for ExecEnd {
    async fn resize(&self, size: TerminalSize) -> Result<(), Fault> {
        let (h, w) = sides(size);
        let call = self.docker.read(format!("set the size of a terminal in `{}`", self.name));
        call.run(self.docker.client()?.resize_exec(&self.exec_id, ResizeExecOptions { h, w })).await
    }

    /// An engine has no call for it.
    async fn signal(&self, _: &str) -> Result<bool, Fault> {
        Ok(false)
    }

    async fn exit_code(&self) -> Result<i64, Fault> {
        let call = self.docker.read(format!("ask how a command in `{}` ended", self.name));
        for _ in 0..END_TRIES {
            let found = call.run(self.docker.client()?.inspect_exec(&self.exec_id)).await?;
            if let (Some(false), Some(code)) = (found.running, found.exit_code) {
                return Ok(code);
            }
            tokio::time::sleep(END_WAIT).await;
        }
        let text =
            format!("the command in `{}` has no exit code: it may still run, or its container has stopped", self.name);
        Err(Fault::new(Class::Deployment, "exec-lost", text))
    }
}

#[derive(Clone)]
struct ContainerEnd {
    docker: Arc<Docker>,
    name: String,
    id: String,
}

#[async_trait]
impl FarEnd for ContainerEnd {
    async fn resize(&self, size: TerminalSize) -> Result<(), Fault> {
        let (h, w) = sides(size);
        let call = self.docker.read(format!("set the size of the terminal of `{}`", self.name));
        call.run(self.docker.client()?.resize_container_tty(&self.id, ResizeContainerTTYOptions { h, w })).await
    }

    async fn signal(&self, signal: &str) -> Result<bool, Fault> {
        let call = self.docker.change(format!("send {signal} to `{}`", self.name));
        let options = KillContainerOptions { signal: signal.to_owned() };
        match call.run(self.docker.client()?.kill_container(&self.id, Some(options))).await {
            // It has ended meanwhile.
            Err(fault) if fault.code == fault::CONFLICT => Ok(true),
            result => result.map(|()| true),
        }
    }

    async fn exit_code(&self) -> Result<i64, Fault> {
        let client = self.docker.client()?;
        // An exit code other than 0 is an error to the client; how it ended is asked after.
        let options = WaitContainerOptions { condition: "not-running".to_owned() };
        drop(client.wait_container(&self.id, Some(options)).next().await);
        let call = self.docker.read(format!("inspect `{}`", self.name));
        let found = call.run(client.inspect_container(&self.id, None)).await?;
        let ended = found.state.and_then(|state| state.exit_code);
        ended.ok_or_else(|| fault::incomplete(&call, "exit code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &'static [u8], form: Form) -> Vec<(bool, String)> {
        let read: Vec<_> = chunks(bytes, form).collect().await;
        let text = |chunk: Result<Chunk, Fault>| {
            let (stream, bytes) = chunk.unwrap();
            (stream == Stream::Stderr, String::from_utf8(bytes).unwrap())
        };
        read.into_iter().map(text).collect()
    }

    #[tokio::test]
    async fn outputs_are_told_apart_unless_they_are_a_terminals() {
        let framed = b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x03bad\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01!";
        let form = Form::Framed { stream: Stream::Stdout, left: 0 };
        let expected = [(false, "hi"), (true, "bad"), (false, "!")].map(|(is_bad, text)| (is_bad, text.to_owned()));
        assert_eq!(read(framed, form).await, expected);
        assert_eq!(read(b"\x01\x02^C", Form::Raw).await, [(false, "\x01\x02^C".to_owned())]);
    }
}
