//! The protocol holds: every history of the short searches is as it should be.

use load_model::searches::Size::Short;
use load_model::searches::{self};
use load_model::{LoadProtocol, setting::Setting};

fn holds(setting: Setting) {
    let found = LoadProtocol::new(setting).search();
    assert!(found.wrong.is_empty(), "{}", found.wrong.concat());
}

#[test]
fn x() {
    holds(searches::append(Short));
}
