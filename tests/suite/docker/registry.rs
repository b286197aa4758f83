//! A registry of a test's own, with a password, on this host.

use std::{
    io::Write as _,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{
    engine::{self, IMAGE, free_port},
    scene::wait_until,
};

/// Base64 of this has `+` and `/`, which tell the two alphabets of base64 apart.
pub const PASSWORD: &str = "p?s~w>d~?>";
pub const USER: &str = "me";

/// Ends with its test. Engines take a registry on a loopback address without TLS.
pub struct Registry {
    pub directory: tempfile::TempDir,
    pub address: String,
    child: Option<Child>,
    images: Vec<String>,
}

impl Registry {
    /// `None` if there is no such program, which is told loudly.
    pub fn start() -> Option<Self> {
        if !engine::is_there() {
            return None;
        }
        let is_there =
            |name: &str| Command::new(name).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if is_there("docker-registry").is_err() || is_there("htpasswd").is_err() {
            eprintln!("SKIPPED: no `docker-registry` or no `htpasswd` (`tests/run` installs both)");
            assert!(std::env::var_os("CI").is_none(), "no registry, and CI is set");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut registry = Self { directory, address: format!("127.0.0.1:{port}"), child: None, images: Vec::new() };
        let hashed = Command::new("htpasswd").args(["-Bbn", "-C", "4", USER, PASSWORD]).output().unwrap();
        std::fs::write(registry.path("htpasswd"), hashed.stdout).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {data} }} }}\n\
             http: {{ addr: \"{address}\" }}\nauth: {{ htpasswd: {{ realm: test, path: {users} }} }}\n",
            data = registry.path("data").display(),
            users = registry.path("htpasswd").display(),
            address = registry.address,
        );
        std::fs::write(registry.path("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(registry.path("config.yml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        registry.child = Some(command.spawn().unwrap());
        wait_until("the registry", || TcpStream::connect(&registry.address).is_ok());
        registry.log_in("docker", PASSWORD);
        Some(registry)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A `DOCKER_CONFIG` with a login as `docker login` writes it, whatever the password.
    pub fn log_in(&self, name: &str, password: &str) -> PathBuf {
        let directory = self.path(name);
        std::fs::create_dir_all(&directory).unwrap();
        if password != PASSWORD {
            let auth = engine::base64(&format!("{USER}:{password}"));
            let text = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, self.address);
            std::fs::write(directory.join("config.json"), text).unwrap();
            return directory;
        }
        let mut login = Command::new("docker")
            .args(["login", "-u", USER, "--password-stdin", &self.address])
            .env("DOCKER_CONFIG", &directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        login.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        assert!(login.wait().unwrap().success(), "docker login");
        directory
    }

    /// Puts an image into the registry, and takes its name there from the engine again.
    pub fn push(&mut self, image: &str, name: &str) -> String {
        let reference = format!("{}/{name}", self.address);
        engine::docker(&["tag", image, &reference]);
        let config = self.path("docker").display().to_string();
        engine::docker(&["--config", &config, "push", "-q", &reference]);
        engine::untag(std::slice::from_ref(&reference));
        self.images.push(reference.clone());
        reference
    }

    /// [`push`](Self::push), of the first test image.
    pub fn push_image(&mut self, name: &str) -> String {
        self.push(IMAGE, name)
    }

    /// The text with the address made the same in each run.
    pub fn normal(&self, text: &str) -> String {
        text.replace(&self.address, "127.0.0.1:PORT")
    }

    /// Ends it before its test does.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        engine::untag(&self.images);
        // What was pulled is also known by its digest.
        let all = engine::docker(&["images", "--digests", "--format", "{{.Repository}}@{{.Digest}}"]);
        let is_ours = |name: &&str| name.starts_with(&format!("{}/", self.address)) && !name.ends_with("<none>");
        engine::untag(&all.lines().filter(is_ours).map(str::to_owned).collect::<Vec<_>>());
    }
}
