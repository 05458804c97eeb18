use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use foundry_compilers::artifacts::output_selection::OutputSelection;
use foundry_compilers::artifacts::remappings::Remapping;
use foundry_compilers::artifacts::{BytecodeHash, EvmVersion, Optimizer, Settings, SettingsMetadata};
use foundry_compilers::solc::{Solc, SolcCompiler, SolcSettings};
use foundry_compilers::{Artifact, ProjectBuilder, ProjectPathsConfig};
use serde_json::Value;

/// Contract name to {abi, bytecode, deployedBytecode}.
type Artifacts = BTreeMap<String, Value>;

static COMPILED: LazyLock<Artifacts> = LazyLock::new(compile);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Contracts whose artifacts are committed, with their sources.
fn listed() -> BTreeMap<String, String> {
    serde_json::from_str(&std::fs::read_to_string(root().join("artifacts.list.json")).unwrap()).unwrap()
}

/// The settings of contracts/foundry.toml.
fn settings() -> SolcSettings {
    let settings = Settings {
        optimizer: Optimizer { enabled: Some(true), runs: Some(200), details: None },
        metadata: Some(SettingsMetadata::new(BytecodeHash::None, false)),
        evm_version: Some(EvmVersion::Osaka),
        output_selection: OutputSelection::default_output_selection(),
        ..Settings::default()
    };
    SolcSettings { settings, ..SolcSettings::default() }
}

/// Compiles the listed sources with the compiler of package.json, which must be installed.
fn compile() -> Artifacts {
    let root = root();
    let solc = Solc::new(root.join("../scripts/solc")).expect("npm packages of contracts/ are installed");
    let scratch = tempfile::tempdir().unwrap();
    let remapping = Remapping {
        context: None,
        name: "@openzeppelin/".to_owned(),
        path: root.join("node_modules/@openzeppelin/").display().to_string(),
    };
    let paths = ProjectPathsConfig::builder()
        .sources(root.join("sol"))
        .lib(root.join("node_modules"))
        .remapping(remapping)
        .cache(scratch.path().join("cache.json"))
        .artifacts(scratch.path().join("out"))
        .build_infos(scratch.path().join("infos"))
        .build_with_root(&root);
    let project = ProjectBuilder::<SolcCompiler>::default()
        .paths(paths)
        .settings(settings())
        .ephemeral()
        .no_artifacts()
        .build(SolcCompiler::Specific(solc))
        .unwrap();
    let listed = listed();
    let output = project.compile_files(listed.values().map(|source| root.join(source))).unwrap();
    assert!(!output.has_compiler_errors(), "{output}");
    listed
        .iter()
        .map(|(name, source)| {
            let artifact = output.find(&root.join(source), name).unwrap_or_else(|| panic!("{name} was not compiled"));
            let code = |bytes: Option<_>| Value::String(format!("{}", bytes.unwrap_or_default()));
            let value = serde_json::json!({
                "abi": artifact.abi,
                "bytecode": code(artifact.get_bytecode_bytes().map(|bytes| bytes.into_owned())),
                "deployedBytecode": code(artifact.get_deployed_bytecode_bytes().map(|bytes| bytes.into_owned())),
            });
            (name.clone(), value)
        })
        .collect()
}

fn committed(folder: &Path) -> Artifacts {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect()
}

/// Names of what differs, as `Contract.part`.
fn differences(left: &Artifacts, right: &Artifacts) -> Vec<String> {
    let names = left.keys().chain(right.keys()).collect::<std::collections::BTreeSet<_>>();
    let mut found = Vec::new();
    for name in names {
        for part in ["abi", "bytecode", "deployedBytecode"] {
            if left.get(name).and_then(|value| value.get(part)) != right.get(name).and_then(|value| value.get(part)) {
                found.push(format!("{name}.{part}"));
            }
        }
    }
    found
}

#[test]
fn committed_artifacts_are_what_the_sources_compile_to() {
    let found = differences(&COMPILED, &committed(&root().join("artifacts")));
    assert!(found.is_empty(), "run scripts/contracts.sh; these differ: {found:?}");
}

#[test]
fn a_changed_artifact_is_noticed() {
    let mut changed = committed(&root().join("artifacts"));
    let code = changed["Vault"]["bytecode"].as_str().unwrap().replacen("60", "61", 1);
    changed.get_mut("Vault").unwrap()["bytecode"] = Value::String(code);
    changed.get_mut("Inbox").unwrap()["abi"].as_array_mut().unwrap().pop();
    changed.remove("GasBurner");
    let found = differences(&COMPILED, &changed);
    let expected = ["GasBurner.abi", "GasBurner.bytecode", "GasBurner.deployedBytecode", "Inbox.abi", "Vault.bytecode"];
    assert_eq!(found, expected);
}

#[test]
fn predeploys_have_no_immutables() {
    // An immutable leaves its place in the runtime code zero; a genesis would hold it so. Deployed code that differs
    // from the tail of its creation code would have been patched.
    let mut ours = 0;
    for predeploy in mayfly_contracts::predeploys::predeploys() {
        let Some(artifact) = COMPILED.get(predeploy.name) else { continue };
        ours += 1;
        let creation = artifact["bytecode"].as_str().unwrap();
        assert!(creation.ends_with(&hex(&predeploy.code)), "{}", predeploy.name);
        assert_eq!(artifact["deployedBytecode"].as_str().unwrap(), format!("0x{}", hex(&predeploy.code)));
    }
    assert_eq!(ours, 6);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
