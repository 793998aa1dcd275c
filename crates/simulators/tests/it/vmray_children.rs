use std::time::Duration;

use serde_json::{Value, json};
use simulators::{ArchiveAction, ChildrenEnd, Inside, Verdict, VmrayOptions};

use crate::bench::{Bench, ids, read};
use crate::vmray_submit::{bench, post};

/// A ZIP of stored members, the second of which lies in a folder.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut local, mut central) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let common = [&[0, 0, 0, 0, 0, 0, 0, 0][..], &crc.sum().to_le_bytes(), &size, &size, &length, &[0, 0]].concat();
        let offset = u32::try_from(local.len()).unwrap().to_le_bytes();
        central.extend([b"PK\x01\x02\x14\x00\x14\x00", &common[..], &[0; 10], &offset, name.as_bytes()].concat());
        local.extend([b"PK\x03\x04\x14\x00", &common[..], name.as_bytes(), content].concat());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let sizes = [central.len(), local.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &sizes[0], &sizes[1], &[0, 0]].concat();
    [local, central, end].concat()
}

async fn submit(bench: &Bench, name: &str, content: &[u8], further: &[(&str, &str)]) -> Value {
    let mut body = format!("--b\r\nContent-Disposition: form-data; name=\"sample_file\"; filename=\"{name}\"\r\n\r\n")
        .into_bytes();
    body.extend(content);
    for (name, value) in further {
        let part = format!("\r\n--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}");
        body.extend(part.into_bytes());
    }
    body.extend(b"\r\n--b--\r\n");
    let (status, body) = read(&bench.ask(post("multipart/form-data; boundary=b", body)).await);
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

fn names(reply: &Value, list: &str) -> Vec<String> {
    reply[list].as_array().unwrap().iter().map(|one| one["submission_filename"].as_str().unwrap().to_owned()).collect()
}

fn malicious() -> VmrayOptions {
    VmrayOptions { submit_verdict: Some(Some(Verdict::Malicious)), ..VmrayOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn each_member_of_an_archive_can_be_a_submission() {
    let bench = bench(malicious());
    let bytes = zip(&[("a.exe", b"MZ one"), ("sub/b.exe", b"MZ two")]);
    let reply = submit(&bench, "x.zip", &bytes, &[("archive_action", "separate_samples")]).await;
    assert_eq!(names(&reply, "samples"), ["a.exe", "sub/b.exe"]);
    assert_eq!(names(&reply, "submissions"), ["a.exe", "sub/b.exe"]);
    assert_eq!(reply["samples"][1]["sample_filename"], "b.exe");
    assert_eq!(bench.vmray("/api_key/quota").await.1["data"]["used_quota"], 122);
    bench.stack.vmray.edit_options(|options| options.archive_action = ArchiveAction::SeparateSamples);
    assert_eq!(names(&submit(&bench, "x.zip", &bytes, &[]).await, "samples").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_is_a_sample_has_children_once_it_is_opened() {
    let bench = bench(malicious());
    let inner = zip(&[("c.exe", b"MZ three")]);
    let bytes = zip(&[("a.exe", b"MZ one"), ("inner.zip", &inner)]);
    let reply = submit(&bench, "x.zip", &bytes, &[]).await;
    assert_eq!(names(&reply, "samples"), ["x.zip"]);
    let (sample, id) = (&reply["samples"][0]["sample_id"], &reply["submissions"][0]["submission_id"]);
    assert_eq!(reply["samples"][0]["sample_child_sample_ids"], json!([]));
    let children_of = |id: &Value| format!("/submission?submission_parent_submission_id={id}&_order=asc");
    assert_eq!(bench.ids(&children_of(id), "submission_id").await, [0; 0]);

    tokio::time::advance(Duration::from_secs(61)).await;
    let shown = bench.vmray(&format!("/sample/{sample}")).await.1["data"].clone();
    let relations = shown["sample_child_relations"].as_array().unwrap();
    assert_eq!(relations.len(), 2);
    assert_eq!(relations[0]["relation_type"], "Embedded File");
    let (_, children) = bench.vmray(&children_of(id)).await;
    assert_eq!(ids(&children, "submission_sample_id"), ids(&json!({"data": relations}), "relation_child_sample_id"));
    assert_eq!(children["data"][1]["submission_filename"], "inner.zip");
    assert_eq!(children["data"][1]["submission_recursive"], true);

    tokio::time::advance(Duration::from_secs(60)).await;
    let (_, grandchildren) = bench.vmray(&children_of(&children["data"][1]["submission_id"])).await;
    assert_eq!(grandchildren["data"][0]["submission_filename"], "c.exe");
    assert_eq!(grandchildren["data"][0]["submission_verdict"], "malicious");
    let parent = bench.vmray(&format!("/submission/{id}")).await.1["data"].clone();
    assert_eq!((&parent["submission_finished"], &parent["submission_consumed_quota"]), (&json!(true), &json!(4)));
    let child = &grandchildren["data"][0]["submission_sample_id"];
    let shown = bench.vmray(&format!("/sample/{child}")).await.1["data"].clone();
    assert_eq!(shown["sample_parent_relations"][0]["relation_type"], "Embedded File");
}

#[tokio::test(start_paused = true)]
async fn a_compound_sample_has_no_children_and_recursion_can_be_limited() {
    let bytes = zip(&[("a.exe", b"MZ one"), ("b.exe", b"MZ two")]);
    for (parameter, expected) in [(("archive_action", "compound_sample"), 0), (("max_recursive_samples", "1"), 1)] {
        let bench = bench(malicious());
        let reply = submit(&bench, "x.zip", &bytes, &[parameter]).await;
        tokio::time::advance(Duration::from_secs(120)).await;
        let path = format!("/sample/{}", reply["samples"][0]["sample_id"]);
        let children = bench.vmray(&path).await.1["data"]["sample_child_sample_ids"].clone();
        assert_eq!(children.as_array().unwrap().len(), expected, "{parameter:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn children_can_end_after_their_parent_and_its_verdict_does_not_know_theirs() {
    // The archive alone would be clean, a member of it is malicious.
    let member = (0..64_u8).map(|n| vec![b'x', n]).find(|content| drawn(content) == "malicious").unwrap();
    let bytes =
        (0..64_u8).map(|n| zip(&[("a.exe", &member), ("pad", &[n])])).find(|bytes| drawn(bytes) == "clean").unwrap();
    for (children_end, verdict, finished) in
        [(ChildrenEnd::BeforeParent, "malicious", true), (ChildrenEnd::AfterParent, "clean", false)]
    {
        let bench = bench(VmrayOptions { children_end, ..VmrayOptions::default() });
        let reply = submit(&bench, "x.zip", &bytes, &[]).await;
        tokio::time::advance(Duration::from_secs(120)).await;
        let id = &reply["submissions"][0]["submission_id"];
        assert_eq!(bench.vmray(&format!("/submission/{id}")).await.1["data"]["submission_verdict"], verdict);
        let (_, children) = bench.vmray(&format!("/submission?submission_parent_submission_id={id}&_order=asc")).await;
        assert_eq!(children["data"][0]["submission_finished"], finished);
        tokio::time::advance(Duration::from_secs(120)).await;
        let (_, children) = bench.vmray(&format!("/submission?submission_parent_submission_id={id}&_order=asc")).await;
        assert_eq!(children["data"][0]["submission_verdict"], "malicious");
    }
}

/// The verdict that is drawn for a content.
fn drawn(content: &[u8]) -> &'static str {
    use sha2::Digest as _;
    match sha2::Sha256::digest(content)[0] >> 4 {
        0..=7 => "malicious",
        8 | 9 => "suspicious",
        _ => "clean",
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_has_its_attachments_as_children() {
    let bench = bench(malicious());
    let mail = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"y\"\r\n\r\n--y\r\n\r\n\
                see https://h.example/a\r\n--y\r\nContent-Type: application/zip\r\n\
                Content-Disposition: attachment; filename=\"a.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                TVogb25l\r\n--y--\r\n";
    for (further, relations) in [
        (&[][..], vec!["Attachment"]),
        (&[("detonate_links_in_emails", "true")][..], vec!["Embedded URL", "Attachment"]),
    ] {
        let reply = submit(&bench, "m.eml", mail.as_bytes(), further).await;
        tokio::time::advance(Duration::from_secs(120)).await;
        let path = format!("/sample/{}", reply["samples"][0]["sample_id"]);
        let shown = bench.vmray(&path).await.1["data"].clone();
        assert_eq!((&shown["sample_container_type"], &shown["sample_type"]), (&json!("email"), &json!("E-Mail")));
        let mut found: Vec<_> = shown["sample_child_relations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|relation| relation["relation_type"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        let mut expected = relations.clone();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_protected_document_fails_without_its_password() {
    let bench = bench(malicious());
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"; // of "hello"
    bench.stack.vmray.edit(|world| world.describe(sha256, Inside::document("s3cret")));
    for (further, status, code) in [
        (&[][..], "error", 7_340_101),
        (&[("document_password", "wrong")][..], "error", 7_340_101),
        (&[("document_password", "s3cret")][..], "success", 1),
    ] {
        let reply = submit(&bench, "d.docx", b"hello", further).await;
        tokio::time::advance(Duration::from_secs(120)).await;
        let id = &reply["submissions"][0]["submission_id"];
        let ended = bench.vmray(&format!("/submission/{id}")).await.1["data"].clone();
        assert_eq!(ended["submission_status"], status, "{further:?}");
        let (_, analyses) = bench.vmray(&format!("/analysis/submission/{id}")).await;
        assert_eq!(analyses["data"][0]["analysis_result_code"], code);
        assert_eq!(reply["samples"][0]["sample_password_protected"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn a_protected_archive_is_refused_where_its_members_were_asked_for() {
    let bench = bench(malicious());
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let mut inside = Inside::container("archive", &[("a.exe", b"MZ one"), ("b.exe", b"MZ two")]);
    inside.password = Some("s3cret".to_owned());
    bench.stack.vmray.edit(|world| world.describe(sha256, inside));
    let separate = ("archive_action", "separate_samples");
    let refused = submit(&bench, "x.7z", b"hello", &[separate]).await;
    assert_eq!(refused["errors"][0]["submission_filename"], "x.7z");
    assert_eq!(refused["submissions"], json!([]));
    let taken = submit(&bench, "x.7z", b"hello", &[separate, ("archive_password", "s3cret")]).await;
    assert_eq!(names(&taken, "submissions"), ["a.exe", "b.exe"]);
    let whole = submit(&bench, "x.7z", b"hello", &[]).await;
    tokio::time::advance(Duration::from_secs(120)).await;
    let path = format!("/submission/{}", whole["submissions"][0]["submission_id"]);
    assert_eq!(bench.vmray(&path).await.1["data"]["submission_status"], "error");
}

#[tokio::test(start_paused = true)]
async fn relations_beyond_the_limit_are_cut_off_and_said_to_be() {
    let bench = bench(VmrayOptions { max_relations: 1, ..malicious() });
    let reply = submit(&bench, "x.zip", &zip(&[("a", b"1"), ("b", b"2")]), &[]).await;
    tokio::time::advance(Duration::from_secs(120)).await;
    let shown = bench.vmray(&format!("/sample/{}", reply["samples"][0]["sample_id"])).await.1["data"].clone();
    assert_eq!(shown["sample_child_relations"].as_array().unwrap().len(), 1);
    assert_eq!(shown["sample_child_relations_truncated"], true);
    assert_eq!(shown["sample_child_sample_ids"].as_array().unwrap().len(), 2);
}
