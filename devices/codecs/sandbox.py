"""The JavaScript side of `devices.codecs.javascript`: run once in a new context, before any codec."""

import re

from devices.codecs.shims import SHIMS

_SOURCE = r"""
// The JavaScript side of devices/codecs/javascript.py: run once in a new context, before any codec. Its value is the one function
// by which Python speaks to the context; nothing of this file can be reached by a codec.
(function (limitNodes, limitCharacters, notANumber) {
  'use strict';
  const own = Reflect.ownKeys, apply = Reflect.apply, construct = Reflect.construct, drop = Reflect.deleteProperty;
  const proto = Object.getPrototypeOf, describe = Object.getOwnPropertyDescriptor, define = Object.defineProperty, freeze = Object.freeze;
  const parse = JSON.parse, stringify = JSON.stringify, finite = Number.isFinite, text = String, same = Object.is, make = Function;

  // ---- What would differ from run to run is taken away.
  for (const name of ['performance', 'WeakRef', 'FinalizationRegistry', 'queueMicrotask', 'SharedArrayBuffer', 'Atomics'])
    drop(globalThis, name);
  drop(Math, 'random');
  const quiet = () => undefined;
  globalThis.console = {log: quiet, info: quiet, warn: quiet, error: quiet, debug: quiet};

__SHIMS__
  // ---- Date: the clock stands at `now`, and every zone is UTC.
  let now = 0;
  const Real = Date, realParse = Date.parse, utc = Date.UTC, test = RegExp.prototype.test;
  const zoned = /(?:Z|[+-]\d\d:?\d\d|GMT|UTC)\s*(?:\(.*\))?$/i, dateOnly = /^\s*[+-]?\d{4,6}(?:-\d\d){0,2}\s*$/;
  const parseDate = (value) => {
    value = text(value);
    if (apply(test, zoned, [value]) || apply(test, dateOnly, [value])) return realParse(value);
    const iso = realParse(value + 'Z');
    return iso === iso ? iso : realParse(value + ' UTC');
  };
  const Fixed = function Date(...parts) {
    if (!new.target) return new Fixed().toUTCString();
    const [first] = parts;
    let at;
    if (parts.length === 0) at = now;
    else if (parts.length > 1) at = apply(utc, null, parts);
    else at = first instanceof Real ? first.getTime() : typeof first === 'string' ? parseDate(first) : first;
    return construct(Real, [at], new.target);
  };
  Fixed.prototype = Real.prototype;
  Fixed.now = () => now;
  Fixed.parse = parseDate;
  Fixed.UTC = utc;
  Real.prototype.constructor = Fixed;
  for (const part of ['FullYear', 'Month', 'Date', 'Day', 'Hours', 'Minutes', 'Seconds', 'Milliseconds'])
    for (const verb of ['get', 'set'])
      if (Real.prototype[verb + 'UTC' + part]) Real.prototype[verb + part] = Real.prototype[verb + 'UTC' + part];
  Real.prototype.getYear = function () { return this.getUTCFullYear() - 1900; };
  Real.prototype.getTimezoneOffset = () => 0;
  for (const name of ['toString', 'toLocaleString', 'toDateString', 'toLocaleDateString', 'toTimeString', 'toLocaleTimeString'])
    Real.prototype[name] = Real.prototype.toUTCString;
  globalThis.Date = Fixed;

  // ---- Every object of the language: from the global object, and from what only syntax reaches.
  const objects = [], known = new Set([globalThis]);
  const walk = (object) => {
    if ((typeof object !== 'object' && typeof object !== 'function') || object === null) return;
    if (!known.has(object)) {
      known.add(object);
      objects.push(object);
    } else if (object !== globalThis) return;
    walk(proto(object) === globalThis ? null : proto(object));
    for (const key of own(object)) {
      if (object === globalThis && key === 'globalThis') continue;
      const found = describe(object, key);
      walk(found.value); walk(found.get); walk(found.set);
    }
  };
  const snapshot = () => objects.map((object) => own(object).map((key) => [key, describe(object, key)]));
  let before = null;
  const survey = () => {
    walk(globalThis);
    for (const object of [function* () {}, async function () {}, async function* () {}, [].values(), ''[Symbol.iterator](),
      new Map().keys(), new Set().keys(), 'a'.matchAll(/a/g), (function* () {})(), (async function* () {})()]) walk(object);
    before = snapshot();
  };

  // Did loading the codec leave all of them as they were? (Polyfills do not.)
  const untouched = () => {
    const after = snapshot();
    return before.every((list, i) => list.length === after[i].length && list.every(([key, {value, get}], j) =>
      key === after[i][j][0] && same(value, after[i][j][1].value) && same(get, after[i][j][1].get)));
  };

  // A frozen prototype would forbid objects to have a `toString`, a `name` … of their own: these become accessors that allow it.
  const overridable = (object) => {
    for (const key of own(object)) {
      const {value, configurable, writable} = describe(object, key);
      if (!configurable || !writable || value === undefined) continue;
      define(object, key, {
        get: freeze(() => value),
        set: freeze(function (mine) {
          if (this === object) throw new TypeError('the objects of the language cannot be changed');
          define(this, key, {value: mine, writable: true, enumerable: true, configurable: true});
        }),
        configurable: false,
      });
    }
  };
  const globalKeys = new Set(own(globalThis)), globalCount = globalKeys.size, globalProto = proto(globalThis);
  const seal = () => {
    for (const name of ['Object', 'Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'])
      overridable(globalThis[name].prototype);
    for (const object of objects) freeze(object);
    for (const key of globalKeys) {
      const found = describe(globalThis, key);
      if (found.configurable)
        define(globalThis, key, 'value' in found ? {writable: false, configurable: false} : {configurable: false});
    }
    before = null;
  };

  // What a message left among the globals is taken away. False when it resists: the context is given up.
  const tidy = () => {
    if (proto(globalThis) !== globalProto) return false;
    const keys = own(globalThis);
    if (keys.length === globalCount) return true;
    for (let i = 0; i < keys.length; i++)
      if (!globalKeys.has(keys[i]) && !drop(globalThis, keys[i])) return false;
    return own(globalThis).length === globalCount;
  };

  // ---- The codec: one function, run afresh for each message, so that its variables are those of one message.
  let codec = null, wanted = undefined;
  const buffers = freeze({Buffer: globalThis.Buffer});
  const require = freeze((name) => {
    if (name === 'buffer' || name === 'node:buffer') return buffers;
    throw new TypeError('there is no module ' + text(name) + ': a codec is one file');
  });
  const entry = () => {
    const module = {exports: {}};
    const found = apply(codec, undefined, [module, module.exports, wanted]);
    if (!found.module) return found;
    const {decodeUplink, Decode, Decoder} = found.module;
    if (typeof decodeUplink === 'function') return {decodeUplink};
    if (typeof Decode === 'function') return {Decode};
    return typeof Decoder === 'function' ? {Decoder} : null;
  };

  const run = (input, clock) => {
    now = clock;
    const found = entry(), given = parse(input);
    let data;
    if (found === null) throw new TypeError('it defines none of decodeUplink, Decode, Decoder');
    if (found.decodeUplink) {
      given.recvTime = new Fixed(clock);
      given.variables = {};
      const decodeUplink = found.decodeUplink, result = decodeUplink(given);
      if (result === null || typeof result !== 'object') return 'Xit returns ' + (result === null ? 'null' : typeof result);
      const errors = result.errors;
      if (typeof errors === 'string' && errors !== '') return 'E' + errors;
      if (typeof errors === 'object' && errors !== null && errors.length > 0) return 'E' + text(errors[0]);
      data = result.data;
      if (data === undefined || data === null) return 'Xits result has no `data`';
    } else if (found.Decode) {
      const Decode = found.Decode;
      data = Decode(given.fPort, given.bytes, {});
    } else {
      const Decoder = found.Decoder;
      data = Decoder(given.bytes, given.fPort);
    }
    if (data === null || typeof data !== 'object') return 'Xit returns ' + (data === null ? 'null' : typeof data);
    let nodes = 0;
    const json = stringify(data, (key, value) => {
      if (++nodes > limitNodes) throw new RangeError('its result holds more than ' + limitNodes + ' values');
      if (typeof value === 'number') return finite(value) ? value : notANumber;
      if (typeof value !== 'bigint') return value;
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : text(value);
    });
    if (json === undefined) return 'Xits result is nothing';
    if (json.length > limitCharacters) throw new RangeError('its result is longer than ' + limitCharacters + ' characters');
    return 'D' + json;
  };

  // run: one message; an answer in upper case says that the context may be used again. again: may it, after an error?
  return (what, given, clock) => {
    if (what === 'run') {
      let answer = null, reusable = false;
      try {
        answer = run(given, clock);
      } finally {
        reusable = tidy();
        if (!reusable) codec = null;
      }
      return reusable ? answer : answer[0].toLowerCase() + answer.slice(1);
    }
    if (what === 'again') return codec !== null;
    // load, reload: compile, run its top level once. Load says whether one context may serve message after message.
    if (what === 'load') survey();
    wanted = apply(test, /\brequire\(\s*['"](?:node:)?buffer['"]\s*\)/, [given]) ? require : undefined;
    codec = make('module', 'exports', 'require', given + '\n;return ' +
      "typeof decodeUplink === 'function' ? {decodeUplink} : typeof Decode === 'function' ? {Decode} : " +
      "typeof Decoder === 'function' ? {Decoder} : {module: module.exports};");
    if (what === 'reload') return false;
    freeze(codec);
    freeze(codec.prototype);
    if (entry() === null) throw new TypeError('it defines none of decodeUplink, Decode, Decoder');
    const clean = untouched() && tidy();
    if (clean) seal();
    return clean;
  };
})
"""

_TAKEN_FOR_GRANTED = re.compile(r"\b(?:Buffer|TextDecoder|TextEncoder)\b")
_WITHOUT, _WITH = (_SOURCE.replace("__SHIMS__", shims) for shims in ("", SHIMS))


def source_for(codec: str) -> str:
    """What is run before this codec: the sandbox, and where the codec names one of them, what it takes for granted (0.4 ms)."""
    return _WITH if _TAKEN_FOR_GRANTED.search(codec) else _WITHOUT
