//! Real servers for tests, each in a folder and on a port of its own.
//!
//! A server ends with the process that started it, however that ends: it is a child of a shell that waits for the
//! end of its standard input, and the other end of that pipe is here.

#![allow(dead_code, unused_imports, reason = "each test program uses its own part of this")]

mod cutting_proxy;
mod faulty_s3;
mod minio;
mod moto;
mod postgres;
mod process;
mod redis;
pub(crate) mod s3;
mod seaweedfs;

pub(crate) use cutting_proxy::CuttingProxy;
pub(crate) use faulty_s3::FaultyS3;
pub(crate) use minio::Minio;
pub(crate) use moto::Moto;
pub(crate) use postgres::Postgres;
pub(crate) use process::free_port;
pub(crate) use redis::Redis;
pub(crate) use seaweedfs::SeaweedFs;
