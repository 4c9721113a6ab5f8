// Addresses and prefixes, as text and as numbers.
//
// An address is { v6, bits }, a prefix { v6, bits, length } whose host bits are
// zero; `bits` is a BigInt of 32 or 128 bits.

export const width = (v6) => (v6 ? 128 : 32);

const hostBits = (prefix) => (1n << BigInt(width(prefix.v6) - prefix.length)) - 1n;

/** The last address of a prefix, as bits. */
export const last = (prefix) => prefix.bits | hostBits(prefix);

/** Whether an address, or a prefix, is part of a prefix. */
export function contains(prefix, other) {
  const end = other.length === undefined ? other.bits : last(other);
  return other.v6 === prefix.v6 && other.bits >= prefix.bits && end <= last(prefix);
}

export const overlap = (a, b) => contains(a, b) || contains(b, a);

function parseIpv4(text) {
  const parts = text.split(".");
  const valid = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  return valid ? parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n) : undefined;
}

function parseIpv6(text) {
  const halves = text.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - halves.flat().length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const groups = halves.length === 2 ? [...halves[0], ...Array(missing).fill("0"), ...halves[1]] : halves[0];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

/** Reads an address; undefined if it is none. */
export function parseAddress(text) {
  const v6 = text.includes(":");
  const bits = v6 ? parseIpv6(text) : parseIpv4(text);
  return bits === undefined ? undefined : { v6, bits };
}

/** Reads a prefix without host bits; undefined if it is none. */
export function parsePrefix(text) {
  const [, address, digits] = /^([^/]*)\/(\d{1,3})$/.exec(text) ?? [];
  const read = address === undefined ? undefined : parseAddress(address);
  if (!read || Number(digits) > width(read.v6)) return undefined;
  const prefix = { ...read, length: Number(digits) };
  return (prefix.bits & hostBits(prefix)) === 0n ? prefix : undefined;
}

/** The parts of an address: four bytes, or eight groups. */
export function parts({ v6, bits }) {
  const [count, size] = v6 ? [8, 16] : [4, 8];
  return Array.from({ length: count }, (_, i) => Number(BigInt.asUintN(size, bits >> BigInt(size * (count - 1 - i)))));
}

/** An address of its parts. */
export function fromParts(v6, numbers) {
  const size = v6 ? 16n : 8n;
  return { v6, bits: numbers.reduce((bits, part) => (bits << size) | BigInt(part), 0n) };
}

/** An address as text. IPv6 has all its groups: nobody reads it but this driver. */
export const formatAddress = (address) =>
  address.v6 ? parts(address).map((part) => part.toString(16)).join(":") : parts(address).join(".");

export const formatPrefix = (prefix) => `${formatAddress(prefix)}/${prefix.length}`;

/**
 * The answer, if all its numbers are numbers. The engine traps on a BigInt where
 * the contract has a number, and does not say so.
 */
export function numbers(answer, path = "answer") {
  if (typeof answer === "bigint") throw new TypeError(`${path} is a BigInt, and not a number: use Number()`);
  if (typeof answer === "object" && answer !== null) {
    for (const [key, value] of Object.entries(answer)) numbers(value, `${path}.${key}`);
  }
  return answer;
}
