// `hardhat node` as the benchmark runs it: no prices, blocks that are never full, a block for each transaction.
export default {
  networks: {
    bench: {
      type: 'edr-simulated',
      chainId: 31337,
      initialBaseFeePerGas: 0,
      minGasPrice: 0,
      blockGasLimit: 100_000_000_000,
      mining: { auto: true },
    },
  },
};
