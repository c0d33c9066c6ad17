/**
 * What comes of a client's frame on a node of a cluster that came to a command which is not this
 * node's to run: a key of it is in a slot that the node does not serve.
 */
export class Elsewhere {
  /** The frame's id, and the replies to the commands in front of that one. */
  readonly reply: Uint8Array;
  /**
   * That command and all behind it, of which none was run. Where the frame has bytes that are no
   * msgpack, they are among these: nobody has looked at them yet.
   */
  readonly rest: Uint8Array;

  /** Both are the receiver's own, and stay as they are. */
  constructor(reply: Uint8Array, rest: Uint8Array) {
    this.reply = reply;
    this.rest = rest;
  }
}
