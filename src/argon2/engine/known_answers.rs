//! Hashes that are known, to look at before the first password: what a processor or a compiler gets wrong in them must not
//! become the hash of a user.

use argon2::{Algorithm, AssociatedData, ParamsBuilder, Version};
use subtle::ConstantTimeEq as _;

use super::{Engine, Function};
use crate::argon2::parameters::OUTPUT;

/// One of RFC 9106 section 5, or of the tests of the reference implementation.
struct Known {
    algorithm: Algorithm,
    version: Version,
    memory: u32,
    passes: u32,
    lanes: u32,
    inputs: Inputs,
    tag: [u8; OUTPUT],
}

struct Inputs {
    password: &'static [u8],
    salt: &'static [u8],
    secret: &'static [u8],
    data: &'static [u8],
}

/// Those of RFC 9106.
const RFC: Inputs = Inputs { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], data: &[4; 12] };
/// Those of the reference implementation.
const REFERENCE: Inputs = Inputs { password: b"password", salt: b"somesalt", secret: &[], data: &[] };

const ANSWERS: [Known; 5] = [
    of_rfc(
        Algorithm::Argon2d,
        [
            0x51, 0x2b, 0x39, 0x1b, 0x6f, 0x11, 0x62, 0x97, 0x53, 0x71, 0xd3, 0x09, 0x19, 0x73, 0x42, 0x94, 0xf8, 0x68,
            0xe3, 0xbe, 0x39, 0x84, 0xf3, 0xc1, 0xa1, 0x3a, 0x4d, 0xb9, 0xfa, 0xbe, 0x4a, 0xcb,
        ],
    ),
    of_rfc(
        Algorithm::Argon2i,
        [
            0xc8, 0x14, 0xd9, 0xd1, 0xdc, 0x7f, 0x37, 0xaa, 0x13, 0xf0, 0xd7, 0x7f, 0x24, 0x94, 0xbd, 0xa1, 0xc8, 0xde,
            0x6b, 0x01, 0x6d, 0xd3, 0x88, 0xd2, 0x99, 0x52, 0xa4, 0xc4, 0x67, 0x2b, 0x6c, 0xe8,
        ],
    ),
    of_rfc(
        Algorithm::Argon2id,
        [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0, 0x1e,
            0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
        ],
    ),
    of_reference(
        Algorithm::Argon2i,
        Version::V0x10,
        [
            0xfd, 0x4d, 0xd8, 0x3d, 0x76, 0x2c, 0x49, 0xbd, 0xea, 0xf5, 0x7c, 0x47, 0xbd, 0xcd, 0x0c, 0x2f, 0x1b, 0xab,
            0xf8, 0x63, 0xfd, 0xeb, 0x49, 0x0d, 0xf6, 0x3e, 0xde, 0x99, 0x75, 0xfc, 0xcf, 0x06,
        ],
    ),
    of_reference(
        Algorithm::Argon2id,
        Version::V0x13,
        [
            0x9d, 0xfe, 0xb9, 0x10, 0xe8, 0x0b, 0xad, 0x03, 0x11, 0xfe, 0xe2, 0x0f, 0x9c, 0x0e, 0x2b, 0x12, 0xc1, 0x79,
            0x87, 0xb4, 0xca, 0xc9, 0x0c, 0x2e, 0xf5, 0x4d, 0x5b, 0x30, 0x21, 0xc6, 0x8b, 0xfe,
        ],
    ),
];

const fn of_rfc(algorithm: Algorithm, tag: [u8; OUTPUT]) -> Known {
    Known { algorithm, version: Version::V0x13, memory: 32, passes: 3, lanes: 4, inputs: RFC, tag }
}

const fn of_reference(algorithm: Algorithm, version: Version, tag: [u8; OUTPUT]) -> Known {
    Known { algorithm, version, memory: 256, passes: 2, lanes: 1, inputs: REFERENCE, tag }
}

/// Whether the engine gives each known answer; some 0.5 ms.
pub(in crate::argon2) fn answers_are_right(engine: &mut dyn Engine) -> bool {
    ANSWERS.iter().all(|known| known.is_given_by(engine))
}

impl Known {
    fn is_given_by(&self, engine: &mut dyn Engine) -> bool {
        let Inputs { password, salt, secret, data } = self.inputs;
        let Ok(data) = AssociatedData::new(data) else { return false };
        let cost = ParamsBuilder::new().m_cost(self.memory).t_cost(self.passes).p_cost(self.lanes).data(data).build();
        let Ok(params) = cost else { return false };
        let function = Function { algorithm: self.algorithm, version: self.version, params: &params, secret };
        let mut output = [0; OUTPUT];
        engine.run(&function, password, salt, &mut output).is_ok() && output.ct_eq(&self.tag).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argon2::engine::Chosen;
    use crate::argon2::engine::portable::Portable;
    use crate::argon2::error::HashError;

    /// One that hashes another function than it is asked for.
    struct Wrong(Portable, fn(&mut Function<'_>));

    impl Engine for Wrong {
        fn of(blocks: usize) -> Result<Self, HashError> {
            Portable::of(blocks).map(|portable| Self(portable, |_| {}))
        }

        fn run(
            &mut self,
            function: &Function<'_>,
            password: &[u8],
            salt: &[u8],
            output: &mut [u8],
        ) -> Result<(), HashError> {
            let mut other = *function;
            (self.1)(&mut other);
            self.0.run(&other, password, salt, output)
        }
    }

    #[test]
    fn each_implementation_gives_the_known_answers_whatever_memory_it_owns() {
        for blocks in [8, 32, 1024] {
            assert!(answers_are_right(&mut Portable::of(blocks).unwrap()));
            assert!(answers_are_right(&mut Chosen::of(blocks).unwrap()));
        }
    }

    #[test]
    fn one_that_gets_a_single_input_wrong_is_found() {
        let faults: [fn(&mut Function<'_>); 4] = [
            |function| function.secret = &[],
            |function| function.version = Version::V0x13,
            |function| function.algorithm = Algorithm::Argon2id,
            |function| {
                if function.algorithm == Algorithm::Argon2id {
                    function.algorithm = Algorithm::Argon2i;
                }
            },
        ];
        let mut wrong = Wrong::of(64).unwrap();
        assert!(answers_are_right(&mut wrong));
        for fault in faults {
            wrong.1 = fault;
            assert!(!answers_are_right(&mut wrong));
        }
    }
}
