//! What ends a piece of a stream: one separator, or any of several.

use memchr::{memchr, memmem};

/// One separator, or several, any of which ends the piece: bytes, text, or a list of them.
///
/// ```
/// use waterwheel::StreamReader;
/// # waterwheel::run(async {
/// let (mut reader, feeder) = StreamReader::new(1024);
/// feeder.feed_data(b"a\r\nb;c,d");
/// assert_eq!(reader.readuntil(b"\r\n").await.unwrap(), b"a\r\n");
/// assert_eq!(reader.readuntil([";", ","]).await.unwrap(), b"b;");
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a separator or a list of separators",
    note = "a separator is text or bytes, as `\"\\r\\n\"` or `b\"\\r\\n\"`; several are an array, a slice, a `Vec` or a tuple of them"
)]
pub trait Separators {
    /// Calls `show` with each separator.
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8]));
}

impl Separators for [u8] {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        show(self);
    }
}

impl<const N: usize> Separators for [u8; N] {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        show(self);
    }
}

impl Separators for str {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        show(self.as_bytes());
    }
}

impl Separators for Vec<u8> {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        show(self);
    }
}

impl<S: Separators + ?Sized> Separators for &S {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        S::visit(self, show);
    }
}

impl<S: Separators + ?Sized, const N: usize> Separators for [&S; N] {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        self.iter().for_each(|one| one.visit(show));
    }
}

impl<S: Separators + ?Sized> Separators for [&S] {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        self.iter().for_each(|one| one.visit(show));
    }
}

impl<S: Separators> Separators for Vec<S>
where
    S: AsRef<[u8]>,
{
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        self.iter().for_each(|one| one.visit(show));
    }
}

/// Separators of different types are given as a tuple.
macro_rules! separators_of_tuple {
    ($($kind:ident $place:tt),*) => {
        impl<$($kind: Separators),*> Separators for ($($kind,)*) {
            fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
                $(self.$place.visit(show);)*
            }
        }
    };
}

separators_of_tuple!(A 0, B 1);
separators_of_tuple!(A 0, B 1, C 2);
separators_of_tuple!(A 0, B 1, C 2, D 3);

/// Where a separator was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The separators of one search, and how far it has come.
pub(super) struct Search<'a> {
    separators: List<'a>,
    /// Where the next search begins. No match begins before it.
    offset: usize,
}

/// Invariant: there is at least one, none is empty, and the shorter ones come first.
enum List<'a> {
    /// The usual case, which needs no memory.
    One(&'a [u8]),
    Many(Vec<&'a [u8]>),
}

impl<'a> List<'a> {
    fn as_slice(&self) -> &[&'a [u8]] {
        match self {
            List::One(one) => std::slice::from_ref(one),
            List::Many(many) => many,
        }
    }
}

/// The error for a list without a separator, or with an empty one.
pub(super) const NO_SEPARATOR: &str = "at least one separator is needed, and none may be empty";

impl<'a> Search<'a> {
    /// `None` if there is no separator, or an empty one.
    pub(super) fn new(separators: &'a impl Separators) -> Option<Self> {
        let mut list = List::Many(Vec::new());
        separators.visit(&mut |one| match &mut list {
            List::Many(many) if many.is_empty() => list = List::One(one),
            List::Many(many) => many.push(one),
            List::One(first) => list = List::Many(vec![*first, one]),
        });
        if let List::Many(many) = &mut list {
            // Of two matches with the same end, the one that is found first wins: the shorter one.
            many.sort_by_key(|one| one.len());
        }
        match list.as_slice().first() {
            None | Some([]) => None,
            Some(_) => Some(Search { separators: list, offset: 0 }),
        }
    }

    /// Finds the match that ends first. If there is none, the next search skips the bytes at which no match can begin.
    pub(super) fn find(&mut self, data: &[u8]) -> Option<Match> {
        let from = self.offset;
        let mut found: Option<Match> = None;
        for separator in self.separators.as_slice() {
            // A later separator only counts if it ends before the one found.
            let within = &data[from..found.map_or(data.len(), |found| found.end - 1)];
            let place = match separator {
                [byte] => memchr(*byte, within),
                longer => memmem::find(within, longer),
            };
            if let Some(place) = place {
                let start = from + place;
                found = Some(Match { start, end: start + separator.len() });
            }
        }
        if found.is_none() {
            self.offset = self.offset.max(self.searched(data.len()));
        }
        found
    }

    /// A separator for messages: the one that was given, or the shortest of several.
    pub(super) fn shown(&self) -> &'a [u8] {
        self.separators.as_slice().first().copied().unwrap_or_default()
    }

    /// How many of `len` bytes without a match may be thrown away without cutting a separator in two.
    pub(super) fn searched(&self, len: usize) -> usize {
        let longest = self.separators.as_slice().last().map_or(1, |longest| longest.len());
        (len + 1).saturating_sub(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(separators: impl Separators, data: &[u8]) -> Option<(usize, usize)> {
        let mut search = Search::new(&separators).unwrap();
        search.find(data).map(|found| (found.start, found.end))
    }

    #[test]
    fn the_match_that_ends_first_wins_and_of_equal_ends_the_shorter() {
        assert_eq!(find(["DEF", "BCDE"], b"ABCDEFG"), Some((1, 5)));
        assert_eq!(find(["\r", "\r\n"], b"ab\r\ncd"), Some((2, 3)));
        assert_eq!(find(["XYZ", "YZ"], b"aXYZ"), Some((2, 4)));
        assert_eq!(find(["ABC", "B", "C"], b"aaaaABC"), Some((5, 6)));
        assert_eq!(find((b"ABC", "B", b"C"), b"aaaaABC"), Some((5, 6)));
        assert_eq!(find(b"AAA", b"aAAAA"), Some((1, 4)));
        assert_eq!(find("none", b"aAAAA"), None);
    }

    #[test]
    fn no_separator_and_empty_ones_are_refused() {
        assert!(Search::new(&b"").is_none());
        assert!(Search::new(&[b"".as_slice(), b"a"]).is_none());
        assert!(Search::new(&Vec::<&str>::new()).is_none());
    }

    /// The naive twin tries every end, and every separator, from the beginning.
    #[test]
    fn any_chunking_finds_what_a_naive_search_finds() {
        let alphabets = [&b"ab"[..], b"abc"];
        let lists = [vec!["aab"], vec!["ab", "ba"], vec!["a", "bbb"], vec!["abab", "bb", "baab"]];
        let mut seed = 0x1234_5678_9abc_def1_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 33) as usize % below
        };
        let mut hits = 0;
        for round in 0..4_000 {
            let alphabet = alphabets[round % 2];
            let list = &lists[random(lists.len())];
            let data: Vec<u8> = (0..random(12)).map(|_| alphabet[random(alphabet.len())]).collect();
            let naive = (1..=data.len()).find_map(|end| {
                let mut fits = list.iter().filter(|one| data[..end].ends_with(one.as_bytes())).collect::<Vec<_>>();
                fits.sort_by_key(|one| one.len());
                fits.first().map(|one| (end - one.len(), end))
            });
            let mut search = Search::new(list).unwrap();
            let mut len = 0;
            let found = loop {
                if let Some(found) = search.find(&data[..len]) {
                    break Some((found.start, found.end));
                }
                if len == data.len() {
                    break None;
                }
                len += 1 + random(data.len() - len);
            };
            // Both find the match that ends first, however the data is chunked.
            if let (Some(found), Some(naive)) = (found, naive) {
                assert_eq!(found, naive, "{data:?} {list:?}");
                hits += 1;
            } else {
                assert_eq!(found, naive, "{data:?} {list:?}");
            }
        }
        assert!(hits > 500, "{hits}");
    }
}
