//! The rollup's terms that the sequencer works by, taken out of its description in one place.

use std::time::Duration;

use alloy_primitives::Address;
use mayfly_rollup::RollupInfo;
use mayfly_rollup::batch::MAX_PAYLOAD_BYTES;

/// Nodes take transactions of 128 KiB; the call's other arguments and the signature need room.
pub(crate) const MAX_CALLDATA_BYTES: usize = 130_000;

/// How batch data goes to L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DaChoice {
    /// Whatever costs less at the moment.
    Cheapest,
    /// Blobs.
    Blobs,
    /// Calldata, as long as it fits.
    Calldata,
}

impl DaChoice {
    /// What one batch holds, encoded.
    pub(crate) fn batch_bytes(self) -> usize {
        match self {
            Self::Calldata => MAX_CALLDATA_BYTES,
            Self::Cheapest | Self::Blobs => MAX_PAYLOAD_BYTES,
        }
    }
}

/// See the module. Times in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) rollup: Address,
    pub(crate) chain_id: u64,
    pub(crate) l1_chain_id: u64,
    pub(crate) block_gas_limit: u64,
    pub(crate) block_time: Duration,
    pub(crate) force_window: u64,
    pub(crate) conf_depth: u64,
    pub(crate) max_origin_lag: u64,
    pub(crate) max_drift: u64,
    pub(crate) da: DaChoice,
}

impl From<&RollupInfo> for Terms {
    fn from(info: &RollupInfo) -> Self {
        let config = &info.config;
        Self {
            rollup: info.rollup,
            chain_id: info.chain_id,
            l1_chain_id: info.l1_chain_id,
            block_gas_limit: config.blockGasLimit,
            block_time: Duration::from_millis(u64::from(config.blockTimeMs.max(1))),
            force_window: config.windows.forceWindow,
            conf_depth: config.windows.confDepth,
            max_origin_lag: config.windows.maxOriginLag,
            max_drift: config.windows.maxDrift,
            da: match config.daMode {
                1 => DaChoice::Blobs,
                2 => DaChoice::Calldata,
                _ => DaChoice::Cheapest,
            },
        }
    }
}
