//! Where the PostgreSQL behind is, and how its superuser gets in.
//!
//! One description for the private PostgreSQL and for one of the user's; connects, and does not ask anything.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;

/// A server that does not answer a connection by then does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The PostgreSQL behind. Connections to it are not encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Behind {
    /// Name or address
    pub host: String,
    /// Its port
    pub port: u16,
    /// Superuser, with whom side connections (history rows) are opened
    pub superuser: String,
    /// The superuser's password, where the server asks for one
    pub password: Option<String>,
}

impl fmt::Debug for Behind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}:{}", self.superuser, self.host, self.port)
    }
}

impl Behind {
    /// On 127.0.0.1, with a superuser who needs no password.
    pub fn trusted(port: u16, superuser: &str) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port,
            superuser: superuser.to_owned(),
            password: None,
        }
    }

    /// How the superuser connects to `database`.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.superuser)
            .dbname(database)
            .connect_timeout(PATIENCE);
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let mut behind = Behind::trusted(5432, "postgres");
        behind.password = Some("hunter2".to_owned());
        assert_eq!(format!("{behind:?}"), "postgres@127.0.0.1:5432");
    }
}
