//! The `.io` files: comments, requests and the answers they must get.

use std::path::Path;

use eyre::{WrapErr, bail, ensure};
use serde_json::Value;

/// One file.
pub(crate) struct Case {
    /// `method/name`.
    pub(crate) name: String,
    /// Only the shape of the results counts.
    pub(crate) shape_only: bool,
    /// Requests and answers.
    pub(crate) exchanges: Vec<(String, Value)>,
}

/// The cases of a suite, by name.
pub(crate) fn all(dir: &Path) -> eyre::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for method in std::fs::read_dir(dir).wrap_err_with(|| dir.display().to_string())? {
        let method = method?.path();
        if !method.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&method)? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "io") {
                let name = file.strip_prefix(dir)?.with_extension("").display().to_string();
                cases.push(read(name, &std::fs::read_to_string(&file)?).wrap_err_with(|| file.display().to_string())?);
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!cases.is_empty(), "no case in {}", dir.display());
    Ok(cases)
}

fn read(name: String, text: &str) -> eyre::Result<Case> {
    let mut case = Case { name, shape_only: false, exchanges: Vec::new() };
    let mut request: Option<&str> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("//") {
            case.shape_only |= comment.trim_start().starts_with("speconly");
        } else if let Some(asked) = line.strip_prefix(">>") {
            ensure!(request.replace(asked.trim()).is_none(), "a request without answer");
        } else if let Some(answer) = line.strip_prefix("<<") {
            let Some(asked) = request.take() else { bail!("an answer without request") };
            case.exchanges.push((asked.to_owned(), serde_json::from_str(answer.trim())?));
        } else {
            bail!("what is {line:?}?");
        }
    }
    ensure!(request.is_none() && !case.exchanges.is_empty(), "no complete exchange");
    Ok(case)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_read_whole_or_not_at_all() {
        let case = read("a/b".into(), "// text\n// speconly: x\n>> {\"id\":1}\n<< {\"result\":2}\n").unwrap();
        assert!(case.shape_only);
        assert_eq!(case.exchanges, [("{\"id\":1}".to_owned(), serde_json::json!({"result": 2}))]);
        for broken in ["", ">> {}", "<< {}", ">> {}\n>> {}\n<< {}", ">> {}\n<< {", "text"] {
            assert!(read("a/b".into(), broken).is_err(), "{broken}");
        }
    }
}
