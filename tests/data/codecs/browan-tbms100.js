// Written by us against the published bytes of the Browan TABS TBMS100; The Things Stack and ChirpStack v4 entry point.
function decodeUplink(input) {
  const b = input.bytes;
  return {
    data: {
      fPort: input.fPort, battery_volt: (25 + (b[1] & 15)) / 10, temperature: (b[2] & 127) - 32,
      mot_motionst: b[0] & 1, mot_times: b[3] | (b[4] << 8), mot_counts: b[5] | (b[6] << 8)
    },
    warnings: [], errors: []
  };
}
