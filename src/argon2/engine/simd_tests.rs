use argon2::{AssociatedData, Params, ParamsBuilder};
use proptest::prelude::*;

use super::*;
use crate::argon2::engine::portable::Portable;

fn cost(memory: u32, passes: u32, lanes: u32, data: &[u8]) -> Params {
    let data = AssociatedData::new(data).unwrap();
    ParamsBuilder::new().m_cost(memory).t_cost(passes).p_cost(lanes).data(data).build().unwrap()
}

fn function<'a>(params: &'a Params, secret: &'a [u8]) -> Function<'a> {
    Function { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, secret }
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    assert_eq!(Simd::of(usize::MAX / 1024).err(), Some(HashError::Memory));
}

#[test]
fn a_thread_keeps_its_memory_and_gives_back_what_a_costlier_hash_took_t30() {
    let mut simd = Simd::of(64).unwrap();
    assert_eq!(simd.hasher.reserved_blocks(), 64);
    for memory in [8, 64, 65, 256, 64] {
        let params = cost(memory, 1, 1, &[]);
        simd.run(&function(&params, &[]), b"password", b"somesalt", &mut [0; 32]).unwrap();
        assert_eq!(simd.hasher.reserved_blocks(), 64, "{memory}");
    }
}

#[test]
fn what_cannot_be_hashed_is_an_error_as_it_is_without_the_feature() {
    let params = cost(64, 1, 1, &[]);
    let (mut simd, mut portable) = (Simd::of(64).unwrap(), Portable::of(64).unwrap());
    for (salt, length) in [(&b"7 bytes"[..], 32), (b"", 32), (b"somesalt", 3), (b"somesalt", 0)] {
        let mut output = [0; 32];
        let output = &mut output[..length];
        assert_eq!(simd.run(&function(&params, &[]), b"x", salt, output), Err(HashError::Unusable));
        assert_eq!(portable.run(&function(&params, &[]), b"x", salt, output), Err(HashError::Unusable));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_answers_as_the_portable_implementation_does(
        (memory, passes, lanes) in (1_u32..=5, 1_u32..=4).prop_flat_map(|(lanes, passes)| {
            (8 * lanes..=300, Just(passes), Just(lanes))
        }),
        algorithm in prop::sample::select(vec![Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id]),
        version in prop::sample::select(vec![Version::V0x10, Version::V0x13]),
        password in prop::collection::vec(any::<u8>(), 0..300),
        salt in prop::collection::vec(any::<u8>(), 8..48),
        secret in prop::collection::vec(any::<u8>(), 0..64),
        data in prop::collection::vec(any::<u8>(), 0..=32),
        length in 4_usize..=130,
        own in 8_usize..300,
    ) {
        let params = cost(memory, passes, lanes, &data);
        let function = Function { algorithm, version, params: &params, secret: &secret };
        let (mut simd, mut portable) = (Simd::of(own).unwrap(), Portable::of(own).unwrap());
        let mut outputs = [vec![0; length], vec![1; length]];
        let [one, other] = &mut outputs;
        simd.run(&function, &password, &salt, one).unwrap();
        portable.run(&function, &password, &salt, other).unwrap();
        prop_assert_eq!(&one, &other);
        // And once more in memory that was used.
        simd.run(&function, &password, &salt, other).unwrap();
        prop_assert_eq!(&one, &other);
    }
}
