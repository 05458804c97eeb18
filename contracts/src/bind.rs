/// One binding from one committed artifact: `bind!(Inbox, "artifacts/Inbox.json")`.
macro_rules! bind {
    ($name:ident, $path:tt) => {
        alloy_sol_types::sol!(
            #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
            $name,
            $path
        );
    };
}
