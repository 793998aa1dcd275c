//! A long IOC reply, read a part at a time: its models take many times the room that its text does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use outbound::AnswerBound;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::envelope::{Answer, scrubbed};
use crate::lenient::Soft;
use crate::record::Object;
use crate::{Client, Error, Iocs, IocsReply, ReportStatus, SampleId};

/// Entries of a part,
const MOST_ENTRIES: usize = 500;
/// and its bytes. An entry that is longer than that alone is not read.
const MOST_BYTES: usize = 1024 * 1024;

const IOCS: &str = "the IOCs";

impl Client {
    /// Returns the same if the answer has at most `most_bytes`; if not, the error is `TransportError::TooLarge`.
    pub async fn iocs_within(&self, sample: SampleId, most_bytes: usize) -> Result<IocsReply, Error> {
        let answer = self.ask_for_iocs(sample, most_bytes).await?;
        self.parsed(IOCS, &answer.data)
    }

    /// Returns the IOCs of a sample in parts, of which one is in memory at a time, beside the answer itself.
    pub async fn iocs_in_parts(&self, sample: SampleId, most_bytes: usize) -> Result<IocParts, Error> {
        let answer = self.ask_for_iocs(sample, most_bytes).await?;
        IocParts::of(answer.data).map_err(|error| self.unreadable(IOCS, &error))
    }

    async fn ask_for_iocs(&self, sample: SampleId, most_bytes: usize) -> Result<Answer, Error> {
        let url = self.url(&["sample", &sample.to_string(), "iocs"], &[])?;
        self.send(IOCS, &url, AnswerBound(most_bytes), Error::retry).await
    }
}

/// An IOC reply in parts.
#[derive(Debug)]
pub struct IocParts {
    /// Whether the analyses behind it have ended.
    pub status: ReportStatus,
    data: Bytes,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    status: Option<Soft<ReportStatus>>,
    #[serde(default, borrow)]
    iocs: Option<&'a RawValue>,
}

impl IocParts {
    pub(crate) fn of(data: Bytes) -> Result<Self, serde_json::Error> {
        let Object(body): Object<Body<'_>> = serde_json::from_slice(&data)?;
        let status = body.status.map(|status| status.0).unwrap_or_default();
        if body.iocs.is_none() && status == ReportStatus::Finished {
            // As in a whole reply: an absent list must not read as "this sample has no IOCs".
            return Err(serde::de::Error::custom("iocs is missing"));
        }
        Ok(Self { status, data })
    }

    /// Returns how many bytes the reply has.
    pub fn size_bytes(&self) -> usize {
        self.data.len()
    }

    /// Returns the parts, one after another.
    pub fn parts(&self) -> Result<IocPartsIter<'_>, Error> {
        let lists =
            self.lists().map_err(|error| Error::Unreadable { what: IOCS, reason: scrubbed(&error.to_string(), "") })?;
        Ok(IocPartsIter { lists: lists.into_iter(), list: None })
    }

    fn lists(&self) -> Result<BTreeMap<String, &RawValue>, serde_json::Error> {
        let Object(body): Object<Body<'_>> = serde_json::from_slice(&self.data)?;
        body.iocs.map_or_else(|| Ok(BTreeMap::new()), |iocs| serde_json::from_str(iocs.get()))
    }
}

/// The parts of a reply, one after another.
#[derive(Debug)]
pub struct IocPartsIter<'a> {
    lists: std::collections::btree_map::IntoIter<String, &'a RawValue>,
    list: Option<(String, std::iter::Peekable<std::vec::IntoIter<&'a RawValue>>)>,
}

impl Iterator for IocPartsIter<'_> {
    type Item = Iocs;

    fn next(&mut self) -> Option<Iocs> {
        loop {
            let Some((name, entries)) = &mut self.list else {
                let (name, list) = self.lists.next()?;
                match serde_json::from_str::<Option<Vec<&RawValue>>>(list.get()) {
                    Ok(entries) => self.list = Some((name, entries.unwrap_or_default().into_iter().peekable())),
                    // No list: one entry that cannot be read, as in a whole reply.
                    Err(_) => return Some(read(&name, list.get())),
                }
                continue;
            };
            let mut text = String::from("[");
            let mut taken = 0;
            while taken < MOST_ENTRIES
                && let Some(entry) = entries.next_if(|entry| taken == 0 || text.len() + entry.get().len() < MOST_BYTES)
            {
                if taken > 0 {
                    text.push(',');
                }
                match entry.get() {
                    long if long.len() > MOST_BYTES => {
                        write!(text, "\"an entry of {} bytes\"", long.len()).unwrap_or_default();
                    }
                    entry => text.push_str(entry),
                }
                taken += 1;
            }
            if taken == 0 {
                self.list = None;
                continue;
            }
            text.push(']');
            return Some(read(name, &text));
        }
    }
}

/// Reads one list. What is not even JSON cannot come here: the reply around it was read.
fn read(name: &str, list: &str) -> Iocs {
    let name = serde_json::Value::from(name);
    serde_json::from_str(&format!("{{{name}:{list}}}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, readable};

    fn parts(json: &str) -> Vec<Iocs> {
        IocParts::of(Bytes::copy_from_slice(json.as_bytes())).unwrap().parts().unwrap().collect()
    }

    #[test]
    fn all_parts_together_are_the_whole_reply() {
        let domain = |n: usize| format!(r#"{{"domain":"d{n}.example.net","verdict":"malicious","ioc":true}}"#);
        let domains: Vec<String> = (0..1234).map(domain).collect();
        let json = format!(
            r#"{{"status":"finished","iocs":{{"domains":[{},7],"ips":null,"urls":"none","further":[1]}}}}"#,
            domains.join(",")
        );
        let parts = parts(&json);
        let whole: crate::IocsReply = serde_json::from_str(&json).unwrap();
        assert!(parts.iter().all(|part| part.domains.len() <= MOST_ENTRIES));
        let of_parts: Vec<_> = parts.iter().flat_map(|part| part.domains.clone()).collect();
        assert_eq!(of_parts, whole.iocs.domains);
        let urls: Vec<_> = parts.iter().flat_map(|part| part.urls.clone()).collect();
        assert_eq!(urls, whole.iocs.urls);
    }

    #[test]
    fn an_entry_that_is_too_long_is_one_that_cannot_be_read_and_leaves_its_neighbours() {
        let long = "x".repeat(MOST_BYTES);
        let parts = parts(&format!(
            r#"{{"iocs":{{"domains":[{{"domain":"a.example.net"}},{{"domain":"{long}"}},{{"domain":"b.example.net"}}]}}}}"#
        ));
        let domains: Vec<_> = parts.iter().flat_map(|part| part.domains.clone()).collect();
        assert_eq!(readable(&domains).count(), 2);
        assert!(
            domains
                .iter()
                .any(|entry| matches!(entry, Entry::Unreadable { raw, .. } if raw.to_string().contains("bytes")))
        );
    }

    #[test]
    fn a_reply_without_lists_is_no_reply() {
        assert!(IocParts::of(Bytes::from_static(br#"{"status":"finished"}"#)).is_err());
        assert_eq!(IocParts::of(Bytes::from_static(br#"{"status":"waiting"}"#)).unwrap().parts().unwrap().count(), 0);
    }
}
