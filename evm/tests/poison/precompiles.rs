//! Poison made of precompiled contracts, each with the input that costs it most.

use super::Poison;
use super::asm::{Asm, forever};
use alloy_eips::eip4844::{
    c_kzg::{Blob, Bytes32},
    env_settings::EnvKzgSettings,
    kzg_to_versioned_hash,
};
use alloy_primitives::{U256, hex};

const BN_G2: [u8; 128] = hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);
const BLS_G1: [u8; 96] = hex!(
    "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
);
const BLS_G2: [u8; 192] = hex!(
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
    "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
);
const P256_G: [u8; 64] = hex!(
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
);

/// Field elements of BLS12-381 padded to 64 bytes.
fn padded(point: &[u8]) -> Vec<u8> {
    point.chunks(48).flat_map(|element| [&[0; 16], element].concat()).collect()
}

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

/// Calls of a precompile with this input, over and over.
fn calls(name: &'static str, address: u64, input: Vec<u8>) -> Poison {
    let body = Asm::new().static_call(address, input.len() as u64);
    Poison::code(name, forever(Asm::new().input_to_memory(), body)).with_input(input)
}

/// `base^exponent mod modulus`, all ones but for the modulus's last byte.
fn power(name: &'static str, size: usize, exponent: &[u8], last: u8) -> Poison {
    let sizes = [word(size as u64), word(exponent.len() as u64), word(size as u64)].concat();
    let mut modulus = vec![0xff; size];
    modulus[size - 1] = last;
    calls(name, 5, [sizes, vec![0xff; size], exponent.to_vec(), modulus].concat())
}

fn hashes() -> Vec<Poison> {
    // EIP-152: rounds, state, message, offsets, final flag.
    let blake = |rounds: u32| [&rounds.to_be_bytes()[..], &[0x5a; 64 + 128 + 16], &[1]].concat();
    vec![
        calls("SHA-256 of nothing", 2, Vec::new()),
        calls("SHA-256", 2, vec![0x11; 8_192]),
        calls("RIPEMD-160", 3, vec![0x11; 8_192]),
        calls("identity of nothing", 4, Vec::new()),
        calls("identity", 4, vec![0x11; 16_384]),
        calls("BLAKE2 in short", 9, blake(12)),
        calls("BLAKE2 at length", 9, blake(1 << 20)),
    ]
}

fn powers() -> Vec<Poison> {
    let full = [0xff; 32];
    let mut top = [0; 32];
    top[0] = 0x80;
    vec![
        power("powers of a word", 32, &full, 0xff),
        power("powers of a word, even", 32, &full, 0xfe),
        power("cheapest powers", 32, &[0xff, 0xff], 0xff),
        power("powers of 64 bytes", 64, &full, 0xff),
        power("powers of 128 bytes", 128, &full, 0xff),
        power("powers of 200 bytes", 200, &full, 0xff),
        power("powers of 256 bytes", 256, &full, 0xff),
        power("powers of 256 bytes, even", 256, &full, 0xfe),
        power("powers of 512 bytes", 512, &[0xff; 8], 0xff),
        power("powers of 1,024 bytes", 1_024, &full, 0xff),
        power("powers of 1,024 bytes, even", 1_024, &full, 0xfe),
        power("squares of 1,024 bytes", 1_024, &[3], 0xff),
        power("squares of 1,024 bytes, even", 1_024, &[2], 0xfe),
        power("long powers of a word", 32, &[0xff; 1_024], 0xff),
        power("sparse powers", 256, &top, 0xff),
    ]
}

fn signatures() -> Vec<Poison> {
    // A valid x for secp256k1, and numbers below n.
    let recover = [
        &[0x5a; 32][..],
        &word(27),
        &hex!("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
        &[0x3b; 32],
    ];
    let verify = [&[0x5a; 32][..], &[0x3a; 32], &[0x3b; 32], &P256_G];
    vec![calls("key recoveries", 1, recover.concat()), calls("P-256 verifications", 0x100, verify.concat())]
}

fn bn254() -> Vec<Poison> {
    let g1 = [word(1), word(2)].concat();
    let pairing = |pairs: usize| [&g1[..], &BN_G2].concat().repeat(pairs);
    // 1·G + 2·G: two different points.
    let double = hex!(
        "030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3"
        "15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4"
    );
    vec![
        calls("BN254 additions", 6, [&g1[..], &double].concat()),
        calls("BN254 multiplications", 7, [&g1[..], &[0xff; 32]].concat()),
        calls("BN254 pairings of none", 8, Vec::new()),
        calls("BN254 pairings of one", 8, pairing(1)),
        calls("BN254 pairings of four", 8, pairing(4)),
        calls("BN254 pairings of forty", 8, pairing(40)),
    ]
}

fn bls12_381() -> Vec<Poison> {
    let (g1, g2) = (padded(&BLS_G1), padded(&BLS_G2));
    let scalar = [0x73; 32];
    let msm = |point: &[u8], count: usize| [point, &scalar].concat().repeat(count);
    let pairing = |pairs: usize| [&g1[..], &g2].concat().repeat(pairs);
    let element = [&[0; 16][..], &[0x11; 48]].concat();
    vec![
        calls("G1 additions", 0x0b, [&g1[..], &g1].concat()),
        calls("G1 sums of one", 0x0c, msm(&g1, 1)),
        calls("G1 sums of 16", 0x0c, msm(&g1, 16)),
        calls("G1 sums of 128", 0x0c, msm(&g1, 128)),
        calls("G2 additions", 0x0d, [&g2[..], &g2].concat()),
        calls("G2 sums of one", 0x0e, msm(&g2, 1)),
        calls("G2 sums of 16", 0x0e, msm(&g2, 16)),
        calls("G2 sums of 64", 0x0e, msm(&g2, 64)),
        calls("pairings of one", 0x0f, pairing(1)),
        calls("pairings of eight", 0x0f, pairing(8)),
        calls("maps to G1", 0x10, element.clone()),
        calls("maps to G2", 0x11, element.repeat(2)),
    ]
}

/// A proof that holds: one that fails takes all the gas it is given.
fn blob_proofs() -> Poison {
    let settings = EnvKzgSettings::Default.get();
    let blob = Blob::new(std::array::from_fn(|at| if at % 32 == 0 { 0 } else { at as u8 }));
    let point = Bytes32::new(word(77));
    let commitment = settings.blob_to_kzg_commitment(&blob).unwrap().to_bytes();
    let (proof, value) = settings.compute_kzg_proof(&blob, &point).unwrap();
    let hash = kzg_to_versioned_hash(commitment.as_slice());
    let proof = proof.to_bytes();
    let input = [hash.as_slice(), point.as_slice(), value.as_slice(), commitment.as_slice(), proof.as_slice()];
    calls("blob proofs", 0x0a, input.concat())
}

pub(super) fn all() -> Vec<Poison> {
    [hashes(), powers(), signatures(), bn254(), bls12_381(), vec![blob_proofs()]].concat()
}
