//! Images that the engine builds for a plan.

use serde_json::Value;

use crate::{engine, fixture::Fixture, scene::assert_text};

const DOCKERFILE: &str = "\
FROM orchestrate-test/busybox:1 AS base
ARG greeting=none
RUN echo \"$greeting\" >/greeting
COPY . /context/

FROM base AS web
COPY page /page

FROM base AS broken
RUN echo first words && \\
    echo last words && false
";

/// A plan whose service `web` is built by this, with its files.
fn site(fixture: &Fixture, build: &str) {
    fixture.write("site/Dockerfile", DOCKERFILE);
    fixture.write("site/page", "hello");
    fixture.write("site/secret.key", "no");
    fixture.write("site/deep/secret.key", "no");
    fixture.write("site/deep/kept.key", "yes");
    fixture.write("site/.dockerignore", "**/*.key\nDockerfile\n.dockerignore\n!deep/kept.key\n");
    fixture.plan(&plan(build));
}

fn plan(build: &str) -> String {
    let build = format!("build: {{ context: site, args: {{ greeting: hi }}, {build} }}");
    format!("services: {{ web: {{ {build}, command: [sleep, \"600\"], stop_grace_period: 0s }} }}\n")
}

/// Takes the images that a test built away when it ends.
struct Built(Vec<String>);

impl Drop for Built {
    fn drop(&mut self) {
        engine::untag(&self.0);
    }
}

fn image_id(name: &str) -> String {
    engine::docker(&["image", "inspect", "--format", "{{.Id}}", name]).trim().to_owned()
}

#[test]
fn apply_builds_what_is_not_there() {
    let Some(fixture) = Fixture::new() else { return };
    let image = format!("{}-web", fixture.project());
    let _built = Built(vec![image.clone(), format!("{image}:extra")]);
    site(&fixture, &format!("target: web, labels: {{ a: b }}, tags: [\"{image}:extra\"]"));
    fixture.run(&["preview"]).exits(0).says(&[&format!("build image {image}")]);
    fixture.run(&["apply", "-y"]).exits(0);
    let files = fixture.exec("web", &["find", "/context", "/page", "/greeting", "-type", "f"]);
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    assert_eq!(files, ["/context/deep/kept.key", "/context/page", "/greeting", "/page"]);
    assert_eq!(fixture.exec("web", &["cat", "/greeting"]), "hi\n");
    let labels =
        engine::docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", &format!("{image}:extra")]);
    assert_eq!(serde_json::from_str::<Value>(&labels).unwrap(), serde_json::json!({ "a": "b" }));
    // What is there is not built again, also if a file has changed.
    fixture.write("site/page", "changed");
    let before = fixture.id("web");
    fixture.run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.id("web"), before);
    let ran = fixture.run(&["apply", "-y", "--build"]).exits(0);
    ran.says(&["web: building its image"]);
    assert_ne!(fixture.id("web"), before);
    assert_eq!(fixture.exec("web", &["cat", "/page"]), "changed");
    // Nothing has changed: the same image comes out, and nothing is touched.
    let before = fixture.id("web");
    fixture.run(&["apply", "-y", "--build"]).exits(0);
    assert_eq!(fixture.id("web"), before);
}

#[test]
fn build_makes_images_and_touches_nothing_that_runs() {
    let Some(fixture) = Fixture::new() else { return };
    let image = format!("{}-web", fixture.project());
    let _built = Built(vec![image.clone()]);
    site(&fixture, "target: web");
    fixture.run(&["build", "web"]).exits(0).says(&["web: building", "step 1 of", "1 image built"]);
    let first = image_id(&image);
    assert!(fixture.containers().is_empty());
    fixture.run(&["apply", "-y"]).exits(0);
    fixture.write("site/page", "changed");
    fixture.run(&["build"]).exits(0);
    assert_ne!(image_id(&image), first);
    assert_eq!(fixture.inspect("web")["Image"], first.as_str());
    let preview = fixture.run(&["preview"]).exits(0);
    preview.says(&["rebuilt under the same tag"]);
    fixture.run(&["build", "nothing"]).exits(64);
}

#[test]
fn a_step_that_fails_is_named_with_its_last_words() {
    let Some(fixture) = Fixture::new() else { return };
    let _built = Built(vec![format!("{}-web", fixture.project())]);
    site(&fixture, "target: broken");
    let ran = fixture.run(&["build"]).exits(1);
    let told: String =
        ran.talk.lines().skip_while(|line| !line.starts_with("error")).map(|line| format!("{line}\n")).collect();
    let told = told.replace(&fixture.project(), "PROJECT");
    let told = regex::Regex::new("[0-9a-f]{12}").unwrap().replace_all(&told, "ID").into_owned();
    let (head, rest) = told.split_once('\n').unwrap();
    assert_text(
        head,
        "error: cannot build `PROJECT-web`: Dockerfile line 10, `RUN echo first words && echo last words && false`: \
         The command '/bin/sh -c echo first words && echo last words && false' returned a non-zero code: 1",
    );
    assert!(rest.contains("  | first words\n  | last words\n"), "{rest}");
    let ran = fixture.run(&["apply", "-y"]);
    assert_ne!(ran.code, 0);
    ran.says(&["build-failed", "Dockerfile line 10", "| last words"]);
    assert!(fixture.containers().is_empty());
}

#[test]
fn what_a_build_cannot_do_is_said() {
    let Some(fixture) = Fixture::new() else { return };
    site(&fixture, "dockerfile: missing");
    let ran = fixture.run(&["build"]).exits(1);
    ran.says(&["cannot read the Dockerfile", "site/missing", "No such file"]);
    fixture.plan("services: { web: { build: { context: nowhere }, command: [x] } }\n");
    fixture.run(&["build"]).exits(1).says(&["cannot read the build context", "nowhere"]);
    site(&fixture, "dockerfile_inline: \"FROM 127.0.0.1:1/no:1\"");
    fixture.run(&["build"]).exits(1).says(&["127.0.0.1:1/no:1", "connection refused"]);
}

#[test]
fn a_dockerfile_can_stand_in_the_plan() {
    let Some(fixture) = Fixture::new() else { return };
    let _built = Built(vec![format!("{}-web", fixture.project())]);
    site(
        &fixture,
        "dockerfile_inline: \"FROM orchestrate-test/busybox:1\\nCOPY . /all/\\n\", extra_hosts: [\"a:10.0.0.1\", \"b:10.0.0.2\"], ulimits: { nofile: 99 }, network: none",
    );
    fixture.run(&["apply", "-y"]).exits(0);
    let files = fixture.exec("web", &["find", "/all", "-type", "f"]);
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    assert_eq!(files, ["/all/deep/kept.key", "/all/page"]);
}

#[test]
fn an_image_for_another_platform_is_refused() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan("services: { web: { <<: *server, platform: linux/s390x } }\n");
    let ran = fixture.run(&["apply", "-y"]).exits(1);
    ran.says(&[
        "error[wrong-architecture]",
        "`web` is to run on linux/s390x",
        "plan.yaml:17",
        "docker pull --platform",
    ]);
    fixture.plan("services: { web: { <<: *server, build: ., pull_policy: never, image: orchestrate-test/none:1 } }\n");
    fixture.run(&["apply", "-y"]).exits(1).says(&[
        "error[image-not-built]",
        "orchestrate-test/none:1",
        "orchestrate build web",
    ]);
}

#[test]
fn what_only_buildkit_can_do_is_a_warning() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan("services: { web: { build: { context: ., ssh: [default], cache_to: [a] }, command: [x] } }\n");
    fixture.run(&["validate"]).exits(0).says(&["plan.yaml:17", "`ssh`", "`cache_to`", "BuildKit"]);
}
