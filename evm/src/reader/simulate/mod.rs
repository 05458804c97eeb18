//! Simulating blocks on a state: `eth_simulateV1`.
//!
//! A [`Simulation`] is a run of blocks with calls, each with changes to its header and its state. They are executed one
//! after the other on the state after a block of the chain and answered with real headers, state roots included. Nothing
//! stays: the chain's tries are moved forward for a root and back before their lock is released. What a block does
//! follows execution-apis; where that leaves a choice open, what most nodes do.

mod block;
mod error;
mod header;
mod overrides;
mod plan;
mod precompiles;
mod request;
mod result;
mod root;
mod state;
mod transaction;
mod transfers;

pub use error::SimulationError;
pub use request::{
    MAX_SIMULATED_BLOCKS, MAX_SIMULATED_CALLS, MAX_SIMULATED_CALLS_OF_BLOCK, Simulation, SimulationBlock,
    SimulationCall,
};
pub use result::{SimulatedBlock, SimulatedCall, SimulatedTx};

use super::{ChainReader, StateView};
use block::{Budget, run};
use state::SimulatedState;

impl ChainReader {
    /// Runs blocks on the state after `base` and forgets them.
    ///
    /// # Errors
    /// A [`SimulationError`] for the first thing that is wrong; a call that reverts or halts is no error.
    pub fn simulate(&self, base: StateView, simulation: &Simulation) -> Result<Vec<SimulatedBlock>, SimulationError> {
        simulation.check()?;
        let block = base.block().clone();
        let plan = plan::plan(&block.header, &simulation.blocks)?;
        let fork = self.spec().spec_id(block.header.number, block.header.timestamp);
        let mut budget = Budget { gas: simulation.gas };
        let mut state = SimulatedState::new(base);
        let mut parent = block.header.clone();
        let mut parent_hash = block.hash;
        let mut results: Vec<SimulatedBlock> = Vec::with_capacity(plan.len());
        for planned in &plan {
            let rules = block::Rules { spec: self.spec(), base_fork: fork, simulation };
            let finished = run(rules, &state, (&parent, parent_hash), planned, &mut budget)?;
            let root = state.take(&finished.changes).and_then(|()| root::state_root(&self.shared, &block, &state))?;
            let result = finished.seal(root);
            state.push_hash(result.hash);
            parent = result.header.clone();
            parent_hash = result.hash;
            results.push(result);
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests;
