use super::*;

fn table() -> TableName {
    TableName {
        schema: "public".to_owned(),
        table: "events".to_owned(),
    }
}
