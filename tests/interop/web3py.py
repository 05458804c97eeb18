"""web3.py from an empty wallet: deploy, send, call, events, a revert. Prints one JSON document.

    python web3py.py URL
"""

import json
import sys
from pathlib import Path

from web3 import Web3
from web3.exceptions import ContractCustomError
from web3.middleware import SignAndSendRawMiddlewareBuilder

ARTIFACT = Path(__file__).resolve().parents[2] / "contracts/artifacts/DemoToken.json"


def main(url):
    w3 = Web3(Web3.HTTPProvider(url))
    owner, other = w3.eth.account.create(), w3.eth.account.create()
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(owner), layer=0)
    w3.eth.default_account = owner.address

    def mined(tx_hash):
        receipt = w3.eth.wait_for_transaction_receipt(tx_hash, timeout=60, poll_latency=0.05)
        assert receipt.status == 1, receipt
        return receipt

    artifact = json.loads(ARTIFACT.read_text())
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    deployed = mined(factory.constructor("Points", "PTS").transact())
    token = w3.eth.contract(address=deployed.contractAddress, abi=artifact["abi"])
    assert token.functions.symbol().call() == "PTS"
    mined(token.functions.mint(1000).transact())
    sent = mined(token.functions.transfer(other.address, 400).transact())
    assert token.functions.balanceOf(other.address).call() == 400
    assert w3.eth.get_balance(owner.address) == 0
    assert sent.effectiveGasPrice == 0

    events = token.events.Transfer().get_logs(from_block=0, argument_filters={"from": owner.address})
    assert [event.transactionHash for event in events] == [sent.transactionHash], events
    block = w3.eth.get_block(sent.blockNumber, full_transactions=True)
    assert block.hash == sent.blockHash and block.transactions[0].hash == sent.transactionHash
    proof = w3.eth.get_proof(token.address, [2], "latest")
    assert int.from_bytes(proof.storageProof[0].value, "big") == 1000, proof
    try:
        token.functions.transfer(owner.address, 1).call({"from": w3.eth.account.create().address})
        raise AssertionError("an overdraft was not refused")
    except ContractCustomError as error:
        revert = str(error.data)[:10]
    assert revert == Web3.keccak(text="ERC20InsufficientBalance(address,uint256,uint256)").to_0x_hex()[:10], revert
    print(json.dumps({"token": token.address, "events": len(events), "revert": "ERC20InsufficientBalance"}))


if __name__ == "__main__":
    main(sys.argv[1])
