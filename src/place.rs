//! Numbers for lines of source code.
//!
//! Another thread may ask at any time which step is running. The loop could publish an address with one atomic store,
//! but safe code cannot turn an address back into a reference. A number can be looked up here.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::Location;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A line of source code that spawns or schedules. The program has a limited number of such lines. The first has the
/// number 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// The numbered lines of all threads.
#[derive(Default)]
struct Places {
    numbers: HashMap<&'static Location<'static>, Place>,
    lines: Vec<&'static Location<'static>>,
}

static PLACES: Mutex<Option<Places>> = Mutex::new(None);

/// How many places a thread remembers, and so finds without locking the table. A program that spawns from more places
/// locks it now and then.
const REMEMBERED: usize = 16;

thread_local! {
    static LATEST: [Cell<Option<(&'static Location<'static>, Place)>>; REMEMBERED] =
        const { [const { Cell::new(None) }; REMEMBERED] };
}

impl Place {
    /// The number of a line. Asking for the same line again costs a few instructions.
    #[inline]
    pub(crate) fn of(line: &'static Location<'static>) -> Place {
        LATEST.with(|latest| {
            let latest = &latest[ptr::from_ref(line).addr() / align_of::<Location<'_>>() % REMEMBERED];
            match latest.get() {
                Some((known, place)) if ptr::eq(known, line) => place,
                _ => Place::look_up(line, latest),
            }
        })
    }

    #[cold]
    fn look_up(line: &'static Location<'static>, latest: &Cell<Option<(&'static Location<'static>, Place)>>) -> Place {
        let mut places = Places::lock();
        let Places { numbers, lines } = places.get_or_insert_default();
        let place = *numbers.entry(line).or_insert_with(|| {
            lines.push(line);
            Place(u32::try_from(lines.len()).expect("a program has fewer lines"))
        });
        latest.set(Some((line, place)));
        place
    }

    pub(crate) fn line(self) -> &'static Location<'static> {
        Places::lock().as_ref().expect("whoever has a place has put it there").lines[self.0 as usize - 1]
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The place that has this number.
    pub(crate) fn numbered(number: u32) -> Place {
        Place(number)
    }
}

impl Places {
    fn lock() -> MutexGuard<'static, Option<Places>> {
        PLACES.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_number_on_all_threads_and_another_line_another() {
        let (here, there) = (Location::caller(), Location::caller());
        let place = Place::of(here);
        assert_eq!(Place::of(here), place);
        assert_eq!(std::thread::spawn(move || Place::of(here)).join().unwrap(), place);
        assert_ne!(Place::of(there), place);
        assert_eq!((place.line(), Place::of(there).line()), (here, there));
        assert_eq!(Place::numbered(place.number()).line(), here);
    }
}
