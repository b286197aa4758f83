//! Images that are built: the engine's own builder, which every engine has.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::Path,
};

use bollard::{
    auth::DockerCredentials,
    models::BuildInfo,
    query_parameters::{BuildImageOptions, BuilderVersion, TagImageOptions},
};
use serde_json::json;

use super::{
    Docker,
    build_context::{BuildContext, Packing, stream},
    build_output::{BuildOutput, Step},
    call::Call,
    fault::{self, clean},
    image, registry, transport,
};
use crate::{
    action::Effect,
    diagnostic::Class,
    observed::Fault,
    plan::{BuildLong, ByteSize, ImageReference},
    runtime::Progress,
};

/// Registries whose logins go with a build.
const MOST_REGISTRIES: usize = 16;

/// Builds an image. What did not change since the last time comes out of the engine's cache.
pub(super) async fn build(
    docker: &Docker,
    image: &ImageReference,
    build: &BuildLong,
    platform: Option<&str>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Effect, Fault> {
    let before = image::facts(docker, image).await?;
    let context = build.context.as_deref().unwrap_or(".");
    let call = docker.change(format!("build `{image}`")).within(docker.patience().build);
    let mut options = options(image, build, platform)?;
    if is_remote(context) {
        if build.dockerfile_inline.is_some() {
            let text = format!("cannot build `{image}`: a context on the network takes no `dockerfile_inline`");
            return Err(Fault::new(Class::Configuration, "build-context", text));
        }
        options.remote = Some(context.to_owned());
        let building = Building { docker, image, call, progress, dockerfile: "" };
        building.run(options, build, None).await?;
    } else {
        let inline = build.dockerfile_inline.as_deref();
        let context = BuildContext::open(Path::new(context), build.dockerfile.as_deref(), inline)?;
        options.dockerfile = context.dockerfile.clone();
        let dockerfile = context.dockerfile_text.clone();
        let building = Building { docker, image, call, progress, dockerfile: &dockerfile };
        building.run(options, build, Some(context.pack())).await?;
    }
    for tag in &build.tags {
        name(docker, image, tag).await?;
    }
    let after = image::facts(docker, image).await?.ok_or_else(|| {
        let text = format!("cannot build `{image}`: it is not there after its build");
        Fault::new(Class::Dependency, "build-failed", text)
    })?;
    let is_same = before.is_some_and(|before| before.id == after.id);
    Ok(if is_same { Effect::AlreadySo } else { Effect::Done })
}

/// What the engine fetches itself.
fn is_remote(context: &str) -> bool {
    context.contains("://") || context.starts_with("git@") || context.starts_with("github.com/")
}

/// Refuses what the engine's own builder would pass over, and make another image.
fn refuse_buildkit(image: &ImageReference, build: &BuildLong) -> Result<(), Fault> {
    let asked = [
        ("additional_contexts", !build.additional_contexts.is_empty()),
        ("entitlements", !build.entitlements.is_empty()),
        ("privileged", build.privileged),
        ("secrets", !build.secrets.is_empty()),
        ("ssh", !build.ssh.is_empty()),
    ];
    let Some((key, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) else { return Ok(()) };
    let text = format!("cannot build `{image}`: `{key}` is for BuildKit, and the engine's own builder passes over it");
    let fault = Fault::new(Class::Configuration, "build-needs-buildkit", text);
    Err(fault.hint("build the image with `docker build`: one that is there is used"))
}

fn options(image: &ImageReference, build: &BuildLong, platform: Option<&str>) -> Result<BuildImageOptions, Fault> {
    refuse_buildkit(image, build)?;
    let platform = match (platform, build.platforms.as_slice()) {
        (Some(platform), _) => platform.to_owned(),
        (None, []) => String::new(),
        (None, [platform]) => platform.clone(),
        (None, [_, ..]) => {
            let text = format!("cannot build `{image}` for more than one of `platforms`: an engine keeps one");
            let fault = Fault::new(Class::Configuration, "build-platforms", text);
            return Err(fault.hint("say with the service's `platform` which one"));
        }
    };
    let arguments = build.args.iter().filter_map(|(name, value)| Some((name.clone(), value.as_ref()?)));
    let shm_size = build.shm_size.map(|ByteSize(bytes)| i32::try_from(bytes).unwrap_or(i32::MAX));
    Ok(BuildImageOptions {
        dockerfile: build.dockerfile.clone().unwrap_or_else(|| "Dockerfile".to_owned()),
        t: Some(image.to_string()),
        nocache: build.no_cache,
        cachefrom: (!build.cache_from.is_empty()).then(|| build.cache_from.clone()),
        pull: build.pull.then(|| "1".to_owned()),
        rm: true,
        forcerm: true,
        buildargs: Some(arguments.map(|(name, value)| (name, value.expose().to_owned())).collect()),
        shmsize: shm_size,
        labels: Some(build.labels.clone().into_iter().collect()),
        networkmode: build.network.clone(),
        platform,
        target: build.target.clone().unwrap_or_default(),
        version: BuilderVersion::BuilderV1,
        ..Default::default()
    })
}

/// What the client does not know how to ask for.
fn parameters(build: &BuildLong) -> String {
    let hosts = build
        .extra_hosts
        .iter()
        .map(|(name, address)| format!("&extrahosts={}", escaped(&format!("{name}:{address}"))));
    let limits: Vec<serde_json::Value> = build
        .ulimits
        .iter()
        .map(|(name, limit)| json!({ "Name": name, "Soft": limit.soft, "Hard": limit.hard }))
        .collect();
    let limits = (!limits.is_empty()).then(|| format!("&ulimits={}", escaped(&json!(limits).to_string())));
    let isolation = build.isolation.as_ref().map(|isolation| format!("&isolation={}", escaped(isolation)));
    hosts.chain(limits).chain(isolation).collect()
}

/// A text as it may stand in a query.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A build that is under way.
struct Building<'a> {
    docker: &'a Docker,
    image: &'a ImageReference,
    call: Call,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
    dockerfile: &'a str,
}

impl Building<'_> {
    async fn run(&self, options: BuildImageOptions, build: &BuildLong, packing: Option<Packing>) -> Result<(), Fault> {
        let docker = self.docker;
        let logins = self.logins(build).await;
        let limit = docker.patience().message_bytes;
        let (client, meter) = transport::for_stream_with(docker.address(), limit, parameters(build))
            .map_err(|error| fault::from_error(&self.call, &error))?;
        let (body, task) = match packing {
            Some(Packing { chunks, task }) => (bollard::body_try_stream(stream(chunks)), Some(task)),
            None => (bollard::body_full(hyper::body::Bytes::new()), None),
        };
        let mut output = BuildOutput::new(self.dockerfile);
        let listen = async {
            let mut messages = client.build_image(options, Some(logins), Some(body));
            while let Some(message) = self.call.next(&mut messages, &meter).await? {
                self.take(&message, &mut output)?;
            }
            Ok(())
        };
        let heard = tokio::time::timeout(self.call.limit, listen).await;
        let heard = heard.unwrap_or_else(|_| Err(fault::timed_out(&self.call)));
        // Nobody takes its chunks any more, so it has ended or is about to.
        let packed = match task {
            Some(task) => task.await.unwrap_or_else(|error| Err(io::Error::other(error))),
            None => Ok(()),
        };
        match (heard, packed) {
            (Err(_), Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                let text = format!("cannot build `{}`: its context cannot be read: {error}", self.image);
                Err(Fault::new(Class::Configuration, "build-context", text)
                    .hint("leave out what nobody may read with a `.dockerignore`"))
            }
            (Err(fault), _) => Err(self.explain(fault, output).await),
            (Ok(()), _) => Ok(()),
        }
    }

    fn take(&self, message: &BuildInfo, output: &mut BuildOutput<'_>) -> Result<(), Fault> {
        if let Some(why) = message.error_detail.as_ref().and_then(|detail| detail.message.as_ref()) {
            return Err(fault::refused(&self.call, 500, why));
        }
        let has_new_step = message.stream.as_deref().is_some_and(|text| output.hear(text));
        if let Some(step) = output.step.as_ref().filter(|_| has_new_step) {
            (self.progress)(Progress::Build {
                image: self.image.to_string(),
                step: step.number,
                steps: step.of,
                text: step.instruction.clone(),
            });
        }
        Ok(())
    }

    /// Says at which line it failed, and keeps what it wrote last.
    async fn explain(&self, fault: Fault, output: BuildOutput<'_>) -> Fault {
        // Building it again does no harm.
        let fault = Fault { is_outcome_unknown: false, ..fault };
        let step = output.step.clone();
        let output = output.into_lines();
        if matches!(fault.class, Class::Timeout | Class::Network) {
            return Fault { output, ..fault };
        }
        let why = fault.text.strip_prefix(&format!("cannot {}: ", self.call.doing)).unwrap_or(&fault.text).to_owned();
        let is_command = why.contains("returned a non-zero code");
        let place = step.as_ref().map_or_else(String::new, place);
        let text = format!("cannot build `{}`: {place}{why}", self.image);
        let base = step.filter(|_| !is_command).and_then(|step| base_of(&step.instruction));
        if let Some(base) = base {
            let lookup = self.docker.logins().find(&base).await;
            return registry::explain(&lookup, Fault { text, ..fault });
        }
        let hint = if is_command { "its last output is below" } else { "check the Dockerfile and what it copies" };
        Fault { output, ..Fault::new(Class::Dependency, "build-failed", text).hint(hint) }
    }

    /// The logins for the registries that a Dockerfile seems to name.
    async fn logins(&self, build: &BuildLong) -> HashMap<String, DockerCredentials> {
        let values = build.args.values().flatten().map(|value| value.expose().to_owned());
        let named =
            self.dockerfile.lines().flat_map(words_that_name_images).chain(values).chain(build.cache_from.clone());
        let references = named.filter_map(|word| word.parse::<ImageReference>().ok());
        let registries: BTreeSet<String> = references.map(|image| image.registry().to_owned()).collect();
        let mut logins = HashMap::new();
        for registry in registries.into_iter().take(MOST_REGISTRIES) {
            let lookup = self.docker.logins().find_at(&registry).await;
            if let Some(credentials) = lookup.credentials() {
                let key = credentials.serveraddress.clone().unwrap_or(registry);
                logins.insert(key, credentials);
            }
        }
        logins
    }
}

/// ``Dockerfile line 4, `RUN make`: ``.
fn place(step: &Step) -> String {
    let instruction = clean(&step.instruction);
    match step.line {
        Some(line) => format!("Dockerfile line {line}, `{instruction}`: "),
        None => format!("step {} of {}, `{instruction}`: ", step.number, step.of),
    }
}

/// The image of a `FROM`.
fn base_of(instruction: &str) -> Option<ImageReference> {
    let mut words = instruction.split_whitespace();
    let is_from = words.next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"));
    let base = words.find(|word| !word.starts_with("--"));
    base.filter(|_| is_from).and_then(|word| word.parse().ok())
}

/// What stands where a line of a Dockerfile may name an image.
fn words_that_name_images(line: &str) -> Vec<String> {
    let mut words = line.split_whitespace();
    match words.next().map(str::to_ascii_uppercase).as_deref() {
        Some("FROM") => words.find(|word| !word.starts_with("--")).map(str::to_owned).into_iter().collect(),
        Some("ARG") => words.filter_map(|word| Some(word.split_once('=')?.1.trim_matches('"').to_owned())).collect(),
        Some("COPY") => words.filter_map(|word| Some(word.strip_prefix("--from=")?.to_owned())).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// Gives an image a further name.
async fn name(docker: &Docker, image: &ImageReference, tag: &str) -> Result<(), Fault> {
    let further: ImageReference = tag.parse().map_err(|error| {
        Fault::new(Class::Configuration, "build-tag", format!("cannot name `{image}` by its `tags`: {error}"))
    })?;
    let (repository, tag) = further.split();
    let options = TagImageOptions { repo: Some(repository.to_owned()), tag: Some(tag.to_owned()) };
    let call = docker.change(format!("name `{image}` `{further}`"));
    call.run(docker.client()?.tag_image(image.as_str(), Some(options))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_does_not_know_is_in_the_query() {
        let build: BuildLong = serde_json::from_value(json!({
            "extra_hosts": ["a:10.0.0.1", "b:::1"],
            "ulimits": { "nofile": 9 },
        }))
        .unwrap();
        assert_eq!(
            parameters(&build),
            "&extrahosts=a%3A10.0.0.1&extrahosts=b%3A%3A%3A1\
             &ulimits=%5B%7B%22Name%22%3A%22nofile%22%2C%22Soft%22%3A9%2C%22Hard%22%3A9%7D%5D"
        );
    }

    #[test]
    fn images_are_found_where_a_dockerfile_names_them() {
        let table = [
            ("FROM --platform=linux/amd64 r.example/a:1 AS b", vec!["r.example/a:1"]),
            ("arg BASE=\"r.example/c\"", vec!["r.example/c"]),
            ("COPY --from=r.example/d /x /y", vec!["r.example/d"]),
            ("RUN FROM x", vec![]),
        ];
        for (line, expected) in table {
            assert_eq!(words_that_name_images(line), expected);
        }
        assert_eq!(base_of("FROM a:1 AS b").unwrap().as_str(), "a:1");
        assert_eq!(base_of("RUN a"), None);
    }
}
