// Copies what the bindings need from forge's output to artifacts/. Run by scripts/contracts.sh.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const CONTRACTS = JSON.parse(readFileSync("artifacts.list.json", "utf8"));

mkdirSync("artifacts", { recursive: true });
for (const file of readdirSync("artifacts")) rmSync(`artifacts/${file}`);
for (const [name, source] of Object.entries(CONTRACTS)) {
  const built = JSON.parse(readFileSync(`out/${source.split("/").at(-1)}/${name}.json`, "utf8"));
  const artifact = {
    abi: built.abi,
    bytecode: built.bytecode.object,
    deployedBytecode: built.deployedBytecode.object,
  };
  writeFileSync(`artifacts/${name}.json`, `${JSON.stringify(artifact, null, 1)}\n`);
}
console.error(`${Object.keys(CONTRACTS).length} artifacts written`);
