//! The functions that ask VMRay for one thing and hand on what it says.

use vmray::SampleHash;

use super::{Error, Function, Functions, Parameters};

impl Functions {
    pub(super) async fn look_up(&self, function: Function, parameters: &Parameters) -> Result<String, Error> {
        match function {
            Function::GetVMRaySubmission => {
                let id = parameters.id("submission_id")?;
                self.pass(&["submission", &id.to_string()], &[], || format!("the submission {id}")).await
            }
            Function::GetVMRaySampleByHash => {
                let text = parameters.text("hash")?.ok_or_else(|| missing("hash"))?;
                let hash: SampleHash = text.parse().map_err(|error| Error::bad("hash", format!("{text:?} {error}")))?;
                self.pass(&["sample", hash.kind(), hash.as_str()], &[], || format!("the hash {hash}")).await
            }
            Function::GetAnalysisBySampleID => {
                let id = parameters.id("sample_id")?;
                let limit = parameters.number("limit")?.map(|limit| limit.to_string());
                let query: Vec<_> = limit.iter().map(|limit| ("_limit", limit.as_str())).collect();
                self.pass(&["analysis", "sample", &id.to_string()], &query, || format!("the sample {id}")).await
            }
            Function::GetVMRayThreatIndicator => self.of_sample(parameters, Some("threat_indicators")).await,
            Function::GetVMRayVTIs => self.of_sample(parameters, Some("vtis")).await,
            Function::GetVMRaySample | Function::GetVMRayIOCs | Function::UplaodURL | Function::VMRayUploadSample => {
                self.of_sample(parameters, None).await
            }
        }
    }

    async fn of_sample(&self, parameters: &Parameters, part: Option<&str>) -> Result<String, Error> {
        let id = parameters.id("sample_id")?;
        let text = id.to_string();
        let segments: Vec<&str> = ["sample", &text].into_iter().chain(part).collect();
        self.pass(&segments, &[], || format!("the sample {id}")).await
    }

    async fn pass(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
        what: impl FnOnce() -> String,
    ) -> Result<String, Error> {
        let data = self.vmray.get_raw(segments, query).await.map_err(|error| Error::from(error).about(what))?;
        Ok(Box::<str>::from(data).into_string())
    }
}

pub(super) fn missing(parameter: &str) -> Error {
    Error::bad(parameter, "is missing")
}
