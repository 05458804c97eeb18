//! The table of crash points.

/// A crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// What `MAYFLY_FAIL_AT` calls it.
    pub name: &'static str,
    /// What has to happen so that a node comes by.
    pub reach: Reach,
}

/// What leads a node to a crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It answers transactions and posts batches.
    Load,
    /// It starts on what an earlier process left.
    Start,
    /// It is told to stop.
    Stop,
    /// L1 reorganises while it works.
    Reorg,
    /// L1 includes nothing for a while.
    Stall,
    /// Somebody else posts a batch.
    Forced,
    /// A rollup is created.
    Create,
    /// A rollup comes to its end.
    Close,
}

const fn point(name: &'static str, reach: Reach) -> Point {
    Point { name, reach }
}

/// Every crash point, in the order of a block's way.
pub const POINTS: &[Point] = &[
    // The chain's directory.
    point("create-logged", Reach::Create),
    point("create-stored", Reach::Create),
    point("marker-written", Reach::Create),
    point("created", Reach::Create),
    point("open-loaded", Reach::Start),
    point("open-scanned", Reach::Start),
    point("opened", Reach::Start),
    // A block's way to the disk.
    point("sealed", Reach::Load),
    point("log-append", Reach::Load),
    point("log-torn", Reach::Load),
    point("log-written", Reach::Load),
    point("log-synced", Reach::Load),
    point("log-turned", Reach::Load),
    point("after-answer", Reach::Load),
    point("store-save", Reach::Load),
    point("store-saved", Reach::Load),
    // Where derivation stands, and what a rebase took.
    point("stands-written", Reach::Load),
    point("stands-renamed", Reach::Load),
    point("stands-saved", Reach::Load),
    point("rescue-written", Reach::Reorg),
    point("rescue-renamed", Reach::Reorg),
    point("rescue-saved", Reach::Reorg),
    point("reverted", Reach::Reorg),
    point("rescue-done", Reach::Reorg),
    point("rescue-removed", Reach::Reorg),
    point("derived", Reach::Forced),
    // A batch's way to L1.
    point("post-enqueue", Reach::Load),
    point("post-enqueued", Reach::Load),
    point("post-leased", Reach::Load),
    point("post-signed", Reach::Load),
    point("post-recorded", Reach::Load),
    point("post-broadcast", Reach::Load),
    point("post-marked", Reach::Load),
    point("post-mined", Reach::Load),
    point("post-noted", Reach::Load),
    point("post-final", Reach::Load),
    point("replace-leased", Reach::Stall),
    point("replace-recorded", Reach::Stall),
    point("post-reopened", Reach::Reorg),
    // What L1 said, on its way to the ledger.
    point("record-block", Reach::Load),
    point("record-batch", Reach::Load),
    point("record-note", Reach::Load),
    point("record-final", Reach::Load),
    point("recorded", Reach::Load),
    point("record-gone", Reach::Reorg),
    // The node's own.
    point("rollup-recorded", Reach::Create),
    point("start-place", Reach::Start),
    point("caught-up", Reach::Start),
    point("in-step", Reach::Start),
    point("usage-drained", Reach::Stop),
    point("usage-recorded", Reach::Stop),
    point("stop-flush", Reach::Stop),
    point("stop-flushed", Reach::Stop),
    point("stop-ledger", Reach::Stop),
    // The end.
    point("closing", Reach::Close),
    point("closed", Reach::Close),
    point("close-stood", Reach::Close),
];
