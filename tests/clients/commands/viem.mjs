// {url}: what dapps do through viem: fill, estimate, simulate, read logs, prove, sign a delegation (EIP-7702), watch.
import { BaseError, ContractFunctionRevertedError, encodeFunctionData, keccak256, numberToHex, pad, toRlp } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { L2, artifact } from '../demo/chain.mjs';
import { check, fresh, refused } from './common.mjs';

const TIMEOUT_MS = 20_000;

export async function run({ chain }) {
  const [owner, other] = [fresh(), fresh()];
  const writer = chain.writer(owner.key);
  const { abi } = artifact('DemoItems');
  const items = await chain.deploy(owner.key, 'DemoItems', ['https://example.org/{id}']);

  const gas = await chain.reader.estimateContractGas({ address: items, abi, functionName: 'mint', args: [7n, 5n], account: owner.address });
  const { request } = await chain.reader.simulateContract({ address: items, abi, functionName: 'mint', args: [7n, 5n], account: writer.account });
  const minted = await chain.mined(await writer.writeContract(request));
  check(minted.gasUsed <= gas, `${minted.gasUsed} gas used, ${gas} estimated`);
  check((await chain.read(items, 'DemoItems', 'balanceOf', [owner.address, 7n])) === 5n, 'the units did not arrive');

  const call = { address: items, abi, functionName: 'burn', args: [7n, 6n], account: owner.address };
  const error = await refused(chain.reader.simulateContract(call), 'burning too much');
  const revert = error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
  check(revert?.data?.errorName === 'ERC1155InsufficientBalance', `burning too much: ${error}`);

  const logs = await chain.reader.getContractEvents({ address: items, abi, eventName: 'TransferSingle', fromBlock: 0n });
  check(logs.length === 1 && logs[0].transactionHash === minted.transactionHash, 'other logs were found');

  // Slot 0 of the registry's mapping of beneficiaries, read and proven.
  const proof = await chain.reader.getProof({ address: L2.registry, storageKeys: [pad('0x0')] });
  check(proof.accountProof.length > 0 && proof.nonce === 1, 'no proof of the registry');
  check(keccak256(toRlp('0x')) === '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421', 'keccak');
  const head = await chain.reader.getBlock();
  check(keccak256(proof.accountProof[0]) === head.stateRoot, 'the proof does not start at the state root');

  const delegation = await delegate(chain, fresh(), items);
  const beneficiary = await chain.send(owner.key, L2.registry, 'L2Registry', 'setBeneficiary', [other.address]);
  const sync = await writer.sendTransactionSync({
    to: items,
    data: encodeFunctionData({ abi, functionName: 'mint', args: [8n, 1n] }),
    timeout: TIMEOUT_MS,
  });
  check(sync.blockNumber > beneficiary.blockNumber || sync.transactionIndex > beneficiary.transactionIndex, 'order');
  return { items, gas_used: minted.gasUsed, gas_estimated: gas, revert: revert.data.errorName, delegation, head: head.number };
}

/** An account delegates itself to code and has it; a type 4 transaction from an empty wallet. */
async function delegate(chain, wallet, contract) {
  const writer = chain.writer(wallet.key);
  const account = privateKeyToAccount(wallet.key);
  const authorization = await writer.signAuthorization({ account, contractAddress: contract, executor: 'self' });
  const hash = await writer.sendTransaction({ authorizationList: [authorization], to: fresh().address, data: '0x' });
  const receipt = await chain.mined(hash);
  check(receipt.type === 'eip7702', `type ${receipt.type}`);
  const code = await chain.reader.getCode({ address: wallet.address });
  check(code === `0xef0100${contract.slice(2).toLowerCase()}`, `the code is ${code}`);
  check(numberToHex(4) === '0x4' && receipt.status === 'success', 'the delegation failed');
  return hash;
}
