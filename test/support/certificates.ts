/**
 * Certificates for tests of TLS, made with what Node has: an authority, and for each node one that
 * the authority has signed. X.509 version 3 (RFC 5280) in DER, as little of it as OpenSSL takes.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const lengthBytes = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...lengthBytes), content]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const octets = (bytes: Uint8Array) => der(0x04, bytes);
const time = (text: string) => der(0x17, Buffer.from(text));

const COMMON_NAME = oid('550403');
const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'));
const BASIC_CONSTRAINTS = oid('551d13');
const SUBJECT_ALTERNATIVE_NAME = oid('551d11');
const TRUE = Buffer.of(0x01, 0x01, 0xff);

const nameOf = (text: string) =>
  sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(text)))));

export interface Certificate {
  /** PEM, both. */
  readonly cert: string;
  readonly key: string;
}

export class CertificateAuthority {
  /** PEM. */
  readonly cert: string;
  readonly #name: Buffer;
  readonly #key: KeyObject;

  constructor(name: string) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#name = nameOf(name);
    this.#key = privateKey;
    const isAuthority = sequence(BASIC_CONSTRAINTS, TRUE, octets(sequence(TRUE)));
    this.cert = this.#sign(this.#name, publicKey, isAuthority);
  }

  /** A certificate for whoever is reached at this IPv4 address, or under this name. */
  issue(host: string): Certificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const isIp = /^[0-9.]+$/.test(host);
    const bytes = isIp ? Buffer.from(host.split('.').map(Number)) : Buffer.from(host);
    const names = octets(sequence(der(isIp ? 0x87 : 0x82, bytes)));
    const cert = this.#sign(nameOf('node'), publicKey, sequence(SUBJECT_ALTERNATIVE_NAME, names));
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #sign(subject: Buffer, publicKey: KeyObject, extension: Buffer): string {
    const serial = randomBytes(8);
    // Positive, and not 0.
    serial[0] = (serial[0]! & 0x3f) | 0x40;
    const signed = sequence(
      der(0xa0, Buffer.of(0x02, 0x01, 0x02)),
      der(0x02, serial),
      ECDSA_WITH_SHA256,
      this.#name,
      sequence(time('200101000000Z'), time('491231235959Z')),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      der(0xa3, sequence(extension)),
    );
    const signature = der(0x03, Buffer.of(0), sign('sha256', signed, this.#key));
    const base64 = sequence(signed, ECDSA_WITH_SHA256, signature).toString('base64');
    return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  }
}
