//! Echo until the end of the stream, with a protocol. `echo_streams` is the same server one layer above.
//!
//!     cargo run --release --example echo_protocol [ADDR]

mod serving;

use std::cell::OnceCell;
use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use waterwheel::{Protocol, Transport, get_running_loop};

#[derive(Default)]
struct Echo {
    transport: OnceCell<Rc<dyn Transport>>,
}

impl Echo {
    fn transport(&self) -> &dyn Transport {
        &**self.transport.get().expect("connection_made comes first")
    }
}

impl Protocol for Echo {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport); // it is called once
    }

    fn data_received(&self, data: &[u8]) {
        self.transport().write(data);
    }

    // While a peer does not read its echoes, nothing is read from it either, so memory stays bounded.

    fn pause_writing(&self) {
        self.transport().pause_reading();
    }

    fn resume_writing(&self) {
        self.transport().resume_reading();
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let server = get_running_loop().create_server(|| Rc::new(Echo::default()), address).await?;
    serving::serve(&server).await
}

fn main() -> ExitCode {
    env_logger::init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match waterwheel::run(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
