use sha2::{Digest, Sha256};

/// A manifest of this JSON object, which has no hash yet: FORMAT.md, section 3.
pub(crate) fn sealed(object: &str) -> String {
    let object = object.trim_end().strip_suffix('}').unwrap();
    let digest: String = Sha256::digest(object).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{object},\"sha256\":\"{digest}\"}}\n")
}
