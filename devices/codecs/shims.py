"""What makers' codecs take for granted beside the language itself: Buffer (as Node and ChirpStack have it), TextEncoder, TextDecoder.

Only what codecs use: reading numbers and texts out of bytes. `sandbox.source_for` puts it before codecs that name one of them.
"""

SHIMS = r"""
  // ---- Buffer: bytes that can be read as numbers and texts.
  const hexDigits = '0123456789abcdef';
  const fromText = (said, form) => {
    const bytes = [];
    if (form === 'hex') {
      for (let i = 0; i + 1 < said.length; i += 2) {
        const byte = parseInt(said.slice(i, i + 2), 16);
        if (!(byte >= 0)) break;
        bytes.push(byte);
      }
      return bytes;
    }
    if (form === 'base64' || form === 'base64url') said = atob(said.replace(/-/g, '+').replace(/_/g, '/').replace(/[^A-Za-z0-9+/]/g, ''));
    else if (form !== 'latin1' && form !== 'binary' && form !== 'ascii') said = unescape(encodeURIComponent(said));
    for (let i = 0; i < said.length; i++) bytes.push(said.charCodeAt(i) & 255);
    return bytes;
  };
  const toText = (bytes, form) => {
    let said = '';
    if (form === 'hex') {
      for (let i = 0; i < bytes.length; i++) said += hexDigits[bytes[i] >> 4] + hexDigits[bytes[i] & 15];
      return said;
    }
    for (let i = 0; i < bytes.length; i++) said += String.fromCharCode(form === 'ascii' ? bytes[i] & 127 : bytes[i]);
    if (form === 'base64') return btoa(said);
    if (form === 'latin1' || form === 'binary' || form === 'ascii') return said;
    try {
      return decodeURIComponent(escape(said));
    } catch (error) {
      return said.replace(/[\x80-\xff]/g, '\ufffd');
    }
  };
  const plainForm = (form) => (form === undefined || form === null ? 'utf8' : String(form).toLowerCase());
  class Buffer extends Uint8Array {
    static from(given, form, length) {
      if (typeof given === 'string') return new Buffer(fromText(given, plainForm(form)));
      if (given instanceof ArrayBuffer) return new Buffer(given, form, length);
      return new Buffer(Array.from(given && given.type === 'Buffer' ? given.data : given, (byte) => byte & 255));
    }
    static alloc(size, fill) { return new Buffer(size).fill(fill === undefined ? 0 : fill); }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(given) { return given instanceof Buffer; }
    static byteLength(said, form) { return fromText(String(said), plainForm(form)).length; }
    static concat(parts) { return new Buffer([].concat(...parts.map((part) => Array.from(part)))); }
    constructor(given, form, length) {
      if (typeof given === 'string') super(fromText(given, plainForm(form)));
      else if (given instanceof ArrayBuffer) super(given, form || 0, length);
      else super(given);
    }
    toString(form, from, to) { return toText(this.subarray(from || 0, to === undefined ? this.length : to), plainForm(form)); }
    toJSON() { return {type: 'Buffer', data: Array.from(this)}; }
    equals(other) { return this.length === other.length && this.every((byte, i) => byte === other[i]); }
    slice(from, to) { return this.subarray(from, to); }
    copy(target, at, from, to) {
      const part = this.subarray(from || 0, to === undefined ? this.length : to);
      target.set(part.subarray(0, target.length - (at || 0)), at || 0);
      return part.length;
    }
    readUIntBE(at, size) {
      let found = 0;
      for (let i = 0; i < size; i++) found = found * 256 + byteAt(this, at + i);
      return found;
    }
    readUIntLE(at, size) {
      let found = 0;
      for (let i = size - 1; i >= 0; i--) found = found * 256 + byteAt(this, at + i);
      return found;
    }
    readIntBE(at, size) { return signed(this.readUIntBE(at, size), size); }
    readIntLE(at, size) { return signed(this.readUIntLE(at, size), size); }
  }
  const byteAt = (bytes, at) => {
    if (!(at >= 0 && at < bytes.length)) throw new RangeError('byte ' + at + ' of ' + bytes.length);
    return bytes[at];
  };
  const signed = (found, size) => (found >= 2 ** (8 * size - 1) ? found - 2 ** (8 * size) : found);
  for (const [name, size] of [['Int8', 1], ['Int16', 2], ['Int32', 4], ['Float', 4], ['Double', 8], ['BigInt64', 8]])
    for (const unsigned of name.includes('Int') ? ['', 'U'] : [''])
      for (const order of size === 1 ? [''] : ['BE', 'LE']) {
        const full = name.startsWith('Big') ? 'Big' + unsigned + name.slice(3) : unsigned + name;
        const view = {Float: 'Float32', Double: 'Float64', BigUInt64: 'BigUint64'}[full] || full.replace('UInt', 'Uint');
        const on = (bytes, at) => {
          if (!(at >= 0 && at + size <= bytes.length)) throw new RangeError('bytes ' + at + ' to ' + (at + size) + ' of ' + bytes.length);
          return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        };
        const read = function (at) { at = at || 0; return on(this, at)['get' + view](at, order === 'LE'); };
        const write = function (value, at) { at = at || 0; on(this, at)['set' + view](at, value, order === 'LE'); return at + size; };
        for (const called of [full, full.replace('UInt', 'Uint')]) {
          define(Buffer.prototype, 'read' + called + order, {value: read, writable: true, configurable: true});
          define(Buffer.prototype, 'write' + called + order, {value: write, writable: true, configurable: true});
        }
      }
  for (const name of ['UIntBE', 'UIntLE'])
    define(Buffer.prototype, 'read' + name.replace('UI', 'Ui'),
      {value: Buffer.prototype['read' + name], writable: true, configurable: true});
  globalThis.Buffer = Buffer;
  globalThis.TextDecoder = class TextDecoder {
    constructor(form) { this.encoding = plainForm(form).replace('utf8', 'utf-8'); }
    decode(bytes) {
      if (bytes === undefined) return '';
      return toText(new Uint8Array(bytes.buffer || bytes, bytes.byteOffset || 0, bytes.byteLength), this.encoding);
    }
  };
  globalThis.TextEncoder = class TextEncoder {
    encode(said) { return new Uint8Array(fromText(said === undefined ? '' : String(said), 'utf8')); }
  };
"""
