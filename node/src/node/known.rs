//! A small file beside each chain that says which rollup it is: with the ledger lost, a start knows it from there.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use mayfly_rollup::RollupInfo;
use serde::{Deserialize, Serialize};

use crate::NodeError;

const FILE_NAME: &str = "rollup.json";
/// The longest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Directories looked at.
const MAX_ROLLUPS: usize = 1_024;

/// A rollup whose chain is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its name with this node.
    pub(crate) name: String,
    /// What it is.
    pub(crate) info: RollupInfo,
    /// The creation log's index in its L1 block.
    pub(crate) log_index: u64,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    /// As [`RollupInfo::to_json`] writes it.
    info: String,
    log_index: u64,
}

/// Writes the file into a chain's directory, unless it says so already.
pub(crate) fn write(dir: &Path, known: &Known) -> Result<(), NodeError> {
    let path = dir.join(FILE_NAME);
    if read(dir).is_ok_and(|found| found.as_ref() == Some(known)) {
        return Ok(());
    }
    let invalid = |e: String| NodeError::file(&path)(std::io::Error::other(e));
    let info = known.info.to_json().map_err(|e| invalid(e.to_string()))?;
    let stored = serde_json::to_vec_pretty(&Stored { name: known.name.clone(), info, log_index: known.log_index });
    let bytes = stored.map_err(|e| invalid(e.to_string()))?;
    let new = path.with_extension("new");
    let mut file = File::create(&new).map_err(NodeError::file(&new))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(NodeError::file(&new))?;
    fs::rename(&new, &path).map_err(NodeError::file(&path))
}

/// What a chain's directory says it is; none without the file.
pub(crate) fn read(dir: &Path) -> Result<Option<Known>, NodeError> {
    let path = dir.join(FILE_NAME);
    let size = match fs::metadata(&path) {
        Ok(meta) => meta.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(NodeError::file(&path)(e)),
    };
    let invalid = |reason: String| NodeError::Config { path: path.clone(), reason };
    if size > MAX_FILE_BYTES {
        return Err(invalid(format!("{size} bytes")));
    }
    let bytes = fs::read(&path).map_err(NodeError::file(&path))?;
    let Stored { name, info, log_index } = serde_json::from_slice(&bytes).map_err(|e| invalid(e.to_string()))?;
    let info = RollupInfo::from_json(&info).map_err(|e| invalid(e.to_string()))?;
    if dir.file_name().is_none_or(|name| name != format!("{:?}", info.rollup).as_str()) {
        return Err(invalid(format!("it is of {}", info.rollup)));
    }
    Ok(Some(Known { name, info, log_index }))
}

/// All rollups whose chains are in `rollups`. One that cannot be read is logged and left out.
pub(crate) fn all(rollups: &Path) -> Vec<Known> {
    let Ok(dirs) = fs::read_dir(rollups) else { return Vec::new() };
    let mut found: Vec<Known> = dirs
        .flatten()
        .take(MAX_ROLLUPS)
        .filter_map(|dir| {
            read(&dir.path())
                .inspect_err(|error| tracing::warn!(%error, "a chain's directory does not say what it is"))
                .ok()?
        })
        .collect();
    found.sort_by_key(|known| known.info.rollup);
    found
}
