/**
 * A memory fence for the kernel, as a WebAssembly module of one function written by hand.
 * AssemblyScript 0.28.19's optimizer removes `atomic.fence()` from what it compiles (0.28.20
 * encodes it wrongly), but it must keep a call to an import. Only CPUs that reorder loads (ARM)
 * call it; see engine/kernel/lock.ts.
 */
const MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version 1
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00], // types: () -> ()
  ...[0x03, 0x02, 0x01, 0x00], // functions: one of type 0
  ...[0x07, 0x09, 0x01, 0x05, 0x66, 0x65, 0x6e, 0x63, 0x65, 0x00, 0x00], // export: "fence", 0
  ...[0x0a, 0x07, 0x01, 0x05, 0x00, 0xfe, 0x03, 0x00, 0x0b], // code: no locals; atomic.fence; end
);

/**
 * The exported WebAssembly function itself, so that the kernel's call to it never enters
 * JavaScript.
 */
export const fence = new WebAssembly.Instance(new WebAssembly.Module(MODULE)).exports
  .fence as () => void;
