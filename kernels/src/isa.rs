//! Which instruction set runs: found out once, overridden by `HORNPIPE_ISA`.
//!
//! An [`Isa`] is a token: the only ways to get one are [`Isa::detect`], [`Isa::available`] and
//! [`Isa::by_name`], and none of them hands out an instruction set that the processor lacks. A kernel
//! that takes an `Isa` may therefore use its instructions. [`Isa::run`] is the only place where code
//! is compiled for more than the build target's baseline.

use crate::simd::{Kernel, Scalar, Simd};
use std::fmt;

/// The environment variable that forces an instruction set.
pub const ISA_VARIABLE: &str = "HORNPIPE_ISA";

/// An instruction set that this processor has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(crate::simd::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(crate::simd::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(crate::simd::Neon),
}

/// Why an instruction set was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsaError {
    /// Not a name that Hornpipe knows.
    Unknown(String),
    /// A known name, but this processor (or this build's architecture) lacks it.
    Missing(String),
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = Isa::available().iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ");
        match self {
            IsaError::Unknown(name) => {
                write!(f, "{ISA_VARIABLE}={name} is no instruction set; this machine has {here}")
            }
            IsaError::Missing(name) => {
                write!(f, "{ISA_VARIABLE}={name} is forced, but this machine has only {here}")
            }
        }
    }
}

impl std::error::Error for IsaError {}

impl Isa {
    /// Plain Rust, one number at a time; every machine has it.
    pub const SCALAR: Isa = Isa(Kind::Scalar);

    /// All that this machine has, the slowest first.
    pub fn available() -> Vec<Isa> {
        let mut all = vec![Isa::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(crate::simd::Avx2::new().map(|token| Isa(Kind::Avx2(token))));
            all.extend(crate::simd::Avx512::new().map(|token| Isa(Kind::Avx512(token))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(crate::simd::Neon::new().map(|token| Isa(Kind::Neon(token))));
        all
    }

    /// The fastest that this machine has.
    pub fn best() -> Isa {
        Isa::available().pop().unwrap_or(Isa::SCALAR)
    }

    /// The one with this name: `scalar`, `avx2`, `avx512` or `neon`.
    ///
    /// # Errors
    /// Where the name is unknown, or this machine lacks it.
    pub fn by_name(name: &str) -> Result<Isa, IsaError> {
        if !["scalar", "avx2", "avx512", "neon"].contains(&name) {
            return Err(IsaError::Unknown(name.to_string()));
        }
        Isa::available()
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| IsaError::Missing(name.to_string()))
    }

    /// The one that `HORNPIPE_ISA` forces, else the fastest.
    ///
    /// # Errors
    /// Where the variable names an instruction set that is unknown or that this machine lacks.
    pub fn detect() -> Result<Isa, IsaError> {
        match std::env::var(ISA_VARIABLE) {
            Ok(name) if !name.is_empty() => Isa::by_name(&name),
            _ => Ok(Isa::best()),
        }
    }

    /// `scalar`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
        }
    }

    /// How many f32 a vector holds.
    pub fn lanes(self) -> usize {
        match self.0 {
            Kind::Scalar => Scalar::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => crate::simd::Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => crate::simd::Avx512::LANES,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => crate::simd::Neon::LANES,
        }
    }

    /// Runs a kernel, compiled for this instruction set.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => kernel.run(Scalar),
            // SAFETY: the token exists, so `Avx2::new` saw the features that the callee enables.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(token) => unsafe { run_avx2(token, kernel) },
            // SAFETY: the token exists, so `Avx512::new` saw the features that the callee enables.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(token) => unsafe { run_avx512(token, kernel) },
            // SAFETY: the token exists, so `Neon::new` saw the feature that the callee enables.
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(token) => unsafe { run_neon(token, kernel) },
        }
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(token: crate::simd::Avx2, kernel: K) -> K::Output {
    kernel.run(token)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn run_avx512<K: Kernel>(token: crate::simd::Avx512, kernel: K) -> K::Output {
    kernel.run(token)
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn run_neon<K: Kernel>(token: crate::simd::Neon, kernel: K) -> K::Output {
    kernel.run(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_what_is_available_and_nothing_else() {
        for isa in Isa::available() {
            assert_eq!(Isa::by_name(isa.name()), Ok(isa));
        }
        assert_eq!(Isa::by_name("sse9"), Err(IsaError::Unknown("sse9".into())));
        let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
        assert_eq!(Isa::by_name(foreign), Err(IsaError::Missing(foreign.into())));
    }

    #[test]
    fn lanes_are_what_a_register_holds() {
        for isa in Isa::available() {
            let expected = match isa.name() {
                "scalar" => 1,
                "neon" => 4,
                "avx2" => 8,
                _ => 16,
            };
            assert_eq!(isa.lanes(), expected);
        }
    }
}
