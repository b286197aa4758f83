use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::{
    models::{ContainerCreateBody, VolumeCreateRequest},
    query_parameters::{
        CreateContainerOptions, DownloadFromContainerOptions, RemoveContainerOptions, UploadToContainerOptions,
    },
};
use futures_util::TryStreamExt as _;
use orchestrate::runtime::{Reading, Vault, VaultFiles, docker::Docker};

use super::{
    bench::{Bench, IMAGE, TEST_LABEL, run},
    proxy::{Proxy, Trick},
};

fn files(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    pairs.iter().map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec())).collect()
}

fn open(pairs: &[(&str, &str)]) -> Reading {
    Reading::Open(VaultFiles { whole: files(pairs), lost: BTreeSet::new() })
}

fn name(bench: &Bench) -> String {
    format!("orchestrate-state-{}", bench.project)
}

/// A client that has not seen the vault before: one that made it ready does not look again.
fn fresh(bench: &Bench) -> Docker {
    Docker::new(bench.docker.address().clone())
}

async fn read_all(bench: &Bench) -> Reading {
    fresh(bench).read_all(&bench.project).await.unwrap()
}

/// Writes a slot's bytes as they are.
async fn tear(bench: &Bench, slot: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o600);
    header.set_size(content.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, slot, content).unwrap();
    let body = bollard::body_full(builder.into_inner().unwrap().into());
    let options = UploadToContainerOptions { path: "/state".to_owned(), ..Default::default() };
    bench.client.upload_to_container(&name(bench), Some(options), body).await.unwrap();
}

async fn remove_container(bench: &Bench) {
    let id = bench.client.inspect_container(&name(bench), None).await.unwrap().id.unwrap();
    bench.client.remove_container(&id, None::<RemoveContainerOptions>).await.unwrap();
}

#[test]
fn what_a_project_keeps_is_read_back_and_outlives_its_container() {
    run(|bench| async move {
        let project = &bench.project;
        assert_eq!(read_all(&bench).await, Reading::NoVault);
        fresh(&bench)
            .write(project, &files(&[("key", "k\0\u{ff}"), ("deployments/a.json", "{}"), ("deployments", "d")]))
            .await
            .unwrap();
        fresh(&bench)
            .write(project, &files(&[("deployments/a.json", "{1}"), ("deployments/b.json", "")]))
            .await
            .unwrap();
        let all = open(&[
            ("key", "k\0\u{ff}"),
            ("deployments", "d"),
            ("deployments/a.json", "{1}"),
            ("deployments/b.json", ""),
        ]);
        assert_eq!(read_all(&bench).await, all);
        let one = fresh(&bench).read(project, "deployments/a.json").await.unwrap();
        assert_eq!(one, open(&[("deployments/a.json", "{1}")]));
        assert_eq!(fresh(&bench).read(project, "deployments").await.unwrap(), open(&[("deployments", "d")]));
        assert_eq!(fresh(&bench).read(project, "deployments/c.json").await.unwrap(), open(&[]));

        // It is no instance, and in nobody's way.
        let observed = bench.observe(|wanted| wanted.instance_names = BTreeSet::from([bench.name("web-1")])).await;
        assert_eq!((observed.instances, observed.foreign), (vec![], vec![]));

        remove_container(&bench).await;
        assert_eq!(read_all(&bench).await, Reading::Shut);
        assert_eq!(fresh(&bench).read(project, "key").await.unwrap(), Reading::Shut);
        fresh(&bench).prepare(project).await.unwrap();
        assert_eq!(read_all(&bench).await, all);
        remove_container(&bench).await;
        fresh(&bench).write(project, &files(&[("key", "2")])).await.unwrap();
        fresh(&bench)
            .remove(project, &["deployments/a.json", "deployments", "no"].map(str::to_owned).into())
            .await
            .unwrap();
        assert_eq!(read_all(&bench).await, open(&[("key", "2"), ("deployments/b.json", "")]));

        for _ in 0..2 {
            fresh(&bench).destroy(project).await.unwrap();
            assert_eq!(read_all(&bench).await, Reading::NoVault);
        }
        fresh(&bench).remove(project, &["key".to_owned()].into()).await.unwrap();
        assert_eq!(read_all(&bench).await, Reading::NoVault);
    });
}

#[test]
fn reading_changes_nothing_and_files_are_private() {
    run(|bench| async move {
        bench.docker.write(&bench.project, &files(&[("d/a", "one")])).await.unwrap();
        // An engine that never answers to a change.
        for change in ["POST ", "PUT ", "DELETE "] {
            let proxy = Proxy::new(Trick::Hangup(change));
            assert_eq!(proxy.docker.read_all(&bench.project).await.unwrap(), open(&[("d/a", "one")]));
            assert_eq!(proxy.docker.read(&bench.project, "d/a").await.unwrap(), open(&[("d/a", "one")]));
        }
        let options = DownloadFromContainerOptions { path: "/state".to_owned() };
        let chunks: Vec<_> =
            bench.client.download_from_container(&name(&bench), Some(options)).try_collect().await.unwrap();
        let bytes = chunks.concat();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let told = archive.entries().unwrap().map(|entry| {
            let header = entry.as_ref().unwrap().header();
            let path = header.path().unwrap().display().to_string();
            format!("{path} {:o} {}", header.mode().unwrap() & 0o777, header.uid().unwrap())
        });
        let told: Vec<String> = told.filter(|line| !line.starts_with("state/ ")).collect();
        assert_eq!(told, ["state/d/ 700 0", "state/d/a/ 700 0", "state/d/a/0 600 0"]);
    });
}

#[test]
fn a_torn_file_gives_way_to_the_generation_before() {
    run(|bench| async move {
        let project = &bench.project;
        fresh(&bench).write(project, &files(&[("a", "one")])).await.unwrap();
        fresh(&bench).write(project, &files(&[("a", "two")])).await.unwrap();
        tear(&bench, "a/1", b"orchestrate-vault 1 2 kept 3 0123\ntw").await;
        assert_eq!(read_all(&bench).await, open(&[("a", "one")]));
        fresh(&bench).write(project, &files(&[("a", "three")])).await.unwrap();
        assert_eq!(read_all(&bench).await, open(&[("a", "three")]));
        tear(&bench, "a/0", b"").await;
        tear(&bench, "a/1", b"").await;
        let lost = VaultFiles { lost: BTreeSet::from(["a".to_owned()]), ..VaultFiles::default() };
        assert_eq!(read_all(&bench).await, Reading::Open(lost.clone()));
        assert_eq!(fresh(&bench).read(project, "a").await.unwrap(), Reading::Open(lost));
        fresh(&bench).write(project, &files(&[("a", "four")])).await.unwrap();
        assert_eq!(read_all(&bench).await, open(&[("a", "four")]));
        tear(&bench, "a/1", b"orchestrate-vault 9 x\n").await;
        assert_eq!(fresh(&bench).write(project, &files(&[("a", "five")])).await.unwrap_err().code, "vault-newer");
    });
}

#[test]
fn what_is_foreign_is_left_alone() {
    run(|bench| async move {
        let (docker, project) = (&bench.docker, &bench.project);
        let labels = HashMap::from([(TEST_LABEL.to_owned(), project.to_string())]);
        let request =
            VolumeCreateRequest { name: Some(name(&bench)), labels: Some(labels.clone()), ..Default::default() };
        let volume = bench.client.create_volume(request).await.unwrap();
        let text = format!("`{}` has no label of ours, so it is left alone", name(&bench));
        let refused =
            |fault: orchestrate::observed::Fault| assert_eq!((fault.code.as_str(), &fault.text), ("not-ours", &text));
        refused(docker.read_all(project).await.unwrap_err());
        refused(docker.write(project, &files(&[("a", "b")])).await.unwrap_err());
        refused(docker.destroy(project).await.unwrap_err());
        assert_eq!(bench.client.inspect_volume(&name(&bench)).await.unwrap(), volume);
        bench
            .client
            .remove_volume(&name(&bench), None::<bollard::query_parameters::RemoveVolumeOptions>)
            .await
            .unwrap();

        let body = ContainerCreateBody { image: Some(IMAGE.to_owned()), labels: Some(labels), ..Default::default() };
        let options = CreateContainerOptions { name: Some(name(&bench)), ..Default::default() };
        let id = bench.client.create_container(Some(options), body).await.unwrap().id;
        let before = bench.client.inspect_container(&id, None).await.unwrap();
        refused(docker.read_all(project).await.unwrap_err());
        refused(docker.write(project, &files(&[("a", "b")])).await.unwrap_err());
        refused(docker.destroy(project).await.unwrap_err());
        assert_eq!(bench.client.inspect_container(&id, None).await.unwrap(), before);
    });
}
