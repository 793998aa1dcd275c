//! A file over a real connection: read from disk while it is sent.

use std::sync::Arc;

use enrichment::{EnrichRequest, Item};
use outbound::{Exchange, HttpOptions, HttpTransport, RetryPolicy, SystemClock, Transport};
use simulators::World;

use crate::place::{Place, file};

#[tokio::test]
async fn a_file_arrives_whole_over_a_socket() {
    let mut content = vec![0_u8; 5_000_000];
    for (at, byte) in content.iter_mut().enumerate() {
        *byte = u8::try_from(at % 251).unwrap();
    }
    let place = Place::new(World::new());
    let listening = place.stack.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let transport: Arc<dyn Transport> = Arc::new(HttpTransport::try_new(&HttpOptions::default()).unwrap());
    let base = listening.vmray.base_url().parse().unwrap();
    let exchange = Exchange::new(transport, RetryPolicy::default());
    let key = place.stack.settings().into_iter().find(|(name, _)| *name == "VmrayAPIKey").unwrap().1;
    let item = file("large \u{fc}.bin", &content).await;
    let Item::File(file) = &item else { panic!("not a file") };
    let sha256 = file.file.sha256().to_string();
    let mut parts = place.parts(enrichment::Uploads::Refused { reason: String::new() });
    parts.vmray = vmray::Client::new(exchange, base, key.into(), "test", Arc::new(SystemClock));
    enrichment::Enrichment::new(parts).enrich(EnrichRequest::new(vec![item])).await.unwrap();
    let world = place.stack.vmray.world();
    let sample = world.samples().next().unwrap();
    assert_eq!(sample.hashes.sha256, Some(sha256));
    assert_eq!((sample.filesize, sample.filename.as_str()), (5_000_000, "large \u{fc}.bin"));
    listening.stop().await;
}
