"""Makers' JavaScript codecs: entry points, no state between messages, repeatable, bounded, and how each failure is said."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs import CodecModel, Stopped, compile_codec, javascript, patiently
from devices.codecs.javascript import CPU_SECONDS, MAX_BYTES
from devices.device_type import parse
from devices.loader import catalogue, shipped_types, with_codec
from devices.problems import ConfigError
from devices.rejection import Reason, Rejection

CODECS = Path(__file__).parents[2] / "data" / "codecs"


def codec(source: str) -> Any:
    return compile_codec(CodecModel.model_validate({"javascript": {"file": "codec.js", "source": source}}))


def uplink(body: str, before: str = "") -> Any:
    return codec(f"{before}\nfunction decodeUplink(input) {{ {body} }}")


def refused(body: str) -> Rejection:
    found = uplink(body)(b"\x01", 1)
    assert isinstance(found, Rejection)
    assert found.reason is Reason.CODEC_FAILED
    return found


@pytest.mark.parametrize(
    "source",
    [
        "function decodeUplink(input) { return {data: {sum: input.bytes[0] + input.bytes[1], port: input.fPort}}; }",
        "var decodeUplink = function (input) { return {data: {sum: input.bytes[0] + input.bytes[1], port: input.fPort}, errors: []}; }",
        "const decodeUplink = ({bytes, fPort}) => ({data: {sum: bytes[0] + bytes[1], port: fPort}, errors: null})",
        "decodeUplink = (input) => ({data: {sum: input.bytes[0] + input.bytes[1], port: input.fPort}, warnings: ['old']})",
        "function Decode(fPort, bytes, variables) { return {sum: bytes[0] + bytes[1], port: fPort}; }",
        "function Decoder(bytes, port) { return {sum: bytes[0] + bytes[1], port: port}; }",
        "module.exports = {decodeUplink(input) { return {data: {sum: input.bytes[0] + input.bytes[1], port: input.fPort}}; }}",
        "exports.Decode = (port, bytes) => ({sum: bytes[0] + bytes[1], port})",
        "'use strict'; class C { run(i) { return {data: {sum: i.bytes[0] + i.bytes[1], port: i.fPort}}; } }\n"
        "function decodeUplink(i) { return new C().run(i); } function Decode() { throw 1; }",
    ],
)
def test_entry_points(source: str) -> None:
    assert codec(source)(b"\x02\x03", 7) == {"sum": 5, "port": 7}


def test_a_port_that_is_not_known_is_null() -> None:
    read = uplink("return {data: {port: input.fPort}}")
    assert read(b"\x01", None) == read(b"\x01", -1) == {"port": None}


def test_results_are_pairs_under_paths() -> None:
    read = uplink("return {data: {a: {b: 1.5}, c: [1, {d: true}], 'e.f': 'x', u: undefined, f() {}, n: null, big: 10n, when: new Date(0)}}")
    assert read(b"", 1) == {
        "a.b": 1.5,
        "c[0]": 1,
        "c[1].d": True,
        "e.f": "x",
        "n": None,
        "big": 10,
        "when": "1970-01-01T00:00:00.000Z",
    }


def test_a_value_that_is_no_number_is_refused_alone() -> None:
    data = {**shipped_types()["elsys-elt-2"]}
    data["codec"] = {
        "javascript": {
            "file": "a.js",
            "source": "function decodeUplink() { return {data: {temperature: 0/0, humidity: 50, pressure: 1/0}} }",
        }
    }
    kind = parse(data, catalogue())
    assert kind.decode_raw is not None
    found = kind.decode_raw(b"\x01", ("x", "5"))
    assert [(value.parameter, value.value) for value in found.values] == [("rh", 50.0)]
    assert {(field.field, field.reason) for field in found.refused} == {
        ("temperature", Reason.OUT_OF_BOUNDS),
        ("pressure", Reason.OUT_OF_BOUNDS),
    }


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("throw new Error('too short')", "the codec failed: Error: too short"),
        ("throw 5", "5"),
        ("throw {toString() { throw 1 }}", "the codec failed"),
        ("return nothing.at.all", "nothing is not defined"),
        ("return 5", "it returns number"),
        ("return null", "it returns null"),
        ("return {}", "no `data`"),
        ("return {data: null}", "no `data`"),
        ("return {data: [1, 2]}", "an array, where an object is due"),
        ("return {data: 'x'}", "it returns string"),
        ("return {errors: ['unknown port', 'x']}", "the codec refuses the message: unknown port"),
        ("return {errors: 'unknown port', data: {a: 1}}", "unknown port"),
        ("var a = {}; a.a = a; return {data: a}", "circular"),
        ("return {data: {a: '\\ud800'}}", "no Unicode"),
        ("return {data: new Array(1e8)}", "more than 5000 values"),
        ("return {data: {a: 'x'.repeat(300000)}}", "longer than"),
        ("var d = {}; var e = d; for (var n = 0; n < 30; n++) e = e.x = {y: 1}; return {data: d}", "deeper than"),
        ("return {data: {a: {b: 1}, 'a.b': 2}}", "two values"),
        ("return {data: {get a() { throw new Error('late') }}}", "late"),
        ("return {data: Promise.resolve({a: 1})}.data", "no `data`"),
    ],
)
def test_failures_say_what_happened(body: str, says: str) -> None:
    found = refused(body)
    assert says in found.detail
    assert not isinstance(found, Stopped)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("while (true) {}", "30 ms"),
        ("for (;;) { try { while (true) {} } catch (e) {} }", "30 ms"),
        ("/(a+)+$/.test('a'.repeat(40) + 'b')", "30 ms"),
        ("Array.prototype.indexOf.call({length: 1e9}, 1)", "30 ms"),
        ("var a = []; while (true) a.push(new Array(1000).fill(1))", "memory"),
        ("'x'.repeat(2 ** 29)", "memory"),
        ("(function f() { f() })()", "without end"),
    ],
)
def test_bounds_stop_a_codec_and_say_so(body: str, says: str) -> None:
    begun = time.process_time()
    found = refused(body)
    assert isinstance(found, Stopped), "the outcome is not repeatable: the journal keeps it (semantics A2)"
    assert says in found.detail
    assert time.process_time() - begun < 10 * CPU_SECONDS


@pytest.mark.parametrize("start", ["", "Array.prototype.odd = 1;"], ids=["reused context", "a context for each message"])
def test_A2_what_was_read_once_is_read_again_on_a_slower_machine(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the limit is back afterwards."""
    work = "var n = 0; for (var i = 0; i < 1e5; i++) n += i % 7; return {data: {n: n}}"  # some 7 ms
    read = codec(f"{start} function decodeUplink(input) {{ if (input.bytes[0]) {{ {work} }} return {{data: {{n: 0}}}} }}")
    before = read(b"\1", 1)
    assert before == {"n": 299995}
    monkeypatch.setattr(javascript, "CPU_SECONDS", 0.002)
    assert isinstance(read(b"\1", 1), Stopped)
    with patiently():
        assert read(b"\1", 1) == before
    assert isinstance(read(b"\1", 1), Stopped)


def test_one_bad_message_stops_nothing_else() -> None:
    read = uplink(
        "if (input.bytes[0] === 9) while (true) {} if (input.bytes[0] === 8) throw new Error('no'); return {data: {a: input.bytes[0]}}"
    )
    for _ in range(3):
        assert [read(bytes([n]), 1) if n < 8 else read(bytes([n]), 1).reason for n in (1, 9, 2, 8, 3)] == [
            {"a": 1},
            Reason.CODEC_FAILED,
            {"a": 2},
            Reason.CODEC_FAILED,
            {"a": 3},
        ]


LEAKS = [
    "let n = 0; function decodeUplink() { return {data: {n: n++}} }",
    "var seen = {}; function decodeUplink(i) { seen[i.fPort] = (seen[i.fPort] || 0) + 1; return {data: {n: seen[i.fPort] - 1}} }",
    "function decodeUplink() { if (typeof n === 'undefined') n = 0; return {data: {n: n++}} }",
    "function decodeUplink() { globalThis.n = (globalThis.n || 0) + 1; return {data: {n: globalThis.n - 1}} }",
    "function decodeUplink() { this.n = (this.n || 0) + 1; return {data: {n: this.n - 1}} }",
    "function decodeUplink() { Object.defineProperty(globalThis, 'k', {value: (globalThis.k || 0) + 1}); return {data: {n: k - 1}} }",
    "function decodeUplink() { Array.prototype.n = (Array.prototype.n || 0) + 1; return {data: {n: ([].n || 1) - 1}} }",
    "function decodeUplink() { Math.n = (Math.n || 0) + 1; return {data: {n: (Math.n || 1) - 1}} }",
    "function decodeUplink() { decodeUplink.n = (decodeUplink.n || 0) + 1; return {data: {n: decodeUplink.n - 1}} }",
    "var f = arguments.callee; function decodeUplink() { f.n = (f.n || 0) + 1; return {data: {n: (f.n || 1) - 1}} }",
    "var f = arguments.callee.prototype; function decodeUplink() { f.n = (f.n || 0) + 1; return {data: {n: (f.n || 1) - 1}} }",
    "function decodeUplink() { (0, eval)('var q = (typeof q === \"number\" ? q : 0) + 1'); return {data: {n: q - 1}} }",
    "function decodeUplink() { Object.setPrototypeOf(globalThis, {n: (globalThis.n || 0) + 1}); return {data: {n: globalThis.n - 1}} }",
    "function decodeUplink() { Promise.resolve().then(() => { globalThis.n = 1 }); return {data: {n: globalThis.n || 0}} }",
    "var p = Object.getPrototypeOf(function* () {}); function decodeUplink() { p.n = (p.n || 0) + 1; return {data: {n: (p.n || 1) - 1}}}",
    "function decodeUplink() { const c = console; c.n = (c.n || 0) + 1; return {data: {n: (c.n || 1) - 1}} }",
    "if (![].tally) { let n = 0; Array.prototype.tally = () => n++ } function decodeUplink() { return {data: {n: [].tally()}} }",
    "var s = Symbol.for('s'), g = globalThis; function decodeUplink() { g[s] = (g[s] || 0) + 1; return {data: {n: g[s] - 1}} }",
    "function decodeUplink() { Date.prototype.n = (Date.prototype.n || 0) + 1; return {data: {n: (new Date(0).n || 1) - 1}} }",
    "function t(s) { s.n = (s.n || 0) + 1; return s.n || 1 } function decodeUplink() { return {data: {n: t`x` - 1}} }",
    "function decodeUplink() { try { JSON.parse = () => 5 } catch (e) {} Array = null; return {data: {n: 0}} }",
]


@pytest.mark.parametrize("source", LEAKS)
def test_nothing_is_remembered_from_message_to_message(source: str) -> None:
    read = codec(source)
    assert [read(b"\x01", 1) for _ in range(4)] == [{"n": 0}] * 4


def test_nothing_is_remembered_after_an_error_either() -> None:
    read = uplink("globalThis.n = (globalThis.n || 0) + 1; if (input.bytes[0]) throw new Error('n is ' + n); return {data: {n}}")
    assert [read(b"\x01", 1).detail for _ in range(2)] == ["the codec failed: Error: n is 1"] * 2
    assert read(b"\x00", 1) == {"n": 1}


def test_codecs_do_not_see_one_another() -> None:
    first, second = uplink("globalThis.mine = 1; return {data: {a: 1}}"), uplink("return {data: {a: typeof mine}}")
    assert first(b"", 1) == {"a": 1}
    assert second(b"", 1) == {"a": "undefined"}


def test_the_clock_stands_at_receipt_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    time.tzset()
    try:
        read = uplink(
            "return {data: {now: Date.now(), date: new Date().getTime(), at: input.recvTime.toISOString(), hours: new Date().getHours(),"
            " zone: new Date().getTimezoneOffset(), text: '' + new Date(0), call: Date(), parts: new Date(2026, 2, 14, 9).toISOString(),"
            " plain: new Date('2026-03-14T09:00:00').toISOString(), loose: new Date('2026-03-14 09:00').getTime(),"
            " zoned: Date.parse('2026-03-14T09:00:00+07:00'), day: new Date('2026-03-14').getTime(), is: new Date() instanceof Date,"
            " copy: new Date(new Date(5)).getTime(), same: new Date(0).constructor === Date}}"
        )
        found = read(b"", 1, 1_773_453_600_000)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert found == {
        "now": 1_773_453_600_000,
        "date": 1_773_453_600_000,
        "at": "2026-03-14T02:00:00.000Z",
        "hours": 2,
        "zone": 0,
        "text": "Thu, 01 Jan 1970 00:00:00 GMT",
        "call": "Sat, 14 Mar 2026 02:00:00 GMT",
        "parts": "2026-03-14T09:00:00.000Z",
        "plain": "2026-03-14T09:00:00.000Z",
        "loose": 1_773_478_800_000,
        "zoned": 1_773_453_600_000,
        "day": 1_773_446_400_000,
        "is": True,
        "copy": 5,
        "same": True,
    }


def test_nothing_of_the_outside_can_be_reached() -> None:
    names = "require process std os fetch XMLHttpRequest performance WeakRef FinalizationRegistry SharedArrayBuffer queueMicrotask print"
    read = uplink(
        f"const d = {{r: typeof Math.random}}; for (const n of '{names}'.split(' ')) d[n] = typeof globalThis[n]; return {{data: d}}"
    )
    assert set(read(b"", 1).values()) == {"undefined"}
    assert "not a function" in refused("return {data: require('fs')}").detail


def test_objects_may_have_their_own_to_string_although_the_language_is_frozen() -> None:
    read = uplink(
        "function P() {} P.prototype.toString = function () { return 'p' };"
        " class E extends Error { constructor() { super('m'); this.name = 'E' } }"
        " const o = {}; o.constructor = 1; let e = new E(); return {data: {p: '' + new P(), e: '' + e, o: o.constructor}}"
    )
    assert read(b"", 1) == {"p": "p", "e": "E: m", "o": 1}


def test_a_codec_with_polyfills_works() -> None:
    before = "if (!String.prototype.twice) { String.prototype.twice = function () { return this + this } }"
    read = uplink("return {data: {a: 'ab'.twice()}}", before)
    assert [read(b"", 1) for _ in range(3)] == [{"a": "abab"}] * 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("function decodeUplink( {", "SyntaxError"),
        ("var a = 1;", "defines none of decodeUplink, Decode, Decoder"),
        ("throw new Error('at once')", "at once"),
        ("while (true) {}", "interrupted"),
        ("}); (function () {", "SyntaxError"),
        ("}); let n = 0; (function (module, exports) { function decodeUplink() { return {data: {n: n++}} }", "SyntaxError"),
        ("import {x} from './x.js';\nexport function decodeUplink() {}", "it imports './x.js'"),
        ("export function () {}", "SyntaxError"),
        ("export * from 'x'", "SyntaxError"),
    ],
)
def test_what_is_no_codec_is_a_configuration_error(source: str, says: str) -> None:
    data = {**shipped_types()["elsys-elt-2"], "codec": {"javascript": {"file": "a.js", "source": source}}}
    with pytest.raises(ConfigError) as caught:
        parse(data, catalogue())
    problem = caught.value.problems[0]
    assert problem.path == ("codec", "javascript")
    assert says in problem.message
    assert problem.message.startswith("a.js is no codec: ")


def test_the_loader_reads_the_file_beside_the_type(tmp_path: Path) -> None:
    (tmp_path / "twice.js").write_text("\ufefffunction decodeUplink(i) { return {data: {temperature: i.bytes[0] * 2}} }", "utf-8")
    (tmp_path / "latin.js").write_bytes(b"// \xff")
    (tmp_path / "folder.js").mkdir()
    base = shipped_types()["elsys-elt-2"]
    kind = parse(with_codec({**base, "codec": {"javascript": "twice.js"}}, tmp_path), catalogue())
    assert kind.decode_raw is not None
    assert kind.decode_raw(b"\x0a", ("x", "5")).values[0].value == 20.0
    for name, says in (
        ("../twice.js", "not the name of a .js file"),
        ("/etc/passwd", "not the name of a .js file"),
        ("none.js", "no file none.js"),
        ("folder.js", "no file folder.js"),
        ("latin.js", "not UTF-8"),
    ):
        with pytest.raises(ConfigError, match=says):
            with_codec({**base, "codec": {"javascript": name}}, tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'elsys'"):
        with_codec({**base, "codec": {"layout": "elsis"}}, tmp_path)
    with pytest.raises(ConfigError, match="was not read"):
        parse({**base, "codec": {"javascript": "twice.js"}}, catalogue())


def test_threads_never_share_a_context() -> None:
    read = uplink("let s = 0; for (let i = 0; i < 2000; i++) s += input.bytes[0]; return {data: {s}}")
    wrong: list[object] = []

    def work(n: int) -> None:
        for _ in range(100):
            found = read(bytes([n]), 1)
            if found != {"s": 2000 * n} and not isinstance(found, Stopped):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", sorted(path.name for path in CODECS.glob("*.js")))
@given(raw=st.binary(max_size=260), port=st.none() | st.integers(0, 255), now=st.integers(-(10**13), 10**13))
def test_no_bytes_raise(name: str, raw: bytes, port: int | None, now: int) -> None:
    found = FILES[name](raw, port, now)
    assert isinstance(found, dict) or (isinstance(found, Rejection) and found.reason is Reason.CODEC_FAILED)


FILES = {path.name: codec(path.read_text("utf-8")) for path in CODECS.glob("*.js")}


def test_long_payloads() -> None:
    read = uplink("return {data: {n: input.bytes.length}}")
    assert read(bytes(MAX_BYTES), 1) == {"n": MAX_BYTES}
    assert read(bytes(MAX_BYTES + 1), 1).reason is Reason.CODEC_FAILED


def test_memory_does_not_grow_over_many_messages() -> None:
    """Each message leaves cycles behind; all run in one context of 8 MB."""
    read = uplink("var a = {x: new Array(500).fill(input.fPort)}; a.self = a; return {data: {n: a.x.length}}")
    for _ in range(5_000):
        assert read(b"\x01", 1) == {"n": 500}


def test_nan_inside_lists_is_marked_too() -> None:
    found = uplink("return {data: {a: [0/0, 1]}}")(b"", 1)
    assert math.isnan(found["a[0]"])
    assert found["a[1]"] == 1


# ---------------------------------------------------------------- what makers' files look like

MODULES = [
    "export function decodeUplink(input) { return {data: {n: input.bytes[1]}}; }",
    "export default function decodeUplink(input) { return {data: {n: input.bytes[1]}}; }",
    "export const decodeUplink = (input) => ({data: {n: input.bytes[1]}});",
    "function decodeUplink(input) { return {data: {n: input.bytes[1]}}; }\nexport { decodeUplink };",
    "function read(input) { return {data: {n: input.bytes[1]}}; }\nexport {\n  read as decodeUplink,\n};",
    "function read(input){return {data:{n:input.bytes[1]}}};export{read as decodeUplink};",
    "export default { decodeUplink(input) { return {data: {n: input.bytes[1]}}; } };",
    "#!/usr/bin/env node\nfunction decodeUplink(input) { return {data: {n: input.bytes[1]}}; }",
    "if (typeof module !== 'undefined') { module.exports = { decodeUplink: (i) => ({data: {n: i.bytes[1]}}) }; }",
    "const text = 'a line that says export and import';\nfunction Decoder(bytes, port) { return {n: bytes[1]}; }",
]


@pytest.mark.parametrize("source", MODULES)
def test_modules_and_scripts(source: str) -> None:
    assert codec(source)(b"\x00\xe1", 2) == {"n": 225}


def test_an_exported_file_keeps_its_line_numbers() -> None:
    source = "export {\n  a,\n};\nvar a = 1;\nfunction decodeUplink() { return {data: {line: new Error().stack}}; }"
    plain = source.replace("export {\n  a,\n};", "\n\n;")
    assert codec(source)(b"\1", 1) == codec(plain)(b"\1", 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("Buffer.from(input.bytes).readUInt16BE(0)", 0x00E1),
        ("Buffer.from(input.bytes).readUint16LE(0)", 0xE100),
        ("Buffer.from(input.bytes).readInt16LE()", -7936),
        ("new Buffer(input.bytes).readInt8(1)", -31),
        ("Buffer.from(input.bytes).readUIntBE(0, 2)", 225),
        ("Buffer.from(input.bytes).readIntLE(0, 2)", -7936),
        ("Buffer.from(input.bytes).toString('hex')", "00e1"),
        ("Buffer.from(input.bytes).toString('base64')", "AOE="),
        ("Buffer.from('AOE=', 'base64').length", 2),
        ("Buffer.from('41c80000', 'hex').readFloatBE(0)", 25.0),
        ("Buffer.from('0000c841', 'hex').readFloatLE(0)", 25.0),
        ("Buffer.from('4039000000000000', 'hex').readDoubleBE(0)", 25.0),
        ("Buffer.from('ffffffffffffffff', 'hex').readBigInt64BE(0)", -1),
        ("Buffer.from('0000000000000007', 'hex').readBigUInt64BE(0)", 7),
        ("Buffer.from('°C').length", 3),
        ("Buffer.from('°C').toString()", "°C"),
        ("Buffer.from([1, 2, 3, 4]).slice(1, 3).toString('hex')", "0203"),
        ("Buffer.concat([Buffer.from([1]), Buffer.alloc(2)]).toString('hex')", "010000"),
        ("Buffer.isBuffer(Buffer.from([1])) && !Buffer.isBuffer([1])", True),
        ("Buffer.from([1]).equals(Buffer.from([1]))", True),
        ("JSON.stringify(Buffer.from([1, 2]))", '{"type":"Buffer","data":[1,2]}'),
        ("(() => { const b = Buffer.alloc(2); b.writeInt16LE(-2, 0); return b.toString('hex'); })()", "feff"),
        ("(() => { const b = Buffer.alloc(3); Buffer.from([7, 8]).copy(b, 1); return b.toString('hex'); })()", "000708"),
        ("new TextDecoder().decode(new Uint8Array([0xc2, 0xb0, 67]))", "°C"),
        ("new TextEncoder().encode('°').length", 2),
        ("atob('AQI=').charCodeAt(1)", 2),
        ("new DataView(new Uint8Array(input.bytes).buffer).getInt16(0)", 225),
        ("BigInt(5) * 2n", 10),
        ("2n ** 80n", "1208925819614629174706176"),
        ("(console.log(1), console.table && 1, 3)", 3),
        ("typeof require", "undefined"),
    ],
)
def test_what_codecs_take_for_granted(expression: str, due: Any) -> None:
    assert uplink(f"return {{data: {{n: {expression}}}}}")(b"\x00\xe1", 2) == {"n": due}


def test_buffer_may_be_required_and_nothing_else() -> None:
    before = "const { Buffer: B } = require('buffer');"
    assert uplink("return {data: {n: B.from(input.bytes).readUInt8(0)}}", before)(b"\x07", 1) == {"n": 7}
    with pytest.raises(ConfigError, match="there is no module fs"):
        uplink("return {data: {}}", before + "require('fs')")


def test_reading_behind_the_end_is_an_error_as_in_node() -> None:
    assert "RangeError" in refused("return {data: {n: Buffer.from([1]).readUInt16BE(0)}}").detail


def test_buffers_remember_nothing() -> None:
    """They are of the language, as far as a codec can see: nothing can be hung on them."""
    read = uplink("Buffer.n = (Buffer.n || 0) + 1; Buffer.prototype.n = 1; return {data: {n: Buffer.n || 0}}")
    assert read(b"\1", 1) == read(b"\1", 1)
