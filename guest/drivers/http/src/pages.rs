//! Lists that come page by page.

use crate::{Client, Http};
use ipam_driver::{Error, Kind};

/// Pages of one list. A call makes a limited number of requests.
pub const PAGES_MAX: usize = 20;

/// A part of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Whether another follows.
    pub has_next: bool,
}

impl<H: Http> Client<H> {
    /// Reads a list of `what` to its end. `read` is told how many items came before its page.
    ///
    /// # Errors
    /// What `read` refuses; `unavailable` for a list that is too long.
    pub fn read_pages<T>(
        &mut self,
        what: &str,
        mut read: impl FnMut(&mut Self, usize) -> Result<Page<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = read(self, found.len())?;
            let is_empty = page.items.is_empty();
            found.extend(page.items);
            if !page.has_next {
                return Ok(found);
            }
            if is_empty {
                return Err(self.odd("a page has no results, and another follows"));
            }
        }
        let text = format!("{} has more than {PAGES_MAX} pages of {what}", self.name());
        Err(Error::other(Kind::Unavailable, text))
    }
}
