//! The container image: the program and nothing else, as an archive that every engine loads.
//!
//! It is an [OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md) in a tar file: no
//! engine is needed to make it, and the same files give the same bytes, so its digest is known before it is pushed.
//! There is no shell and no library in it. The program runs as a user that owns `/state` and nothing else; the rest may
//! be read-only.

use std::io::Write as _;

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::binary::NAME;
use crate::package::sha256;
use crate::tarball::{Entry, tar};

/// The user and group, the number that images without a shell use for "not root".
const USER: u64 = 65532;
/// Where the state lies: a volume.
const STATE: &str = "state";

/// Returns the archive of an image that holds the program and the terms of its parts.
pub(crate) fn archive(version: &str, program: &[u8], terms: &[(&str, &[u8])]) -> anyhow::Result<Vec<u8>> {
    let layer = layer(program, terms)?;
    // No name and no time: both would stand in the file.
    let mut zipped = GzBuilder::new().write(Vec::new(), Compression::best());
    zipped.write_all(&layer).context("packing the layer")?;
    let zipped = zipped.finish().context("packing the layer")?;

    let config = to_bytes(&config(version, &layer))?;
    let manifest = to_bytes(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &zipped)],
    }))?;
    let title = format!("{NAME}:{version}");
    let index = to_bytes(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(&manifest),
            "size": manifest.len(),
            "annotations": {
                "org.opencontainers.image.ref.name": title,
                "io.containerd.image.name": format!("localhost/{title}"),
            },
        }],
    }))?;
    // Docker's own store reads this list, as `docker save` writes it, and not the index.
    let for_docker = to_bytes(&json!([{
        "Config": blob_name(&config),
        "RepoTags": [format!("localhost/{title}")],
        "Layers": [blob_name(&zipped)],
    }]))?;

    let mut blobs: Vec<_> =
        [&config, &manifest, &zipped].map(|blob| Entry::file(blob_name(blob), 0o644, blob)).into_iter().collect();
    blobs.sort_by(|one, other| one.name.cmp(&other.name));
    let mut files = vec![Entry::folder("blobs", 0o755, 0), Entry::folder("blobs/sha256", 0o755, 0)];
    files.append(&mut blobs);
    files.push(Entry::file("index.json", 0o644, &index));
    files.push(Entry::file("manifest.json", 0o644, &for_docker));
    files.push(Entry::file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#));
    tar(&files, 0)
}

/// Returns the file system of the image, as a tar.
fn layer(program: &[u8], terms: &[(&str, &[u8])]) -> anyhow::Result<Vec<u8>> {
    let mut files = vec![
        Entry::folder(STATE, 0o700, USER),
        Entry::folder("tmp", 0o1777, 0),
        Entry::file(NAME, 0o555, program),
        Entry::folder("licenses", 0o755, 0),
    ];
    files.extend(terms.iter().map(|(name, content)| Entry::file(format!("licenses/{name}"), 0o444, content)));
    tar(&files, 0)
}

/// What an engine runs. A server inside listens on loopback until it is told otherwise, which needs keys.
fn config(version: &str, layer: &[u8]) -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": [format!("/{NAME}")],
            "Cmd": ["serve"],
            "Env": [format!("StateUrl=file:///{STATE}")],
            "Volumes": { format!("/{STATE}"): {} },
            "ExposedPorts": { "8080/tcp": {} },
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": NAME,
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [digest(layer)] },
        "history": [{ "created_by": "cargo xtask package" }],
    })
}

fn descriptor(kind: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": digest(blob), "size": blob.len() })
}

fn digest(blob: &[u8]) -> String {
    format!("sha256:{}", sha256(blob))
}

fn blob_name(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", sha256(blob))
}

fn to_bytes(value: &Value) -> anyhow::Result<Vec<u8>> {
    serde_json::to_vec(value).context("writing JSON")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use tar::{Archive, Header};

    use super::*;

    /// Files of a tar by name.
    fn files(tar: &[u8]) -> BTreeMap<String, (Header, Vec<u8>)> {
        let mut archive = Archive::new(tar);
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().to_str().unwrap().to_owned(), (entry.header().clone(), content))
        };
        archive.entries().unwrap().map(read).collect()
    }

    fn blob<'a>(files: &'a BTreeMap<String, (Header, Vec<u8>)>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let content = &files[&format!("blobs/sha256/{digest}")].1;
        assert_eq!((sha256(content).as_str(), content.len() as u64), (digest, descriptor["size"].as_u64().unwrap()));
        content
    }

    #[test]
    fn every_digest_is_that_of_its_blob_and_the_layer_is_the_one_the_configuration_names() {
        let files = files(&archive("1.2.3", b"program", &[("MIT", b"terms")]).unwrap());
        let index: Value = serde_json::from_slice(&files["index.json"].1).unwrap();
        let manifest: Value = serde_json::from_slice(blob(&files, &index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(blob(&files, &manifest["config"])).unwrap();
        let mut layer = Vec::new();
        GzDecoder::new(blob(&files, &manifest["layers"][0])).read_to_end(&mut layer).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer));
        assert_eq!(config["config"]["User"], "65532:65532");

        let for_docker: Value = serde_json::from_slice(&files["manifest.json"].1).unwrap();
        assert_eq!(for_docker[0]["RepoTags"][0], "localhost/vmray-sentinel:1.2.3");
        let for_docker = [&for_docker[0]["Config"], &for_docker[0]["Layers"][0]];
        assert!(for_docker.iter().all(|name| files.contains_key(name.as_str().unwrap())), "{for_docker:?}");

        let root = self::files(&layer);
        let names: Vec<_> = root.keys().map(String::as_str).collect();
        assert_eq!(names, ["licenses/", "licenses/MIT", "state/", "tmp/", "vmray-sentinel"]);
        let owner = |name: &str| root[name].0.uid().unwrap();
        assert_eq!((owner("state/"), owner("vmray-sentinel")), (USER, 0));
        assert_eq!(root["vmray-sentinel"].0.mode().unwrap(), 0o555);
    }

    #[test]
    fn the_same_files_give_the_same_bytes_and_other_files_do_not() {
        let of = |program: &[u8]| archive("1.2.3", program, &[("MIT", b"terms")]).unwrap();
        assert_eq!(of(b"program"), of(b"program"));
        assert_ne!(of(b"program"), of(b"another"));
    }
}
