//! The network of the operating system: the only module that makes sockets with socket2 and mio, and that calls
//! `getaddrinfo`.

mod acceptor;
mod datagrams;
mod dial;
mod directory_lock;
mod look_up;
mod pipe;
mod ready_socket;
mod socket;
mod unix_path;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::{future, io};

use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::port::{
    Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending, Ways,
};
use acceptor::SystemAcceptor;
use datagrams::DatagramSocket;

/// The operating system's sockets and pipes.
pub(crate) struct System;

impl Network for System {
    fn look_up<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        host: &'a str,
        port: u16,
        hints: Hints,
    ) -> Pending<'a, Vec<SocketAddr>> {
        Box::pin(look_up::look_up(event_loop, host, port, hints))
    }

    fn look_up_name<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        address: SocketAddr,
        flags: i32,
    ) -> Pending<'a, (String, String)> {
        Box::pin(look_up::look_up_name(event_loop, address, flags))
    }

    fn connect<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        to: &'a Address,
        from: &'a [SocketAddr],
    ) -> Pending<'a, Connected> {
        match to {
            Address::Inet(to) => Box::pin(dial::dial(event_loop, *to, from)),
            Address::Unix(name) => Box::pin(dial::dial_unix(name)),
        }
    }

    fn bind<'a>(
        &'a self,
        _event_loop: &'a LoopHandle,
        at: &'a Address,
        options: BindOptions,
    ) -> Pending<'a, Box<dyn Acceptor>> {
        match at {
            Address::Inet(at) => {
                let bound = SystemAcceptor::bind(*at, options);
                Box::pin(future::ready(bound.map(|acceptor| Box::new(acceptor) as Box<dyn Acceptor>)))
            }
            Address::Unix(_) => Box::pin(async move {
                let acceptor = SystemAcceptor::bind_unix(at, options).await?;
                Ok(Box::new(acceptor) as Box<dyn Acceptor>)
            }),
        }
    }

    fn open_datagrams<'a>(
        &'a self,
        _event_loop: &'a LoopHandle,
        options: DatagramOptions,
    ) -> Pending<'a, Rc<dyn DatagramConduit>> {
        Box::pin(async move { Ok(Rc::new(DatagramSocket::open(options).await?) as Rc<dyn DatagramConduit>) })
    }

    fn adopt_connection(&self, _event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Connected> {
        dial::adopt(socket.into())
    }

    fn adopt_listener(&self, _event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Box<dyn Acceptor>> {
        Ok(Box::new(SystemAcceptor::adopt(socket.into())?))
    }

    fn adopt_datagrams(&self, _event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Rc<dyn DatagramConduit>> {
        Ok(Rc::new(DatagramSocket::adopt(socket.into())?))
    }

    fn adopt_pipe(&self, event_loop: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Connected> {
        pipe::adopt(event_loop, pipe, ways)
    }
}
