//! The chats that are hot now, up to a maximum.
//!
//! Sorted by id in one allocation: with at most some hundreds of entries a binary search takes a few comparisons, and
//! the list can be returned as is. Chats that do not fit are counted: at that point most chats are hot, and the limit
//! that makes them so is wrong.

use std::time::Duration;

/// A hot chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotChat {
    /// The chat's id.
    pub chat_id: u64,
    /// When it became hot.
    pub since: Duration,
    /// Fetches in the window, as estimated at the latest record or sweep.
    pub count: u32,
}

#[derive(Debug)]
pub(crate) struct HotList {
    sorted: Vec<HotChat>,
    max: usize,
    /// Records of hot chats that did not fit into the list.
    pub(crate) unlisted: u64,
}

impl HotList {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            sorted: Vec::with_capacity(max),
            max,
            unlisted: 0,
        }
    }

    pub(crate) fn as_slice(&self) -> &[HotChat] {
        &self.sorted
    }

    pub(crate) fn is_full(&self) -> bool {
        self.sorted.len() >= self.max
    }

    pub(crate) fn get_mut(&mut self, chat_id: u64) -> Option<&mut HotChat> {
        let at = self.find(chat_id).ok()?;
        Some(&mut self.sorted[at])
    }

    /// `false` when the list is full, which is counted in `unlisted`.
    pub(crate) fn insert(&mut self, hot: HotChat) -> bool {
        if self.is_full() {
            self.unlisted += 1;
            return false;
        }
        if let Err(at) = self.find(hot.chat_id) {
            self.sorted.insert(at, hot);
        }
        true
    }

    pub(crate) fn remove(&mut self, chat_id: u64) {
        if let Ok(at) = self.find(chat_id) {
            self.sorted.remove(at);
        }
    }

    /// Keeps the chats for which `stays` returns true; `stays` may update their counts.
    pub(crate) fn retain(&mut self, stays: impl FnMut(&mut HotChat) -> bool) {
        self.sorted.retain_mut(stays);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.sorted.capacity() * size_of::<HotChat>()
    }

    fn find(&self, chat_id: u64) -> Result<usize, usize> {
        self.sorted.binary_search_by_key(&chat_id, |hot| hot.chat_id)
    }
}
