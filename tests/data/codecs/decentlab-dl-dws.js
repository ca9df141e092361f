// Written by us against the published bytes of the Decentlab DL-DWS, as a module: its weight depends on two numbers that belong
// to the one device, so that it cannot be a shipped type.
const word = (bytes, at) => bytes[at] * 256 + bytes[at + 1];
module.exports.decodeUplink = ({bytes}) => {
  if (bytes[0] !== 2) return {errors: ['protocol version 2 is due']};
  const flags = word(bytes, 3), data = {protocol_version: bytes[0], device_id: word(bytes, 1)};
  let at = 5;
  if (flags & 1) {
    data.frequency = {displayName: 'Frequency', value: word(bytes, at) / word(bytes, at + 2) * 32768, unit: 'Hz'};
    at += 6;
  }
  if (flags & 2) data.battery_voltage = {displayName: 'Battery voltage', value: word(bytes, at) / 1000, unit: 'V'};
  return {data};
};
