//! Claims, attestations, disputes, and a committee that resolves them.
#![allow(missing_docs)]

bind!(Settlement, "artifacts/Settlement.json");
bind!(CommitteeResolver, "artifacts/CommitteeResolver.json");
