//! How long whole runs take against their floor: what the limits allow at best.
//!
//! `cargo bench -p feed --bench run` prints one line a case. The first case runs in real time with its state on disk;
//! the next on paused time, where only waiting counts; the last counts calls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(clippy::cast_precision_loss, dead_code, reason = "a benchmark prints floats and borrows the tests' world")]

#[path = "../tests/it/world.rs"]
mod world;

use std::time::{Duration, Instant};

use feed::{Progress, RunOptions};
use jiff::SignedDuration;
use ledger::{StateUrl, Storage};
use simulators::{EntraOptions, Latency, StackOptions, UploadOptions, VmrayOptions, World, WorldOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use world::{Setting, at};

const VMRAY: Duration = Duration::from_millis(50);
const SENTINEL: Duration = Duration::from_millis(500);

fn setting(samples: usize, throttle: bool) -> Setting {
    setting_at(samples, throttle, VMRAY, SENTINEL)
}

fn setting_at(samples: usize, throttle: bool, vmray: Duration, sentinel: Duration) -> Setting {
    let options = WorldOptions {
        iocs_per_sample: 12,
        malicious_rate: 1.0,
        shared_ioc_rate: 0.0,
        ..WorldOptions::plain(1, samples)
    };
    let default = UploadOptions::default();
    let upload = UploadOptions {
        latency: Latency::Fixed(sentinel),
        throttle: if throttle { default.throttle } else { None },
        ..default
    };
    let entra = EntraOptions { latency: Latency::Fixed(vmray), ..EntraOptions::default() };
    let vmray = VmrayOptions { latency: Latency::Fixed(vmray), throttle: None, ..VmrayOptions::default() };
    let mut setting = Setting::new(
        World::generate(&options),
        StackOptions { vmray, entra, upload, ..StackOptions::default() },
        at("2026-02-02T00:00:00Z"),
    );
    if !throttle {
        setting.per_minute = 1_000_000;
    }
    setting
}

/// The time that concurrency and latency alone need: one page to begin with, all reads, one upload to end with.
fn floor(setting: &Setting) -> f64 {
    let reads = setting.stack.vmray.requests().iter().filter(|one| one.path.contains("/rest/sample/")).count();
    let uploads = setting.stack.upload.requests().len();
    let read = (reads as f64 / 64.0).ceil() * VMRAY.as_secs_f64();
    let sent = (uploads as f64 / 40.0).ceil() * SENTINEL.as_secs_f64();
    VMRAY.as_secs_f64() + read.max(sent) + SENTINEL.as_secs_f64()
}

fn in_real_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut setting = setting(1000, false);
    setting.storage = Storage::create(&StateUrl::Folder(folder.path().join("state"))).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let taken = runtime.block_on(async {
        let feed = setting.feed();
        let (progress, _) = watch::channel(Progress::default());
        let started = Instant::now();
        feed.run(&RunOptions::default(), &progress, &CancellationToken::new()).await.unwrap();
        started.elapsed().as_secs_f64()
    });
    let floor = floor(&setting);
    println!(
        "no throttle: {} indicators in {taken:.2} s, floor {floor:.2} s, {:+.1} %",
        setting.indicators().len(),
        (taken / floor - 1.0) * 100.0
    );
}

/// What waiting alone takes in a first run of 300 samples; `benches/latency.py` has the same with a real process.
fn at_latencies() {
    for (vmray, sentinel) in [(20, 100), (100, 500)] {
        let setting = setting_at(300, false, Duration::from_millis(vmray), Duration::from_millis(sentinel));
        let before = setting.clock_now();
        setting.run(&RunOptions::default()).unwrap();
        let taken = setting.clock_now().duration_since(before).as_secs_f64();
        println!("waiting at VMRay {vmray} ms, Sentinel {sentinel} ms: {taken:.2} s for 300 samples");
    }
}

fn under_a_throttle() {
    let setting = setting(4000, true);
    let before = setting.clock_now();
    setting.run(&RunOptions::default()).unwrap();
    let taken = setting.clock_now().duration_since(before).as_secs_f64();
    let uploads = setting.stack.upload.requests().len();
    let refused = setting.stack.upload.requests().iter().filter(|one| one.status == Some(429)).count();
    // 95 go at once, and 95 more each minute after the answers came.
    let floor = ((uploads - 1) / 95) as f64 * 60.0;
    println!(
        "throttled: {uploads} uploads in {taken:.1} s, floor {floor:.1} s, {:+.1} %, {refused} refused with 429",
        (taken / floor - 1.0) * 100.0
    );
}

fn nothing_new() {
    let setting = setting(1000, true);
    setting.run(&RunOptions::default()).unwrap();
    let calls = setting.stack.vmray.requests().len();
    let rows = setting.stack.upload.row_count();
    let uploads = setting.stack.upload.requests().len();
    setting.clock.pass(SignedDuration::from_mins(2));
    setting.run(&RunOptions::default()).unwrap();
    println!(
        "nothing new: {} calls to VMRay, {} uploads, {} rows",
        setting.stack.vmray.requests().len() - calls,
        setting.stack.upload.requests().len() - uploads,
        setting.stack.upload.row_count() - rows
    );
}

fn main() {
    in_real_time();
    at_latencies();
    under_a_throttle();
    nothing_new();
}
