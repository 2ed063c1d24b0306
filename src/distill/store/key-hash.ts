import { hash } from 'node:crypto';

/** What a row says of its sample: the first eight bytes of SHA-256 of the key's UTF-8, little-endian. */
export function keyHash(key: string): bigint {
  return hash('sha256', key, 'buffer').readBigUInt64LE(0);
}
