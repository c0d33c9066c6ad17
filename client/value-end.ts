/** Measures a msgpack value without decoding it. */

/**
 * Where the value that begins at `at` ends. Counts the values still to come instead of recursing,
 * so that no nesting can exhaust the stack.
 * @throws RangeError when the bytes are not msgpack or end too soon
 */
export function valueEnd(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let left = 1; left > 0; left--) {
    const tag = bytes[at];
    if (tag === undefined) throw endError();
    at++;
    if (tag < 0x80 || tag >= 0xe0) continue;
    if (tag < 0x90) left += (tag & 0x0f) * 2;
    else if (tag < 0xa0) left += tag & 0x0f;
    else if (tag < 0xc0) at += tag & 0x1f;
    else if (tag === 0xc1) throw new RangeError('0xc1 begins no msgpack value');
    else if (tag >= 0xdc) {
      const wide = (tag & 1) === 1;
      const items = wide ? view.getUint32(at) : view.getUint16(at);
      left += tag >= 0xde ? items * 2 : items;
      at += wide ? 4 : 2;
    } else at += flatBytes(tag, view, at);
  }
  if (at > bytes.length) throw endError();
  return at;
}

/** Bytes behind the tag, for the values from 0xc0 on that hold no other values. */
function flatBytes(tag: number, view: DataView, at: number): number {
  switch (tag) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return 0;
    case 0xc4:
    case 0xd9:
      return 1 + view.getUint8(at);
    case 0xc5:
    case 0xda:
      return 2 + view.getUint16(at);
    case 0xc6:
    case 0xdb:
      return 4 + view.getUint32(at);
    case 0xc7:
      return 2 + view.getUint8(at);
    case 0xc8:
      return 3 + view.getUint16(at);
    case 0xc9:
      return 5 + view.getUint32(at);
    case 0xca:
    case 0xce:
    case 0xd2:
      return 4;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 8;
    case 0xcc:
    case 0xd0:
      return 1;
    case 0xcd:
    case 0xd1:
      return 2;
    default:
      // 0xd4 to 0xd8: a type and 1, 2, 4, 8 or 16 bytes.
      return 1 + (1 << (tag - 0xd4));
  }
}

export function endError(): RangeError {
  return new RangeError('the bytes end inside a value');
}
