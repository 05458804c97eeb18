//! Precompiled contracts that a block may move or lose.

use alloy_primitives::{
    Address,
    map::{AddressMap, AddressSet},
};
use revm::{
    context::Cfg,
    context_interface::ContextTr,
    handler::PrecompileProvider,
    interpreter::{CallInputs, InterpreterResult},
    primitives::hardfork::SpecId,
};

/// The precompiled contracts of a simulated block. Those of the fork are warm wherever they are; a moved one is as cold
/// as any account at its new address.
#[derive(Clone, Debug)]
pub(super) struct MovedPrecompiles<P> {
    inner: P,
    /// Those that are not where they were.
    gone: AddressSet,
    /// Those that are somewhere else: where they were.
    moved: AddressMap<Address>,
}

impl<P> MovedPrecompiles<P> {
    pub(super) fn new(inner: P) -> Self {
        Self { inner, gone: AddressSet::default(), moved: AddressMap::default() }
    }

    /// Takes the contract from its address, where the state counts from now on.
    pub(super) fn remove(&mut self, address: Address) {
        self.gone.insert(address);
    }

    /// Puts the contract that was at `from` to `to`.
    pub(super) fn place(&mut self, from: Address, to: Address) {
        self.moved.insert(to, from);
    }
}

impl<C, P> PrecompileProvider<C> for MovedPrecompiles<P>
where
    C: ContextTr<Cfg: Cfg<Spec = SpecId>>,
    P: PrecompileProvider<C, Output = InterpreterResult>,
{
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        self.inner.set_spec(spec)
    }

    fn run(&mut self, context: &mut C, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let address = inputs.bytecode_address;
        if let Some(from) = self.moved.get(&address) {
            let there = CallInputs { bytecode_address: *from, ..inputs.clone() };
            return self.inner.run(context, &there);
        }
        if self.gone.contains(&address) {
            return Ok(None);
        }
        self.inner.run(context, inputs)
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.inner.warm_addresses()
    }
}
