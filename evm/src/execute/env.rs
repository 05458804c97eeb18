//! The EVM's environment.

use super::{Evm, precompiles::PricedPrecompiles};
use crate::{BlockAttributes, ChainSpec, Prices, RecoveredTx, state::Overlay, state::StateSource};
use alloy_primitives::U256;
use revm::{
    Context,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{block::BlobExcessGasAndPrice, cfg::gas_params::GasId, either::Either},
    handler::instructions::EthInstructions,
    primitives::hardfork::SpecId,
};

/// Configuration of the EVM under a fork.
pub(crate) fn cfg_env(spec: &ChainSpec, fork: SpecId) -> CfgEnv {
    let mut cfg = CfgEnv::new_with_spec(fork).with_chain_id(spec.chain_id);
    if let Some(gas) = spec.prices.hashed_word {
        cfg.gas_params.override_gas([(GasId::keccak256_per_word(), gas)]);
    }
    cfg
}

/// The block as the EVM sees it.
pub(crate) fn block_env(
    attributes: &BlockAttributes,
    number: u64,
    base_fee: Option<u64>,
    blobs: BlobExcessGasAndPrice,
) -> BlockEnv {
    BlockEnv {
        number: U256::from(number),
        beneficiary: attributes.beneficiary,
        timestamp: U256::from(attributes.timestamp),
        gas_limit: attributes.gas_limit,
        basefee: base_fee.unwrap_or_default(),
        difficulty: attributes.consensus.difficulty,
        prevrandao: Some(attributes.prev_randao),
        blob_excess_gas_and_price: Some(blobs),
        slot_num: 0,
    }
}

/// An EVM over an overlay, with the chain's prices.
pub(crate) fn build_evm<S: StateSource>(overlay: Overlay<S>, cfg: CfgEnv, block: BlockEnv, prices: &Prices) -> Evm<S> {
    let fork = cfg.spec;
    let mut instructions = EthInstructions::new_mainnet_with_spec(fork);
    for (opcode, gas) in &prices.opcodes {
        instructions.insert_gas(*opcode, *gas);
    }
    let precompiles = PricedPrecompiles::new(fork, prices);
    let context = Context::<BlockEnv, TxEnv, CfgEnv, _, _, ()>::new(overlay, fork).with_cfg(cfg).with_block(block);
    Evm::new(context, instructions, precompiles)
}

/// A transaction as the EVM sees it.
pub(crate) fn tx_env(tx: &RecoveredTx, free_gas: bool) -> TxEnv {
    let paid = |offered: u128| if free_gas { 0 } else { offered };
    let RecoveredTx { tx, sender } = tx;
    let authorizations = tx.authorization_list().unwrap_or_default();
    TxEnv {
        tx_type: tx.ty(),
        caller: *sender,
        gas_limit: tx.gas_limit(),
        gas_price: paid(tx.max_fee_per_gas()),
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: tx.max_priority_fee_per_gas().map(paid),
        blob_hashes: tx.blob_hashes().to_vec(),
        max_fee_per_blob_gas: tx.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: authorizations.iter().cloned().map(Either::Left).collect(),
    }
}
