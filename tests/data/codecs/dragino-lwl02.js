// Written by us against the published bytes of the Dragino LWL02; ChirpStack v3 entry point, a global without `var` on purpose.
function Decode(fPort, bytes, variables) {
  value = (bytes[0] << 8) | bytes[1];
  if (fPort !== 10) throw new Error('port 10 is due');
  var number = function (at) { return (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]; };
  return {
    Node_type: 'LWL02', BAT_V: (value & 0x3fff) / 1000, MOD: bytes[2], WATER_LEAK_STATUS: value & 0x4000 ? 1 : 0,
    WATER_LEAK_TIMES: number(3), LAST_WATER_LEAK_DURATION: number(6)
  };
}
