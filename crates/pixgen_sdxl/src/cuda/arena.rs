//! Where the intermediate results of a program lie: one piece of memory, planned while the program is recorded.

use std::cell::RefCell;
use std::rc::Rc;

/// Every range begins at a multiple of this, as vector loads and the libraries want it.
const ALIGNMENT: usize = 256;

/// A plan of who lies where in one piece of memory.
///
/// A program runs its operations one after another, so a range is free for later operations as soon as the last
/// [`Range`] that names it is dropped while recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    plan: Rc<RefCell<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    /// Ranges in use, (begin, end), in the order of their places.
    used: Vec<(usize, usize)>,
    peak: usize,
}

/// A range of the arena, free again when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Range {
    held: Rc<Held>,
}

#[derive(Debug)]
struct Held {
    plan: Rc<RefCell<Plan>>,
    begin: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.plan.borrow_mut().used.retain(|(begin, _)| *begin != self.begin);
    }
}

impl Range {
    /// Bytes from the beginning of the arena.
    pub(super) fn offset(&self) -> usize {
        self.held.begin
    }
}

impl Arena {
    /// The lowest free range of `bytes`.
    pub(super) fn take(&self, bytes: usize) -> Range {
        let size = bytes.max(1).next_multiple_of(ALIGNMENT);
        let mut plan = self.plan.borrow_mut();
        let (mut at, mut begin) = (plan.used.len(), 0);
        for (index, (used_begin, used_end)) in plan.used.iter().enumerate() {
            if begin + size <= *used_begin {
                at = index;
                break;
            }
            begin = *used_end;
        }
        plan.used.insert(at, (begin, begin + size));
        plan.peak = plan.peak.max(begin + size);
        Range { held: Rc::new(Held { plan: Rc::clone(&self.plan), begin }) }
    }

    /// Bytes that all ranges together ever needed.
    pub(super) fn peak(&self) -> usize {
        self.plan.borrow().peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_used_again_and_nothing_overlaps() {
        let arena = Arena::default();
        let first = arena.take(1000);
        let second = arena.take(1);
        let third = arena.take(256);
        assert_eq!([first.offset(), second.offset(), third.offset()], [0, 1024, 1280]);
        let also_second = second.clone();
        drop(second);
        assert_eq!(arena.take(200).offset(), 1536);
        drop(also_second);
        let small = arena.take(256);
        assert_eq!(small.offset(), 1024);
        drop(first);
        assert_eq!(arena.take(2000).offset(), 1536);
        assert_eq!(arena.take(500).offset(), 0);
        assert_eq!(arena.peak(), 1536 + 2048);
    }
}
