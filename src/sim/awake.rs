//! Which hosts have to be asked again when their next turn is, since something has happened to them.

use std::cell::RefCell;

use super::bell::AnyBell;

/// The hosts to which something has happened since they were last asked, in the order in which it happened, which the
/// seed decides.
#[derive(Default)]
pub(super) struct Awake {
    listed: RefCell<Listed>,
    /// Rings with the bell of any host. Bells are rung by other threads.
    pub(super) any_bell: AnyBell,
}

#[derive(Default)]
struct Listed {
    hosts: Vec<usize>,
    /// Whether a host is in the list, by its number.
    is_listed: Vec<bool>,
}

impl Awake {
    pub(super) fn add(&self, host: usize) {
        let Listed { hosts, is_listed } = &mut *self.listed.borrow_mut();
        if is_listed.len() <= host {
            is_listed.resize(host + 1, false);
        }
        if !std::mem::replace(&mut is_listed[host], true) {
            hosts.push(host);
        }
    }

    /// Takes the hosts out. `before` is the list that the last call returned, whose memory is reused.
    pub(super) fn exchange(&self, mut before: Vec<usize>) -> Vec<usize> {
        let Listed { hosts, is_listed } = &mut *self.listed.borrow_mut();
        before.clear();
        hosts.iter().for_each(|&host| is_listed[host] = false);
        std::mem::replace(hosts, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_comes_once_in_the_order_in_which_it_was_added() {
        let awake = Awake::default();
        for host in [3, 0, 3, 2, 0] {
            awake.add(host);
        }
        let first = awake.exchange(Vec::new());
        assert_eq!(first, [3, 0, 2]);
        awake.add(0);
        assert_eq!(awake.exchange(first), [0]);
        assert_eq!(awake.exchange(Vec::new()), [0; 0]);
    }
}
