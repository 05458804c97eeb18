//! What the crate promises about its own shape.

use std::{fs, path::Path};

fn sources(path: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), visit);
        }
    } else {
        visit(path, &fs::read_to_string(path).unwrap());
    }
}

#[test]
fn the_core_uses_no_threads_clocks_or_files() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut count = 0;
    for part in ["trie", "state", "execute", "fold.rs", "receipt_tree.rs", "receipt.rs", "block.rs", "spec.rs"] {
        sources(&source.join(part), &mut |path, text| {
            count += 1;
            let own = text.split("#[cfg(test)]").next().unwrap();
            for word in
                ["std::fs", "std::thread", "std::time", "std::net", "parking_lot", "rayon", "tracing", "fjall::"]
            {
                assert!(!own.contains(word), "{} uses {word}", path.display());
            }
        });
    }
    assert!(count > 15);
}

#[test]
fn handles_can_be_moved_to_other_threads() {
    fn send<T: Send>() {}
    fn send_and_sync<T: Send + Sync>() {}
    send::<mayfly_evm::Chain>();
    send_and_sync::<mayfly_evm::ChainReader>();
    send_and_sync::<mayfly_evm::SealedBlock>();
    send_and_sync::<mayfly_evm::StateView>();
    send_and_sync::<mayfly_evm::EvmError>();
}

#[test]
fn errors_are_small_enough_to_return() {
    assert!(size_of::<mayfly_evm::EvmError>() <= 128, "{}", size_of::<mayfly_evm::EvmError>());
    assert!(size_of::<mayfly_evm::Refusal>() <= 128, "{}", size_of::<mayfly_evm::Refusal>());
}
