use super::super::SourceError;

/// By SQLSTATE (PostgreSQL's appendix A), and by its class where all of a class are alike.
impl From<sqlx::Error> for SourceError {
    fn from(error: sqlx::Error) -> Self {
        let Some(code) = error.as_database_error().and_then(|error| error.code()) else {
            return match error {
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnNotFound(_) => {
                    Self::Unusable(format!("the tables are not as this program made them: {error}"))
                }
                // The way to the server is broken, or all connections are busy.
                _ => Self::Unavailable(error.to_string()),
            };
        };
        match (&*code, code.get(..2).unwrap_or_default()) {
            // undefined_table
            ("42P01", _) => Self::Unusable("the database holds no results; run db-seeder first".to_owned()),
            // idle_in_transaction_session_timeout, idle_session_timeout: the session is gone.
            ("25P03" | "57P05", _) => Self::Unavailable(error.to_string()),
            // Connection exceptions, transactions rolled back, insufficient resources, lock not available, an
            // operator's intervention, system errors: all can be over the next time.
            (_, "08" | "40" | "53" | "55" | "57" | "58") => Self::Unavailable(error.to_string()),
            _ => Self::Unusable(error.to_string()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for SourceError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            sqlx::migrate::MigrateError::ExecuteMigration(error, version) => match Self::from(error) {
                Self::Unavailable(problem) => Self::Unavailable(problem),
                other => Self::Unusable(format!("migration {version}: {other}")),
            },
            other => Self::Unusable(other.to_string()),
        }
    }
}
