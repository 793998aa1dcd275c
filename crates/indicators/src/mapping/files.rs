//! Files: one entry has many hashes, and what is said of one holds for the content.

use stix::{Kind, Observable};
use vmray::{Entry, FileHashes, FileIoc, readable};

use super::{Evidence, Judgement, Mapping, filled};
use crate::receipt::ReceiptReason;
use crate::screening::objection;
use crate::texts::Texts;

impl<'a> Mapping<'a> {
    pub(super) fn files(&mut self) {
        self.entries(Kind::File, &self.reading.iocs.files, Self::file);
    }

    fn file(&mut self, entry: &'a FileIoc) {
        for hashes in &entry.hashes {
            if let Entry::Unreadable { raw, reason } = hashes {
                self.unreadable(Kind::File, raw, reason);
            }
        }
        let held = match self.judge(&entry.common) {
            Judgement::FilteredOut => {
                self.mapped.filtered_out += 1;
                return;
            }
            Judgement::Held(reason) => Err(reason),
            Judgement::Wanted(_) if entry.categories.iter().any(|category| is_memory_dump(category)) => {
                Err(ReceiptReason::MemoryDump)
            }
            Judgement::Wanted(severity) => Ok(severity),
        };
        let file_name = name_of_file(entry);
        if entry.hashes.is_empty() {
            let reason = held.as_ref().err().cloned().unwrap_or(ReceiptReason::NullValue);
            self.receipt(Kind::File, file_name.unwrap_or_default(), reason);
        }
        let evidence = held.map(|severity| Evidence {
            threat_names: Texts::of(&entry.threat_names),
            classifications: Texts::of(&entry.classifications),
            categories: Texts::of(&entry.categories),
            file_name,
            ..Evidence::of(&entry.common, severity)
        });
        for hashes in readable(&entry.hashes) {
            match &evidence {
                Ok(evidence) => self.content(hashes, evidence),
                Err(reason) => self.receipt(Kind::File, best_hash(hashes).unwrap_or_default(), reason.clone()),
            }
        }
    }

    /// Maps the hashes of one content. What speaks against one of them speaks against all.
    fn content(&mut self, hashes: &FileHashes, evidence: &Evidence<'_>) {
        let read = [
            filled(hashes.md5_hash.as_deref()).map(|text| (text, Observable::md5(text))),
            filled(hashes.sha1_hash.as_deref()).map(|text| (text, Observable::sha1(text))),
            filled(hashes.sha256_hash.as_deref()).map(|text| (text, Observable::sha256(text))),
        ];
        let given = || read.iter().flatten();
        if given().next().is_none() {
            // A server may leave out one algorithm, but a file without any hash is none we can look for.
            self.receipt(Kind::File, evidence.file_name.unwrap_or_default(), ReceiptReason::NullValue);
        }
        let objection = given()
            .filter_map(|(_, hash)| hash.as_ref().ok())
            .find_map(|observable| objection(observable, &self.rules.noise));
        for (text, hash) in read.into_iter().flatten() {
            match (hash, &objection) {
                (Err(error), _) => self.receipt(Kind::File, text, error.into()),
                (Ok(_), Some(reason)) => self.receipt(Kind::File, text, reason.clone()),
                (Ok(observable), None) => self.found(text, observable, evidence.clone()),
            }
        }
    }
}

fn is_memory_dump(category: &str) -> bool {
    category.eq_ignore_ascii_case("Memory Dump")
}

fn name_of_file(entry: &FileIoc) -> Option<&str> {
    let names = || entry.filenames.iter().map(String::as_str).filter(|name| !name.trim().is_empty());
    filled(entry.filename.as_deref()).or_else(|| filled(entry.norm_filename.as_deref())).or_else(|| names().min())
}

fn best_hash(hashes: &FileHashes) -> Option<&str> {
    let FileHashes { md5_hash, sha1_hash, sha256_hash, .. } = hashes;
    [sha256_hash, sha1_hash, md5_hash].into_iter().find_map(|hash| filled(hash.as_deref()))
}
