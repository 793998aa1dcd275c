//! Places for connections: so many in all, so many for one peer, and a few to spare.
//!
//! A connection without a place is taken all the same, for a few seconds, so that a probe is always answered and everybody
//! else is told why not. There are few of these, too: a new one ends the oldest, which has had its time. So whoever asks at
//! once gets an answer, whatever else is open.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// How many connections are open at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In all.
    pub(super) connections: usize,
    /// Of one peer.
    pub(super) per_peer: usize,
    /// Besides these, to answer probes and refuse the rest.
    pub(super) spare: usize,
}

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    taken: Arc<Mutex<Taken>>,
    spare: VecDeque<CancellationToken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    peer: IpAddr,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, taken: Arc::default(), spare: VecDeque::new() }
    }

    /// Takes a place, if there is one for this peer.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let peer = peer_of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.all >= self.limits.connections || of_peer >= self.limits.per_peer {
            return None;
        }
        taken.all += 1;
        taken.by_peer.insert(peer, of_peer + 1);
        Some(Place { taken: Arc::clone(&self.taken), peer })
    }

    /// Returns what ends a connection without a place when its time has come.
    pub(super) fn spare(&mut self) -> CancellationToken {
        if self.spare.len() >= self.limits.spare
            && let Some(oldest) = self.spare.pop_front()
        {
            oldest.cancel();
        }
        let token = CancellationToken::new();
        self.spare.push_back(token.clone());
        token
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_peer.get_mut(&self.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

/// Who counts as one: an address, or the network of 64 bits that one IPv6 host has for itself.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_peer_leaves_places_for_others_and_gives_its_own_back() {
        let places = Places::new(Limits { connections: 3, per_peer: 2, spare: 1 });
        let first = places.take(address("192.0.2.1")).unwrap();
        let _second = places.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(places.take(address("192.0.2.1")).is_none());
        let _other = places.take(address("2001:db8::1")).unwrap();
        assert!(places.take(address("192.0.2.9")).is_none(), "all are taken");
        drop(first);
        assert!(places.take(address("192.0.2.1")).is_some());
    }

    #[test]
    fn an_ipv6_host_is_one_peer_whatever_address_it_takes() {
        let places = Places::new(Limits { connections: 9, per_peer: 1, spare: 1 });
        let _first = places.take(address("2001:db8::1")).unwrap();
        assert!(places.take(address("2001:db8::ffff:1")).is_none());
        assert!(places.take(address("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn a_new_spare_connection_ends_the_oldest() {
        let mut places = Places::new(Limits { connections: 0, per_peer: 0, spare: 2 });
        let tokens = [places.spare(), places.spare(), places.spare()];
        assert_eq!(tokens.map(|token| token.is_cancelled()), [true, false, false]);
    }
}
