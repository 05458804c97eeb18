//! Precompiled contracts at the chain's prices.

use crate::Prices;
use alloy_primitives::map::AddressSet;
use revm::{
    context::Cfg,
    context_interface::ContextTr,
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, Gas, InterpreterResult},
    primitives::hardfork::SpecId,
};

/// The fork's precompiled contracts; some cost a multiple of what they cost there.
#[derive(Clone, Debug)]
pub(crate) struct PricedPrecompiles {
    inner: EthPrecompiles,
    prices: Prices,
}

impl PricedPrecompiles {
    pub(crate) fn new(fork: SpecId, prices: &Prices) -> Self {
        Self { inner: EthPrecompiles::new(fork), prices: prices.clone() }
    }
}

impl<C: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<C> for PricedPrecompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        PrecompileProvider::<C>::set_spec(&mut self.inner, spec)
    }

    /// Runs the contract with as much gas as the call's buys at its price, and charges the multiple.
    fn run(&mut self, context: &mut C, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let times = self.prices.times(&inputs.bytecode_address);
        if times == 1 {
            return self.inner.run(context, inputs);
        }
        let bought = CallInputs { gas_limit: inputs.gas_limit / times, ..inputs.clone() };
        let Some(mut result) = self.inner.run(context, &bought)? else { return Ok(None) };
        let mut gas = Gas::new(inputs.gas_limit);
        // A halt takes all there is, a rest that buys nothing included.
        if result.result.is_halt() || !gas.record_regular_cost(result.gas.total_gas_spent().saturating_mul(times)) {
            gas.spend_all();
        }
        result.gas = gas;
        Ok(Some(result))
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.inner.warm_addresses()
    }
}
