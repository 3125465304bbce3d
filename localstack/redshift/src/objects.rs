//! Stand-in.

/// Where S3 is.
pub struct ObjectsConfig {
    /// http://127.0.0.1:PORT
    pub endpoint: String,
    /// Region
    pub region: String,
    /// Access key
    pub access_key_id: String,
    /// Secret key
    pub secret_access_key: String,
}
