// Written by us against the published bytes of the MClimate Vicki; The Things Network v2 entry point.
function Decoder(bytes, port) {
  var low = bytes[7] & 15, flags = bytes[8];
  var range = ((bytes[6] & 15) << 8) | bytes[5], position = ((bytes[6] >> 4) << 8) | bytes[4];
  return {
    reason: bytes[0], targetTemperature: bytes[1], sensorTemperature: Number((bytes[2] * 165 / 256 - 40).toFixed(2)),
    relativeHumidity: Number((bytes[3] * 100 / 256).toFixed(2)), motorRange: range, motorPosition: position,
    batteryVoltage: 2 + (bytes[7] >> 4) * 0.1, openWindow: !!(low & 8), highMotorConsumption: !!(low & 4),
    lowMotorConsumption: !!(low & 2), brokenSensor: !!(low & 1), childLock: !!(flags & 128), calibrationFailed: !!(flags & 64),
    attachedBackplate: !!(flags & 32), perceiveAsOnline: !!(flags & 16), antiFreezeProtection: !!(flags & 8),
    valveOpenness: range ? Math.round((1 - position / range) * 100) : 0, targetTemperatureFloat: bytes[1]
  };
}
